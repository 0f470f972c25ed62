"""The directory as an object: what it consists of, and its life from the first connection to the database to the last write.

Enter it before the first request. Registrations, deletions and drains are in the database before they are answered; heartbeats and probe
results follow within half a second.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from typing import Self

from vox.directory.database.join_tokens import JoinTokens
from vox.directory.database.journal import Journal
from vox.directory.database.loading import RelayLoader
from vox.directory.database.opening import database_of, opened
from vox.directory.database.signing_key import signing_key
from vox.directory.database.sync_state import SyncState
from vox.directory.errors import url_refused, url_refused_because
from vox.directory.health.gauges import Gauges
from vox.directory.health.health_registry import HealthRegistry
from vox.directory.probing.prober import Prober
from vox.directory.registration.access import Authorizer
from vox.directory.registration.joining import Joining
from vox.directory.registration.relay_factory import from_config
from vox.directory.registration.service import RegistrationService
from vox.directory.relays.address_quota import Addresses
from vox.directory.relays.long_poll import LongPoll
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import iso
from vox.directory.relays.signed_list import ListSigner
from vox.directory.selection.failure_holds import FailureHolds
from vox.directory.selection.peer_assignments import PeerAssignments
from vox.directory.selection.round_trips import RoundTrips
from vox.directory.selection.selector import RelaySelector
from vox.directory.settings import DirectorySettings
from vox.errors import DependencyError, VoxError
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.stores.leases import MemoryLeases, SqlLeases

RESOLVE_TIMEOUT_S = 3.0

_log = get_logger(__name__)


@dataclass(slots=True)
class Parts:
    """What a directory stands on; tests hand in their own."""

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    random: Random


class Directory:
    """Everything behind the routes, while the block runs."""

    def __init__(self, settings: DirectorySettings, parts: Parts) -> None:
        self.settings = settings
        self.clock, self.metrics = parts.clock, parts.metrics
        self.lifecycle, self.random = parts.lifecycle, parts.random
        self.registry = Registry()
        self.health = HealthRegistry(settings.health_check, self.registry, parts.clock, parts.metrics)
        self.authorizer = Authorizer(settings.access, settings.server.authority, parts.clock)
        self.addresses = Addresses(self.registry, settings.outbound.relays_per_address)
        self.long_poll = LongPoll(self.registry, parts.lifecycle, parts.clock, parts.random)
        self.round_trips = RoundTrips()
        self.database = database_of(settings.database)
        self.join_tokens = JoinTokens(self.database, parts.clock)
        self._shared_leases = None if self.database.is_sqlite else SqlLeases(self.database, parts.clock)
        state, changing = SyncState(), asyncio.Lock()
        self.prober = Prober(
            settings,
            self.registry,
            self.health,
            state,
            self._shared_leases or MemoryLeases(parts.clock),
            self._remove_dead,
            self.addresses.found,
            parts.clock,
            parts.metrics,
            parts.random,
        )
        self._loader = RelayLoader(self.database, state, self.registry, self.health, self.prober, parts.clock)
        self.journal = Journal(self.database, state, self._loader.record, self._loader.learn, parts.metrics, changing)
        self._gauges = Gauges(self.registry, self.health, parts.metrics)
        self.selector = RelaySelector(self.registry, self.health, parts.clock, parts.metrics, parts.random)
        self.peer_assignments: PeerAssignments | None = None
        if self._shared_leases is not None:
            holder = f"{parts.random.getrandbits(96):024x}"
            self.peer_assignments = PeerAssignments(self.database, self.selector, parts.clock, holder)
        self.failure_holds = FailureHolds(self.registry, self.health, parts.clock, parts.metrics)
        self.registration = RegistrationService(
            database=self.database,
            registry=self.registry,
            health=self.health,
            loader=self._loader,
            state=state,
            journal=self.journal,
            joining=Joining(settings.access.mode, self.health),
            changing=changing,
            reported=self.selector.reported,
            look_at=self.prober.look_at,
            clock=parts.clock,
            metrics=parts.metrics,
            random=parts.random,
        )
        self._list_signer: ListSigner | None = None
        self.is_open = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        keys = self.settings.database
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(self.database, keys.path))
            if self._shared_leases is not None:
                await self._shared_leases.create()
            await stack.enter_async_context(self.journal.running())
            configured = from_config(self.settings.bootstrap_relays, self.registry, iso(self.clock.wall()))
            await self._loader.load_bootstrap(configured)
            key = await signing_key(self.database, keys.path, keys.signing_key_file)
            self._list_signer = ListSigner(key, self.clock)
            stack.callback(self.failure_holds.close)
            if self.peer_assignments is not None:
                await stack.enter_async_context(self.peer_assignments.running())
            if self.settings.health_check.enabled:
                await stack.enter_async_context(self.prober.running())
            self._stack = stack.pop_all()
        self.is_open = True
        self.lifecycle.ready()
        _log.info("relays loaded", relays=len(self.registry), listed=self.registry.listed_count)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_open = False
        await self.registration.finish()
        await self._stack.aclose()

    @property
    def list_signer(self) -> ListSigner:
        """Makes signed lists; there once the directory is open.

        Raises:
            DependencyError: it is not open yet (database_failed).
        """
        if self._list_signer is None:
            raise DependencyError("the directory is not open yet", code="database_failed", retryable=True)
        return self._list_signer

    async def check_address(self, url: str, *, tells_why: bool) -> str:
        """The address behind a URL, as the probes would find it; empty where relays are not probed.

        Args:
            url: of a relay.
            tells_why: whether a refusal gives the reason; only administrators may learn what names stand for inside.

        Raises:
            UsageError: url_refused, for what leads into networks that are not permitted, and for what leads nowhere.
        """
        if not self.settings.health_check.enabled:
            return ""
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                return (await self.prober.guard.resolve(url)).address
        except (TimeoutError, VoxError) as error:
            reason = error.args[0] if isinstance(error, VoxError) else "its host was not resolved in time"
            _log.info("relay's url refused", url=url, reason=reason)
            raise (url_refused_because(error) if tells_why else url_refused()) from None

    async def check_database(self) -> None:
        """Raises where the database does not answer."""
        await self.database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())

    def measure(self) -> None:
        """Sets the gauges that are counted over all relays, when metrics are asked for."""
        self._gauges.measure(self._list_signer.age_s if self._list_signer is not None else 0.0)

    async def _remove_dead(self, relay_id: str) -> None:
        await self.registration.remove(relay_id)
