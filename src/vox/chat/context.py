"""What every feature and the gateway stand on: the state of one chat server, without its life cycle.

Several event loops may use one server at once, because an embedder may serve the ASGI application without a lifespan, each
request on a loop of its own (`asyncio.run` per request, or one loop per thread). Therefore nothing here keeps an object of an
event loop, and what is shared is guarded by thread locks held without awaiting: in the hub, the outbox, the buses, the login
cache, the profiles, the concurrency limits, the upload limits and the opening of the server.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Protocol, TypeVar, cast

from vox.chat.bus.contract import Bus
from vox.chat.bus.memory import MemoryBus
from vox.chat.community import Community
from vox.chat.community.member_index import MemberIndex
from vox.chat.community.name_index import NameIndex
from vox.chat.community.presence import PresenceRegistry
from vox.chat.community.recent_messages import RecentMessages
from vox.chat.config.encryption_key import EncryptionKey
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import ApplyChange, UnitOfWork
from vox.chat.database.worker_lease import Ids, LeasedSnowflakes
from vox.chat.events import Event
from vox.chat.events.ids import DmId, FeedId, ThreadId, UserId
from vox.chat.federation.service import Federation, Outside
from vox.chat.identity.logins import LoginCache
from vox.chat.integrations.registry import Integrations
from vox.chat.integrations.signing import SigningKey
from vox.chat.storage.limits import UploadLimits, open_storage
from vox.chat.storage.media_cache import open_cache
from vox.http.rate_limits import MemoryRateLimits, RateLimits
from vox.runtime.background import BackgroundTasks
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.security.web_push import PushKey
from vox.stores.sql import SqlDatabase

MAX_BACKGROUND: Final = 256
INTEGRATION_PORTS: Final = frozenset({80, 443, 8080, 8443})
"""Ports that bots and webhooks may be posted to, unless VOX_INTEGRATION_NETWORKS names networks of the operator's own."""

T = TypeVar("T")
K = TypeVar("K")
Offer = Callable[[Sequence[Event]], None]
"""Takes events and returns at once."""


@dataclass(slots=True)
class Parts:
    """What a chat server is built from; tests hand in their own."""

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    bus: Bus | None = None
    limits: RateLimits | None = None
    spam_limits: RateLimits | None = None
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


class CallCommand(Protocol):
    """Takes a text that begins with a slash."""

    async def __call__(
        self,
        user_id: UserId,
        body: str,
        *,
        feed_id: FeedId | None,
        thread_id: ThreadId | None,
        dm_id: DmId | None,
        nonce: str | None,
    ) -> str | None:
        """The id of the interaction where the text calls a command; None where it is an ordinary message.

        Raises:
            Refusal: VALIDATION_ERROR where an option does not fit.
        """
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
    call_command: CallCommand | None
    """Calls slash commands; the server names it before it opens."""

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
        self.community = Community(now_s=parts.clock.unix_s)
        self.members = MemberIndex(self.community)
        self.names = NameIndex(self.community)
        self.recent = RecentMessages()
        self.presence = PresenceRegistry()
        self.config = Config(settings)
        self.limits = parts.limits or MemoryRateLimits(settings.rate_limit_scale)
        self.spam_limits = parts.spam_limits or MemoryRateLimits()
        """What rules of auto-moderation count; their numbers are not scaled."""
        self.logins = LoginCache(settings, self.database, self.community, self.config, self.clock)
        self.encryption_key = EncryptionKey(settings, self.database.file)
        self.storage = open_storage(settings)
        self.upload_limits = UploadLimits(settings)
        self.media_cache = open_cache(settings)
        self.outbound = OutboundGuard()
        networks = [ip_network(one) for one in settings.integration_networks]
        self.integration_guard = OutboundGuard(
            allowed_private=networks, allowed_ports=None if networks else INTEGRATION_PORTS
        )
        """Posts to the addresses of bots and outgoing webhooks."""
        self.integrations = Integrations()
        self.signing_key = SigningKey()
        self.background = BackgroundTasks(MAX_BACKGROUND)
        self.call_command = None
        self.push_outbound = OutboundGuard(allowed_schemes=frozenset({"https"}))
        self.push_key: PushKey | None = None
        """Identifies this server to push services; None where it sends no pushes."""
        self.push: Offer | None = None
        """Takes events of this process that users may be told of; None where there are no pushes."""
        self.oidc: object | None = None
        """Login by an organisation's provider (`vox.chat.features.oidc`), where one is configured; the server sets it."""
        self.voice: object | None = None
        """Voice rooms (`vox.chat.features.voice`); the server sets it."""
        self.on_changed: Offer | None = None
        """Takes what was committed in this process, for what must follow at once."""
        self._kept: dict[type[object], object] = {}
        self.federation: Federation | None = None
        """Other communities; None where no federation domain is set, and before the server opens."""

    def kept(self, kind: type[K]) -> K:
        """What a feature keeps in memory for this server: one object of its type, made when it is first asked for."""
        found = self._kept.get(kind)
        if found is None:
            found = self._kept.setdefault(kind, kind())
        return cast("K", found)

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
