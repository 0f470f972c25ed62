"""The bridge as an object: what it consists of, and its life from the first connection to the database to the last write."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from vox.fleet.accounts.api_keys import ApiKeys, NewApiKey
from vox.fleet.bridge.settings import BridgeSettings
from vox.fleet.database.opening import opened
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.stores.sql import SqlDatabase


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bridge stands on; tests hand in their own."""

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle


class Bridge:
    """Everything behind the routes, while the block runs."""

    def __init__(self, settings: BridgeSettings, parts: Parts) -> None:
        self.settings = settings
        self.clock, self.metrics, self.lifecycle = parts.clock, parts.metrics, parts.lifecycle
        self.database = SqlDatabase(settings.database_url.get_secret_value())
        self.api_keys = ApiKeys(self.database, self.clock)
        self.first_key: NewApiKey | None = None
        self.is_open = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(self.database))
            self.first_key = await self.api_keys.create_first()
            self._stack = stack.pop_all()
        self.is_open = True
        self.lifecycle.ready()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_open = False
        await self._stack.aclose()

    async def check_database(self) -> None:
        """Raises where the database does not answer."""
        await self.database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
