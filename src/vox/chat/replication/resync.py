"""Closes gaps in what a process remembers of the community: while there is one, nothing is delivered.

A gap shows when an event arrives whose version is not the next one, or that was made when the database knew a later one: another
process's change is still under way, or was lost.
Before changing: events are held from the very entry that shows the gap, and go on only when the memory holds at least what that
entry says; so no request is ever served by permissions older than the event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from vox.chat.bus.contract import Bus, Entry
from vox.chat.bus.shared import SharedBus
from vox.chat.community import AccessChange, Community, State, read_state
from vox.chat.config.runtime_config import Config
from vox.chat.database.unit_of_work import Change, Read
from vox.chat.events import Event, Users
from vox.chat.gateway import Hub
from vox.chat.replication.queries import stored_version
from vox.errors import VoxError
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

T = TypeVar("T")

RETRY_S: Final = 0.05
RETRY_MAX_S: Final = 2.0
SETTLE_S: Final = 5.0
"""How long the answer to a change waits until this process remembers it."""
AS_OF: Final = "_as_of"
RELOADED: Final = Event("_reloaded", {}, Users(()))

_log = get_logger(__name__)


class StateResync:
    """Reloads the community of a server when something is missing.

    Args:
        community: the memory to make whole.
        config: read again with it, where everything may be old.
        bus: held up while there is a gap, where several processes share it.
        hub: learns what has changed for its sessions.
        read: reads the database.
        on_invalidated: told when events of any kind may be missing, after the sessions have ended.
        on_reloaded: called when a gap is closed, for what memory does not hold: a missing event may have ended a login.
        load_besides: reads what else is kept in memory by versioned events, in the same snapshot.
    """

    def __init__(
        self,
        community: Community,
        config: Config,
        bus: Bus,
        hub: Hub,
        *,
        read: Read,
        on_invalidated: Callable[[], None],
        on_reloaded: Callable[[], Awaitable[None]],
        load_besides: Callable[[Connection], None] | None = None,
    ) -> None:
        self._community = community
        self._config = config
        self._hub = hub
        self._read = read
        self._on_invalidated = on_invalidated
        self._on_reloaded = on_reloaded
        self._load_besides = load_besides
        self._bus = bus if isinstance(bus, SharedBus) else None
        self._needed = 0
        self._is_everything_old = False
        self._is_unchecked = False
        self._task: asyncio.Task[None] | None = None
        if self._bus is not None:
            self._bus.on_lost(self.invalidate)

    @property
    def is_running(self) -> bool:
        """Whether a gap is being closed."""
        return self._task is not None and not self._task.done()

    def request(self, version: int, entries: Sequence[Entry] = ()) -> None:
        """An event with this version shows a gap; these entries, which begin with it, are given again afterwards."""
        self._needed = max(self._needed, version)
        self._begin(entries)

    def invalidate(self) -> None:
        """Events of any kind may be missing: every session begins anew, and everything is read again."""
        self._hub.invalidate_sessions("events were lost")
        self._on_invalidated()
        self._is_everything_old = True
        self._begin(())

    async def wait(self, within_s: float = SETTLE_S) -> None:
        """Waits for the gap to be closed, but not for ever: the database may be away."""
        task = self._task
        if task is None or task.done():
            return
        if task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait({task}, timeout=within_s)
            return
        for _ in range(int(within_s / RETRY_S)):  # another loop's task cannot wake this one
            await asyncio.sleep(RETRY_S)
            if task.done():
                return

    async def close(self) -> None:
        """Stops."""
        task = self._task
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})

    def _begin(self, entries: Sequence[Entry]) -> None:
        if self._bus is not None:
            self._bus.hold(entries)
        if not self.is_running:
            self._task = asyncio.create_task(self._reload(), name="chat-catching-up")

    async def _reload(self) -> None:
        delay_s = RETRY_S
        while self._is_behind:
            was_everything_old, self._is_everything_old = self._is_everything_old, False
            self._is_unchecked = True
            try:
                state = await self._read(self._everything if was_everything_old else self._community_state)
                shift = self._community.replace(state)
                if shift is not None:
                    self._shifted(shift)
                await self._on_reloaded()
                self._is_unchecked = False
            except Exception as error:  # noqa: BLE001  the top of a task, which must not leave the gap open
                is_known = isinstance(error, VoxError)
                _log.warning("the community cannot be read again yet", error=str(error), exc_info=not is_known)
                if not is_known:  # what sessions should have been told may be lost
                    self._hub.invalidate_sessions("events were lost")
                self._is_everything_old |= was_everything_old
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)
                continue
            if self._is_behind:
                await asyncio.sleep(RETRY_S)
        _log.info("caught up", version=self._community.version)
        # Without an await since the last look: nothing can have come between.
        if self._bus is not None:
            self._task = None
            self._bus.go_on()

    @property
    def _is_behind(self) -> bool:
        return self._is_everything_old or self._is_unchecked or self._community.version < self._needed

    def _shifted(self, shift: AccessChange) -> None:
        hub = self._hub
        hub.on_access_changed(RELOADED, shift)
        with hub.lock:
            for dm_id, members in self._community.dms.items():
                hub.acquaintances.dm_is(dm_id, members)
        hub.publish(())

    def _everything(self, connection: Connection) -> State:
        self._config.load(connection)
        return self._community_state(connection)

    def _community_state(self, connection: Connection) -> State:
        if self._load_besides is not None:
            self._load_besides(connection)
        return read_state(connection)


def at_latest_version(connection: Connection, change: Change[T]) -> Change[T]:
    """Marks a change with the version it was made at, within its transaction.

    Another process may have taken a user's permission just before, and be slower to say so: the process that delivers this change must
    know of that first.
    """
    if not change.events or change.events[0].version:
        return change
    first = next((event.version for event in change.events if event.version), 0)
    version = first - 1 if first else stored_version(connection)
    marked = replace(change.events[0], facts={**change.events[0].facts, AS_OF: version})
    return replace(change, events=(marked, *change.events[1:]))


def needed_version(event: Event) -> int:
    """The version that a process must remember before it may deliver an event."""
    return int(event.facts.get(AS_OF, 0))
