"""The one path of every change: transaction, memory of this process, bus, and from the bus to the gateway's sessions.

Before changing: the order is the promise. An event is applied to memory before it is published, and entries of the bus are
delivered in its order, each only when memory holds the version it was made at. Whatever fails after a commit may be unknown to
memory and clients: then all sessions begin anew, and nothing is missed silently.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from vox.chat.bus.contract import Entry
from vox.chat.bus.shared import SharedBus
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, UnitOfWork, persist_outcome
from vox.chat.events import Event
from vox.chat.features.outgoing_webhooks.payloads import enqueue_deliveries
from vox.chat.gateway import Hub
from vox.chat.gateway.metrics import FAILURES
from vox.chat.integrations.registry import CHANGES as INTEGRATION_CHANGES
from vox.chat.replication.resync import StateResync, at_latest_version, needed_version
from vox.runtime import tracing
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

T = TypeVar("T")

_log = get_logger(__name__)
_tracer = tracing.tracer(__name__)


class EventPipeline:
    """Carries changes and events through one process.

    Args:
        context: whose database, memory and bus they go through.
        hub: delivers to the sessions.
        resync: closes the gaps that events show.
    """

    def __init__(self, context: ChatContext, hub: Hub, resync: StateResync) -> None:
        self._context = context
        self._database = context.database
        self._community = context.community
        self._config = context.config
        self._logins = context.logins
        self._integrations = context.integrations
        self._recent = context.recent
        self._bus = context.bus
        self._clock = context.clock
        self._metrics = context.metrics
        self._hub = hub
        self._resync = resync
        self._is_shared = isinstance(context.bus, SharedBus)
        self._on_queued: Callable[[], None] | None = None

    def on_queued(self, on_queued: Callable[[], None]) -> None:
        """Names who is called when an event was queued for another program."""
        self._on_queued = on_queued

    async def change(self, unit: UnitOfWork[T]) -> T:
        """Runs a unit of work in the writer's transaction; its events are out when this returns.

        Raises:
            VoxError: what the unit raised; nothing of it is stored then.
            DependencyError: the database failed or is too busy.
        """
        whole = partial(self._in_transaction, unit)
        if tracing.is_on():
            with _tracer.span("change") as span:
                change = await self._database.write(whole, then=self._committed)
                span.set(events=len(change.events))
        else:
            change = await self._database.write(whole, then=self._committed)
        if self._resync.is_running:
            await self._resync.wait()
        return change.value

    def tell(self, *events: Event) -> None:
        """Sends events that no database row stands behind, such as typing."""
        with self._invalidating_on_failure():
            self._bus.publish(events)
        if (push := self._context.push) is not None:
            push(events)

    def on_bus_entries(self, entries: Sequence[Entry]) -> None:
        """Takes what the bus gives: the bus's one subscriber."""
        with self._invalidating_on_failure():
            self._deliver(entries)

    def _in_transaction(self, unit: UnitOfWork[T], connection: Connection) -> Change[T]:
        change = unit(connection)
        if not change.events and not change.audit:
            return change
        now_ms = self._clock.unix_ms()
        done = persist_outcome(connection, change, self._context.ids.next, now_ms)
        if self._integrations.has_subscriptions:
            enqueue_deliveries(connection, done.events, self._integrations, now_ms)
        return at_latest_version(connection, done) if self._is_shared else done

    def _committed(self, change: Change[object]) -> None:
        with self._invalidating_on_failure():
            for event in change.events:
                if not self._apply_event(event):
                    self._resync.request(event.version)
        with self._invalidating_on_failure():  # also after a failure: others, and who comes back, find it in the log
            self._bus.publish(change.events)
        integrations, on_queued = self._integrations, self._on_queued
        if (
            integrations.has_subscriptions
            and on_queued is not None
            and any(map(integrations.subscribed, change.events))
        ):
            on_queued()
        if (push := self._context.push) is not None:
            push(change.events)
        if (follow := self._context.on_changed) is not None:
            follow(change.events)

    @contextmanager
    def _invalidating_on_failure(self) -> Generator[None, None, None]:
        """What fails in here may be unknown to memory and clients: both begin anew, so that nothing is missed silently."""
        try:
            yield
        except Exception:  # noqa: BLE001  the top of a commit's consequences
            _log.exception("events could not be applied or delivered: every client begins anew")
            self._metrics.counter(FAILURES).inc()
            self._resync.invalidate()

    def _apply_event(self, event: Event) -> bool:
        """Takes an event into the memory; False where one before it is missing, so that it could not be taken."""
        shift = self._community.apply(event)
        is_taken = shift is None or not shift.must_reload
        if shift is not None and is_taken:
            self._hub.on_access_changed(event, shift)
        self._config.absorb(event)
        self._logins.apply(event)
        if event.type in INTEGRATION_CHANGES:
            self._integrations.apply(event)
        self._recent.apply(event)
        return is_taken

    def _deliver(self, entries: Sequence[Entry]) -> None:
        """Takes entries in the order of the bus, also those of this process, which are applied already."""
        start = 0
        for index, entry in enumerate(entries):
            needed = needed_version(entry.event)
            if needed > self._community.version:
                self._hub.publish(entries[start:index])
                self._resync.request(needed, entries[index:])
                return
            if not entry.is_foreign:
                continue
            if entry.event.version and index > start:
                # What stands before a change of access is delivered by what held before it.
                self._hub.publish(entries[start:index])
                start = index
            if not self._apply_event(entry.event):
                self._resync.request(entry.event.version, entries[index:])
                return
        self._hub.publish(entries[start:])
