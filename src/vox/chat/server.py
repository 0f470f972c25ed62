"""The life of a chat server: builds its parts, opens, runs, drains and closes.

All state hangs on a `ChatServer`, so a second one in the same process starts clean. The ASGI application opens it by itself at the
first request where no lifespan runs.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from vox.chat.bus.shared import SharedBus
from vox.chat.config.settings import ChatSettings
from vox.chat.context import ChatContext, Parts
from vox.chat.database.liveness import write_and_read
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.worker_lease import LeasedSnowflakes, SqlWorkerLeases, largest_number
from vox.chat.events import Event
from vox.chat.events.ids import LoginId
from vox.chat.features import retention
from vox.chat.features.federation import contacts
from vox.chat.features.oidc.opening import open_oidc
from vox.chat.features.outgoing_webhooks.sender import DeliverySender
from vox.chat.features.push.sender import PushSender
from vox.chat.features.snapshot.service import Snapshots
from vox.chat.features.voice.commands import call_any_command
from vox.chat.features.voice.keeper import EVERY_S as VOICE_EVERY_S
from vox.chat.features.voice.opening import open_voice
from vox.chat.features.voice.states import carry_out
from vox.chat.gateway import GatewayLimits, Hub
from vox.chat.gateway.expiry import closing_expired, end_missing_logins
from vox.chat.identity.admin_bootstrap import issue_setup_token
from vox.chat.replication.event_pipeline import EventPipeline
from vox.chat.replication.interruptions import announcing_interruptions
from vox.chat.replication.resync import StateResync
from vox.chat.replication.session_checkpoints import checkpointing
from vox.chat.replication.version_poll import polling_version
from vox.runtime import tracing
from vox.runtime.logging import get_logger
from vox.runtime.tasks import periodic, supervised
from vox.security.web_push import assert_available, kept_key
from vox.stores.sql import Connection
from vox.stores.sqlite_file import SqliteFile, mark_in_use, refuse_where_lost

SWEEP_S: Final = 3600.0
CHECKED_EVERY_S: Final = 1.0

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
            snapshots=Snapshots(context.community, context.recent, context.read),
            relay=partial(carry_out, context),
            bounds=GatewayLimits(per_address=settings.connections_per_address),
        )
        context.logins.on_revoked(self.hub.close_revoked)
        context.logins.on_device_login(self.hub.set_keyless)
        context.oidc = open_oidc(context)
        self._voice = context.voice = open_voice(context)
        context.on_changed = self._voice.offer
        self._resync = StateResync(
            context.community,
            context.config,
            context.bus,
            self.hub,
            read=context.read,
            on_invalidated=self._forget,
            on_reloaded=self._recheck_logins,
            load_besides=context.integrations.load,
        )
        self._pipeline = EventPipeline(context, self.hub, self._resync)
        context.bind(self._pipeline)
        context.call_command = partial(call_any_command, context)
        self._sender = DeliverySender(
            context.change,
            context.integrations,
            context.integration_guard,
            context.signing_key,
            context.clock,
            Random(),  # noqa: S311  spreads retries
        )
        self._pipeline.on_queued(self._sender.wake)
        self._parts = parts
        self._opening = threading.Lock()
        self._is_open = False
        self._file: SqliteFile | None = None
        self._well_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether database and community are there."""
        return self._is_open

    @property
    def is_interrupted(self) -> bool:
        """Whether events of other processes do not come through at present."""
        bus = self.context.bus
        return isinstance(bus, SharedBus) and bus.is_interrupted

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
            path = context.database.file
            if path is not None:
                refuse_where_lost(path)
            context.database.open()
            prepare(context.database)
            if path is not None:
                mark_in_use(path)
                self._file = SqliteFile(path)
            context.database.run_sync(self._load)
            self._load_push_key()
            context.open_federation()
            if context.federation is not None:
                context.federation.on_viewed = partial(contacts.refresh, context)
                self.hub.on_dm_typing = context.federation.relay_typing
                self.hub.news.on_changed = context.federation.tell_presence
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
            traces = tracing.sending(tracing.traces_at(self.settings.otlp_endpoint), "vox-chat")
            await stack.enter_async_context(traces)
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
                context.background.running(),
                supervised(self._sender.run, "outgoing webhooks"),
                periodic(VOICE_EVERY_S, self._voice.sweep, "voice rooms"),
            ):
                await stack.enter_async_context(task)
            if context.push_key is not None:
                sender = PushSender(context, context.push_key, self._connected_logins)
                await stack.enter_async_context(sender.running())
                context.push = sender.offer
                stack.callback(self._stop_pushing)
            if context.federation is not None:
                sending = context.federation.running(is_shared=isinstance(bus, SharedBus))
                await stack.enter_async_context(sending)
            if isinstance(bus, SharedBus):
                await stack.enter_async_context(checkpointing(hub, bus, context.clock))
                await stack.enter_async_context(announcing_interruptions(hub, bus))
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
        """Looks after the database's file, writes a row and reads; at most once a second, because anyone may ask.

        Raises:
            DependencyError: the file is gone or damaged, or the database does not take the write.
        """
        now = self.context.clock.now()
        if now < self._well_until:
            return
        if self._file is not None:
            await asyncio.to_thread(self._file.check)
        await self.context.database.write(write_and_read)
        await self.context.read(largest_number)
        self._well_until = now + CHECKED_EVERY_S

    def _tell(self, event: Event) -> None:
        # The hub is made before the pipeline, which delivers to it.
        self.context.tell(event)

    def _connected_logins(self) -> frozenset[LoginId]:
        return frozenset(self.hub.connected_logins())

    def _stop_pushing(self) -> None:
        self.context.push = None

    def _forget(self) -> None:
        """Events of any kind may have been missed."""
        self.context.logins.forget_all()
        self.context.recent.forget()

    async def _recheck_logins(self) -> None:
        """A change was missed, perhaps the end of a login: tokens are looked up anew, and sockets of ended logins close."""
        context = self.context
        context.logins.forget_all()
        await end_missing_logins(self.hub, context.read, context.clock)

    def _load_push_key(self) -> None:
        """Reads the key for pushes, where there are any.

        Raises:
            UsageError: it cannot be kept, or a library is missing.
        """
        context, settings = self.context, self.settings
        if not settings.push_contact:
            return
        assert_available()
        database = context.database.file
        beside = Path(f"{database}.push.key") if database is not None else Path("vox.push.key")
        context.push_key = kept_key(Path(settings.push_key_file) if settings.push_key_file else beside)

    def _load(self, connection: Connection) -> None:
        self.context.community.load(connection)
        self.context.config.load(connection)
        self.context.integrations.load(connection)
        self.context.encryption_key.check(connection)

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
            sys.stderr.write(f"\n  Set-up token for the first administrator, once: {token}\n")
            sys.stderr.write(f"  In the web client: http://127.0.0.1:{self.settings.http_port}/#/setup/{token}\n\n")
