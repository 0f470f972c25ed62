"""The life of a chat server: builds its parts, opens, runs, drains and closes.

All state hangs on a `ChatServer`, so a second one in the same process starts clean. The ASGI application opens it by itself at the
first request where no lifespan runs.
"""

import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from vox.chat.bus.shared import SharedBus
from vox.chat.config.settings import ChatSettings
from vox.chat.context import ChatContext, Parts
from vox.chat.database.liveness import select_one
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.worker_lease import LeasedSnowflakes, SqlWorkerLeases, largest_number
from vox.chat.events import Event
from vox.chat.features import retention
from vox.chat.gateway import GatewayLimits, Hub
from vox.chat.gateway.expiry import closing_expired
from vox.chat.identity.admin_bootstrap import issue_setup_token
from vox.chat.replication.event_pipeline import EventPipeline
from vox.chat.replication.resync import StateResync
from vox.chat.replication.session_checkpoints import checkpointing
from vox.chat.replication.version_poll import polling_version
from vox.runtime.logging import get_logger
from vox.runtime.tasks import periodic
from vox.stores.sql import Connection

SWEEP_S: Final = 3600.0

_log = get_logger(__name__)


class ChatServer:
    """Everything behind the routes and the gateway, and its life cycle.

    Args:
        settings: of the environment.
        parts: what the process or a test provides.

    Raises:
        UsageError: a setting or a missing library; the message says what to do.
    """

    def __init__(self, settings: ChatSettings, parts: Parts) -> None:
        self.settings = settings
        self.lifecycle = parts.lifecycle
        self.context = context = ChatContext(settings, parts)
        self.hub = Hub(
            context.community,
            context.bus,
            context.clock,
            config=context.config,
            logins=context.logins,
            presence=context.presence,
            metrics=context.metrics,
            read=context.read,
            tell=self._tell,
            bounds=GatewayLimits(per_address=settings.connections_per_address),
        )
        context.logins.on_revoked(self.hub.close_revoked)
        self._resync = StateResync(
            context.community,
            context.config,
            context.bus,
            self.hub,
            read=context.read,
            on_invalidated=context.logins.forget_all,
        )
        self._pipeline = EventPipeline(context, self.hub, self._resync)
        context.bind(self._pipeline)
        self._parts = parts
        self._opening = threading.Lock()
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether database and community are there."""
        return self._is_open

    def open(self) -> None:
        """Opens the database, brings its tables up to date and loads the community; does nothing the second time.

        It blocks, so that it works before any event loop runs.

        Raises:
            UsageError: the database cannot be used; the message says why.
        """
        context = self.context
        with self._opening:
            if self._is_open:
                return
            context.storage.prepare()
            context.database.open()
            prepare(context.database)
            context.database.run_sync(self._load)
            self._seed_ids(context.database.run_sync(largest_number))
            context.bus.subscribe(self._pipeline.on_bus_entries)
            if self.settings.registration != "open" and not self._parts.worker:
                self._print_setup_token()
            self._is_open = True
        self.lifecycle.ready()
        _log.info("community loaded", users=len(context.community.users), feeds=len(context.community.feeds))

    def close(self) -> None:
        """Closes the database; what was acknowledged is on the disk."""
        context = self.context
        with self._opening:
            if self._is_open:
                self._is_open = False
                context.upload_limits.close()
                context.logins.close()
                context.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """What needs a lasting event loop: the bus to other processes, and what is looked at from time to time."""
        context, hub, bus = self.context, self.hub, self.context.bus
        async with AsyncExitStack() as stack:
            if not context.database.is_sqlite and not isinstance(context.ids, LeasedSnowflakes):
                # While one process takes over from another, two of them number for a moment.
                leased = LeasedSnowflakes(context.clock, SqlWorkerLeases(context.database, context.clock))
                leased.after, context.ids = context.ids.next(), leased
            if isinstance(context.ids, LeasedSnowflakes):
                await stack.enter_async_context(context.ids.running())
            for part in self._parts.running:
                await stack.enter_async_context(part())
            await stack.enter_async_context(bus.running())
            stack.push_async_callback(self._resync.close)
            await self._resync.wait()
            for task in (
                periodic(SWEEP_S, partial(retention.sweep, context), "chat sweep"),
                closing_expired(hub, context.read, context.clock),
                polling_version(context.community, context.read, self._resync.request),
            ):
                await stack.enter_async_context(task)
            if isinstance(bus, SharedBus):
                await stack.enter_async_context(checkpointing(hub, bus, context.clock))
            try:
                yield
            finally:
                self.lifecycle.drain()
                await hub.drain()

    async def drain(self) -> None:
        """Refuses new clients and closes the gateway's connections, resumable, over the configured time."""
        self.lifecycle.drain()
        await self.hub.drain(self.settings.drain_timeout_s)

    async def check(self) -> None:
        """Asks the database for a sign of life.

        Raises:
            DependencyError: there is none.
        """
        await self.context.read(select_one)

    def _tell(self, event: Event) -> None:
        # The hub is made before the pipeline, which delivers to it.
        self.context.tell(event)

    def _load(self, connection: Connection) -> None:
        self.context.community.load(connection)
        self.context.config.load(connection)

    def _seed_ids(self, largest: int) -> None:
        """Numbers go on above what is stored, whatever the clock says today."""
        context = self.context
        if isinstance(context.ids, LeasedSnowflakes):
            context.ids.after = largest
        else:
            context.ids = Snowflakes(context.clock, self._parts.worker, largest)

    def _print_setup_token(self) -> None:
        """Shows the setup token where no one could become administrator otherwise; to the terminal, not to the log."""
        token = self.context.database.run_sync(issue_setup_token)
        if token is not None:
            sys.stderr.write(f"\n  Set-up token for the first administrator, once: {token}\n\n")
