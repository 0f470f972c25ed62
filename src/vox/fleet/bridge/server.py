"""The bridge as an object: what it consists of, and its life from the first connection to the database to the last write."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network
from math import nan
from random import Random
from typing import Any, Final, Self

import httpx2

from vox.fleet.accounts.api_keys import WORKER, ApiKeys, NewApiKey
from vox.fleet.accounts.bots import Bots
from vox.fleet.accounts.bridge_settings import VOXCORE_FLEET, BridgeSettingRows, checked_setting
from vox.fleet.accounts.operator_sessions import OperatorSessions, prune
from vox.fleet.bridge.campaigning import BridgeCampaigns
from vox.fleet.bridge.settings import BridgeSettings, Carrier
from vox.fleet.calls import queries
from vox.fleet.calls.addresses import CallbackAddresses
from vox.fleet.calls.callbacks import CarrierCallbacks
from vox.fleet.calls.carriers import CarrierLimits, Carriers
from vox.fleet.calls.contract import FINAL, CallStatus
from vox.fleet.calls.dialling import DialLoop, DialParts
from vox.fleet.calls.journal import CallJournal
from vox.fleet.calls.live_transcripts import LiveTranscripts
from vox.fleet.calls.metrics import CALLS_OPEN
from vox.fleet.calls.reconciliation import INTERVAL_S, Reconciler
from vox.fleet.calls.service import CallService
from vox.fleet.calls.webhooks import WebhookOutbox
from vox.fleet.calls.worker_events import WorkerEvents
from vox.fleet.database.opening import opened
from vox.fleet.dispatch.bridge_socket import TokenOwner, WorkerEndpoint
from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.dispatch.fleet_status import DEFAULT_BUFFER, autoscale_signal
from vox.fleet.dispatch.metrics import AUTOSCALE_SLOTS
from vox.fleet.dispatch.static_fleet import StaticFleet
from vox.providers import registry
from vox.providers.contract import Deps
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic, supervised
from vox.security.outbound import OutboundGuard
from vox.stores.leases import SqlLeases
from vox.stores.sql import SqlDatabase

UPKEEP_S: Final = 60.0
SHARE_S: Final = 5.0
AUTOSCALE_S: Final = 2.0
SHARE_TTL_S: Final = 20.0
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bridge stands on; tests hand in their own.

    Args:
        clock: for rows and deadlines.
        metrics: counts.
        lifecycle: says whether new calls are dialled.
        chance: draws workers and spreads pauses.
        http: the client for carriers and static workers.
        environment: where carriers' credentials are looked for.
    """

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    chance: Random
    http: httpx2.AsyncClient
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Bridge:
    """Everything behind the routes, while the block runs."""

    def __init__(self, settings: BridgeSettings, parts: Parts) -> None:
        self.settings = settings
        self.clock, self.metrics, self.lifecycle = parts.clock, parts.metrics, parts.lifecycle
        self.address = ""
        """Where the bridge listens, once it does."""
        self.database = SqlDatabase(settings.storage.url.get_secret_value())
        self.api_keys = ApiKeys(self.database, self.clock)
        self.operator_sessions = OperatorSessions(self.database, self.clock)
        self.bots = Bots(self.database, self.clock)
        self.setting_rows = BridgeSettingRows(self.database, self.clock, {VOXCORE_FLEET: settings.voxcore_fleet})
        self.journal = CallJournal(self.clock, self.metrics)
        self.worker_events = WorkerEvents(self.database, self.journal, self.clock)
        self._leases = None if self.database.is_sqlite else SqlLeases(self.database, self.clock)
        self.dispatcher = FleetDispatcher(
            self.worker_events, self.clock, parts.chance, self.metrics, leases=self._leases
        )
        self.worker_endpoint = WorkerEndpoint(self.dispatcher, WorkerKeys(self.api_keys))
        worker_secret = settings.worker_secret.get_secret_value()
        self._static_fleet = StaticFleet(self.dispatcher, parts.http, worker_secret, self.metrics)
        limits = {name: _limits(carrier) for name, carrier in settings.carriers.items()}
        deps = Deps(self.clock, parts.http, environment=parts.environment, metrics=self.metrics)
        options = {name: carrier.options for name, carrier in settings.carriers.items()}
        self.carriers = Carriers(
            limits, lambda name: registry.create("diallers", name, options.get(name, {}), deps), self.clock
        )
        self.guard = OutboundGuard(
            allowed_private=[ip_network(network) for network in settings.webhooks.allowed_private], allowed_ports=None
        )
        self.first_key: NewApiKey | None = None
        self.is_open = False
        self._secret = ""
        self._dialling = DialParts(
            self.database,
            self.journal,
            self.carriers,
            self.dispatcher,
            CallbackAddresses(lambda: self._secret),
            self.base_url,
            self.clock,
            self.metrics,
            self.lifecycle,
            f"{parts.chance.getrandbits(96):024x}",
        )
        self.service = CallService(self._dialling, self.guard.check_url)
        self.callbacks = CarrierCallbacks(self._dialling)
        self.worker_events.on_detected = self.callbacks.react
        self._outbox = WebhookOutbox(
            self.database,
            self.journal,
            self.guard,
            lambda: settings.webhooks.secret.get_secret_value() or self._secret,
            self.clock,
            parts.chance,
            self.metrics,
            max_tries=settings.webhooks.max_tries,
        )
        self.campaigns = BridgeCampaigns(
            self._dialling,
            self.guard,
            lambda: settings.webhooks.secret.get_secret_value() or self._secret,
            default_provider=settings.default_provider,
        )
        self.live_transcripts = LiveTranscripts(self.dispatcher, self.clock)
        self.worker_events.add_progress_listener(self.live_transcripts.on_progress)
        self.worker_events.add_progress_listener(self.campaigns.service.on_progress)
        self.worker_events.add_result_hook(self.campaigns.outcomes.on_result)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(self.database))
            self.first_key = await self.api_keys.create_first()
            self._secret = await self.setting_rows.secret()
            if self._leases is not None:
                await self._leases.create()
            await self._take_up()
            await stack.enter_async_context(self.dispatcher.running())
            await self._static_fleet.use(await self.setting_rows.get(VOXCORE_FLEET))
            await stack.enter_async_context(self._static_fleet.running())
            await stack.enter_async_context(periodic(INTERVAL_S, Reconciler(self._dialling).round, "bridge-reconcile"))
            await stack.enter_async_context(supervised(self._outbox.run, "bridge-webhooks"))
            await stack.enter_async_context(periodic(UPKEEP_S, self._upkeep, "bridge-upkeep"))
            await stack.enter_async_context(periodic(SHARE_S, self._share, "bridge-share"))
            await stack.enter_async_context(periodic(AUTOSCALE_S, self._measure_fleet, "bridge-autoscale"))
            await stack.enter_async_context(self.campaigns)
            await stack.enter_async_context(supervised(DialLoop(self._dialling).run, "bridge-dial"))
            self._stack = stack.pop_all()
        self.is_open = True
        self.lifecycle.ready()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_open = False
        await self._stack.aclose()

    def base_url(self) -> str:
        """Where carriers and workers reach the bridge."""
        return self.settings.listen.public_url or self.address

    async def change_setting(self, key: str, value: Any) -> Any:
        """Writes a setting, and goes by it at once.

        Raises:
            UsageError: setting_unknown, setting_invalid, or invalid_fleet_url.
        """
        made = checked_setting(key, value)
        if key == VOXCORE_FLEET:
            await self._static_fleet.use(made)
        return await self.setting_rows.put(key, made)

    async def autoscale_slots(self, buffer: int = DEFAULT_BUFFER) -> int | None:
        """Slots that the fleet should have; None while that is not known.

        Args:
            buffer: free slots on top of what is in use or due.

        Raises:
            VoxError: the database does not answer.
        """
        due = await self.database.read(lambda connection: queries.count_due(connection, self.clock.unix_ms()))
        return autoscale_signal(self.dispatcher.fleet(), queued_due=due, buffer=buffer)

    async def check_database(self) -> None:
        """Raises where the database does not answer."""
        await self.database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())

    async def _take_up(self) -> None:
        """Goes on with what an earlier process left: its claims are void, and carriers may have called back in vain."""
        now = self.clock.unix_ms()
        if self.database.is_sqlite:
            await self.database.write(queries.forget_leases)
        await self.database.write(lambda connection: queries.check_all_live(connection, now))

    async def _share(self) -> None:
        """Learns the list of workers that another bridge has written, and among how many the carriers' rates are divided."""
        await self._static_fleet.use(await self.setting_rows.get(VOXCORE_FLEET))
        if self._leases is not None:
            holders = await self._leases.join(self._dialling.holder, SHARE_TTL_S)
            self.carriers.share(len(holders))

    async def _measure_fleet(self) -> None:
        slots = None
        try:
            slots = await self.autoscale_slots()
        finally:
            self.metrics.gauge(AUTOSCALE_SLOTS).set(nan if slots is None else slots)

    async def _upkeep(self) -> None:
        """Forgets what is too old, and sets the gauges."""
        now = self.clock.unix_ms()
        await self.database.write(lambda connection: queries.prune_idempotency(connection, now))
        await self.database.write(lambda connection: prune(connection, now))
        if days := self.settings.storage.retention_days:
            await self.database.write(lambda connection: queries.prune(connection, now - days * _DAY_MS))
        counts = await self.database.read(queries.counts_by_status)
        for status in CallStatus:
            if status not in FINAL:
                self.metrics.gauge(CALLS_OPEN, status.value).set(counts.get(status.value, 0))
        await self._outbox.measure()


class WorkerKeys:
    """Implements `vox.fleet.dispatch.bridge_socket.WorkerTokens`: API keys with the scope `worker` or `worker:ID`.

    Args:
        keys: all API keys.
    """

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def owner_of(self, token: str) -> TokenOwner | None:
        """Whose token this is; None for one that is unknown or revoked."""
        key = await self._keys.find(token)
        if key is None:
            return None
        if key.allows(WORKER):
            return TokenOwner(None)
        return TokenOwner(key.workers) if key.workers else None


def _limits(carrier: Carrier) -> CarrierLimits:
    return CarrierLimits(carrier.calls_per_second, carrier.max_concurrent, carrier.from_number)
