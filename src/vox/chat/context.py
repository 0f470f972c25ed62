"""What every feature and the gateway stand on: the state of one chat server, without its life cycle.

Several event loops may use one server at once, because an embedder may serve the ASGI application without a lifespan, each
request on a loop of its own (`asyncio.run` per request, or one loop per thread). Therefore nothing here keeps an object of an
event loop, and what is shared is guarded by thread locks held without awaiting: in the hub, the outbox, the buses, the login
cache, the profiles, the concurrency limits, the upload limits and the opening of the server.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vox.chat.bus.contract import Bus
from vox.chat.bus.memory import MemoryBus
from vox.chat.community import Community
from vox.chat.community.member_index import MemberIndex
from vox.chat.community.presence import PresenceRegistry
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import ApplyChange, UnitOfWork
from vox.chat.database.worker_lease import Ids, LeasedSnowflakes
from vox.chat.events import Event
from vox.chat.federation.service import Federation, Outside
from vox.chat.identity.logins import LoginCache
from vox.chat.storage.limits import UploadLimits, open_storage
from vox.http.rate_limits import MemoryRateLimits, RateLimits
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.stores.sql import SqlDatabase

T = TypeVar("T")


@dataclass(slots=True)
class Parts:
    """What a chat server is built from; tests hand in their own."""

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    bus: Bus | None = None
    limits: RateLimits | None = None
    worker: int = 0
    ids: LeasedSnowflakes | None = None
    running: Sequence[Callable[[], AbstractAsyncContextManager[None]]] = ()
    outside: Outside | None = None


class Pipeline(Protocol):
    """The path of every change and event; the server binds it to the context."""

    async def change(self, unit: UnitOfWork[T]) -> T:
        """See `ChatContext.change`."""
        ...

    def tell(self, *events: Event) -> None:
        """See `ChatContext.tell`."""
        ...


class Tell(Protocol):
    """Sends events."""

    def __call__(self, *events: Event) -> None:
        """Sends these, in order."""
        ...


class ChatContext:
    """The parts of one chat server; a second one in the same process shares nothing with it.

    Args:
        settings: of the environment.
        parts: what the process or a test provides.

    Raises:
        UsageError: a setting or a missing library; the message says what to do.
    """

    change: ApplyChange
    """Runs a unit of work in the writer's transaction; its events are out when this returns.

    It raises what the unit raised, and then nothing of it is stored; or DependencyError, where the database failed or is too busy.
    """
    tell: Tell
    """Sends events that no database row stands behind, such as typing."""

    def __init__(self, settings: ChatSettings, parts: Parts) -> None:
        self.settings = settings
        self.clock = parts.clock
        self._outside = parts.outside
        self.metrics = parts.metrics
        self.database = SqlDatabase(
            settings.database_url.get_secret_value(),
            synchronous=settings.sqlite_synchronous,
            pool_size=settings.db_pool_size,
            max_overflow=settings.db_max_overflow,
            pool_recycle_s=settings.db_pool_recycle,
        )
        self.read = self.database.read
        """Runs a read-only unit of work on a reader's thread."""
        self.read_slowly = self.database.read_slowly
        """Runs one that may take seconds, on threads where it keeps no other waiting."""
        self.ids: Ids = parts.ids or Snowflakes(parts.clock, parts.worker)
        self.bus = parts.bus or MemoryBus(parts.clock)
        self.community = Community()
        self.members = MemberIndex(self.community)
        self.presence = PresenceRegistry()
        self.config = Config(settings)
        self.limits = parts.limits or MemoryRateLimits(settings.rate_limit_scale)
        self.logins = LoginCache(settings, self.database, self.community, self.config, self.clock)
        self.storage = open_storage(settings)
        self.upload_limits = UploadLimits(settings)
        self.outbound = OutboundGuard()
        self.federation: Federation | None = None
        """Other communities; None where no federation domain is set, and before the server opens."""

    def open_federation(self) -> None:
        """Makes what a community with a federation domain needs, once its settings are read from the database.

        Raises:
            UsageError: a setting of federation is wrong.
        """
        if self.config.get("federation_domain"):
            self.federation = Federation(
                self.settings,
                self.config,
                self.database,
                self.clock,
                self.metrics,
                community=self.community,
                tell=self.tell,
                outside=self._outside,
            )

    def bind(self, pipeline: Pipeline) -> None:
        """Names the path that changes and events take; once, before the server opens."""
        self.change = pipeline.change
        self.tell = pipeline.tell
