"""Answers that wait until the list is another one: `?wait=30s&index=N`.

The index moves when a relay enters or leaves the list, or says something else of itself than its load and when it was seen: with
every heartbeat it would never stand still. It begins at the time the process started, in milliseconds, so that an index of
another process, or of another directory behind the same name, is never taken for one of this.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from starlette.types import Receive

from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle, State

MAX_WAITING = 200
MAX_PER_ADDRESS = 50
"""Of those that wait, at one address, so that one client cannot take all places."""
SPREAD_S = 1.0
"""Time over which those who waited for one change are answered, so that all others' answers are not late."""
INDEX_HEADER = b"vox-directory-index"


class LongPoll:
    """Keeps the clients that wait.

    Args:
        registry: what they wait for a change of.
        lifecycle: its drain ends all waits.
        clock: where the index begins.
        random: spreads the answers.
    """

    def __init__(self, registry: Registry, lifecycle: Lifecycle, clock: Clock, random: Random) -> None:
        self._registry = registry
        self._lifecycle = lifecycle
        self._clock = clock
        self._random = random
        self._first = round(clock.wall().timestamp() * 1000)
        self._seen = registry.membership
        self._moved = asyncio.Event()
        self._drained = asyncio.Event()
        self._places = Counter[str]()
        registry.subscribe(self._follow)
        lifecycle.subscribe(self._drain)

    @property
    def index(self) -> int:
        """The list that is answered now."""
        return self._first + self._registry.membership

    @property
    def waiting(self) -> int:
        """How many clients wait."""
        return self._places.total()

    async def beyond(
        self, index: int, wait_s: float, address: str, receive: Receive, *, settled_in_s: Callable[[], float] = float
    ) -> None:
        """Returns when the list is another one than the one with that index, the time is over, the client left or the directory ends.

        Args:
            index: what the client has.
            wait_s: for how long at most.
            address: where the client is.
            receive: says that it left.
            settled_in_s: once there was a change, how long it is until answers show it.

        Raises:
            VoxError: too_many_listeners.
        """
        if wait_s <= 0 or self._lifecycle.is_draining:
            return
        if self.waiting >= MAX_WAITING or self._places[address] >= MAX_PER_ADDRESS:
            raise VoxError("Too many wait for changes", code="too_many_listeners", retryable=True, retry_after_s=30)
        self._places[address] += 1
        until = self._clock.now() + wait_s
        over: set[asyncio.Task[Any]] = {
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._drained.wait()),
        }
        moved: asyncio.Task[Any] = asyncio.create_task(self._moved.wait())
        try:
            if self.index == index:
                await asyncio.wait({*over, moved}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if self.index != index:
                pause_s = min(settled_in_s() + self._random.random() * SPREAD_S, until - self._clock.now())
                await asyncio.wait(over, timeout=max(0.0, pause_s), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*over, moved):
                task.cancel()
            await asyncio.gather(*over, moved, return_exceptions=True)
            self._places[address] -= 1
            if not self._places[address]:
                del self._places[address]

    def _follow(self, _relay_id: str, _relay: Relay | None) -> None:
        if self._registry.membership != self._seen:
            self._seen = self._registry.membership
            self._moved.set()
            self._moved = asyncio.Event()

    def _drain(self, state: State) -> None:
        if state in {State.DRAINING, State.STOPPED}:
            self._drained.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
