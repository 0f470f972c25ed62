"""The bridge as an object: what it consists of, and its life from the first connection to the database to the last write."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network
from random import Random
from typing import Any, Final, Self

import httpx2

from vox.fleet.accounts.api_keys import ApiKeys, NewApiKey
from vox.fleet.accounts.bots import Bots
from vox.fleet.accounts.bridge_settings import VOXCORE_FLEET, BridgeSettingRows
from vox.fleet.bridge.settings import BridgeSettings
from vox.fleet.calls import queries
from vox.fleet.calls.addresses import CallbackAddresses
from vox.fleet.calls.callbacks import CarrierCallbacks
from vox.fleet.calls.carriers import CarrierLimits, Carriers
from vox.fleet.calls.dialling import DialLoop, DialParts
from vox.fleet.calls.journal import CallJournal
from vox.fleet.calls.metrics import CALLS_OPEN
from vox.fleet.calls.reconciliation import INTERVAL_S, Reconciler
from vox.fleet.calls.service import CallService
from vox.fleet.calls.webhooks import WebhookOutbox
from vox.fleet.calls.worker_events import WorkerEvents
from vox.fleet.database.opening import opened
from vox.fleet.dispatch.contract import Dispatcher, DispatchListener
from vox.providers import registry
from vox.providers.carriers.contract import Dialler
from vox.providers.contract import Deps
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic, supervised
from vox.security.outbound import OutboundGuard
from vox.stores.leases import SqlLeases
from vox.stores.sql import SqlDatabase

UPKEEP_S: Final = 60.0
SHARE_S: Final = 5.0
_SHARE_TTL_S: Final = 20.0
_DAY_MS: Final = 86_400_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bridge stands on; tests hand in their own.

    Args:
        make_dispatcher: makes what places calls on workers, told who hears of them; an async context manager.
        environment: where carriers' credentials are looked for.
    """

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    chance: Random
    http: httpx2.AsyncClient
    make_dispatcher: "Callable[[Bridge, DispatchListener], Dispatcher]"
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Bridge:
    """Everything behind the routes, while the block runs."""

    def __init__(self, settings: BridgeSettings, parts: Parts) -> None:
        self.settings = settings
        self.clock, self.metrics, self.lifecycle = parts.clock, parts.metrics, parts.lifecycle
        self.http = parts.http
        self.address = ""
        """Where the bridge listens, once it does."""
        self.database = SqlDatabase(settings.database_url.get_secret_value())
        self.api_keys = ApiKeys(self.database, self.clock)
        self.bots = Bots(self.database, self.clock)
        self.setting_rows = BridgeSettingRows(self.database, self.clock, {VOXCORE_FLEET: settings.voxcore_fleet})
        self.journal = CallJournal(self.clock, self.metrics)
        self.worker_events = WorkerEvents(self.database, self.journal, self.clock)
        self.dispatcher = parts.make_dispatcher(self, self.worker_events)
        self._deps = Deps(self.clock, parts.http, environment=parts.environment, metrics=self.metrics)
        limits = {name: _limits(carrier) for name, carrier in settings.carriers.items()}
        self.carriers = Carriers(limits, self._make_dialler, self.clock)
        self._secret = ""
        self._holder = f"{parts.chance.getrandbits(96):024x}"
        self._chance = parts.chance
        self.guard = OutboundGuard(
            allowed_private=[ip_network(network) for network in settings.webhooks.allowed_private], allowed_ports=None
        )
        self.first_key: NewApiKey | None = None
        self.is_open = False
        self._stack = AsyncExitStack()
        self._dialling: DialParts | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(self.database))
            self.first_key = await self.api_keys.create_first()
            self._secret = await self.setting_rows.secret()
            self._dialling = DialParts(
                self.database,
                self.journal,
                self.carriers,
                self.dispatcher,
                CallbackAddresses(self._secret),
                self.base_url,
                self.clock,
                self.metrics,
                self.lifecycle,
                self._holder,
            )
            self.service = CallService(self._dialling, self.guard.check_url)
            self.callbacks = CarrierCallbacks(self._dialling)
            await self._take_up()
            await stack.enter_async_context(self._background())
            self._stack = stack.pop_all()
        self.is_open = True
        self.lifecycle.ready()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_open = False
        await self._stack.aclose()
