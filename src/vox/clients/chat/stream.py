"""The events of one account without a gap: live, resumed, and after a lost session read over REST.

The one thing to know: while a place is being caught up with, its live events wait, so that messages come in order; everything
else, interactions above all, goes through at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, Final

import msgspec

from vox.clients.chat.back_off import BackOff
from vox.clients.chat.bound import bind
from vox.clients.chat.catch_up import CatchUp, Home, Position, home_of
from vox.clients.chat.connection import Connection, Lost
from vox.clients.chat.events import CaughtUp, Disconnected, Event, Ready, Resumed, decoded
from vox.clients.chat.rest import Rest, without_nulls
from vox.errors import VoxError
from vox.protocols.gateway import ServerMessage
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

HELD_LIMIT: Final = 50_000
"""Live events that wait for their place to be caught up with; beyond it they go through out of order."""

_log = get_logger(__name__)


class EventStream:
    """What comes from the gateway, made complete.

    Args:
        rest: the account.
        connection: to the gateway.
        clock: the time of an interruption.
        random: jitter.
        back_off: between tries to catch up.
        tell: is given each event; what it waits for holds up the next one.
    """

    def __init__(
        self,
        rest: Rest,
        connection: Connection,
        *,
        clock: Clock,
        random: Random,
        back_off: BackOff,
        tell: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._rest = rest
        self._connection = connection
        self._clock = clock
        self._random = random
        self._back_off = back_off
        self._tell = tell
        self._position = Position()
        self._clock_offset_ms = 0
        self._lost_ms: int | None = None
        self._is_first = True
        self._catching_up: asyncio.Task[None] | None = None
        self._settled: set[Home] = set()
        self._held: dict[Home, list[ServerMessage]] = defaultdict(list)
        self._held_count = 0

    async def run(self) -> None:
        """Reads until it is cancelled.

        Raises:
            GatewayClosedError: the gateway closed for good.
        """
        connecting = asyncio.create_task(self._connection.run())
        reading = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait({connecting, reading}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_and_wait(connecting, reading)
            if self._catching_up is not None:
                await cancel_and_wait(self._catching_up)

    async def _read(self) -> None:
        while True:
            item = await self._connection.next()
            if isinstance(item, Lost):
                await self._lost(item)
            elif item.type == "ready":
                await self._ready(item.d)
            elif item.type == "resumed":
                if self._catching_up is None:
                    self._lost_ms = None
                await self._tell(Resumed())
            elif item.type == "error":
                _log.warning("the gateway refused a message", error=item.d)
            elif item.type == "presence_batch":
                for one in item.d.get("presences") or ():
                    await self._tell(decoded("presence_update", one, self._rest))
            else:
                await self._event(item)

    async def _lost(self, lost: Lost) -> None:
        if self._lost_ms is None and not self._is_first:
            silent_ms = round((self._clock.now() - lost.alive_at) * 1000)
            self._lost_ms = self._clock.unix_ms() + self._clock_offset_ms - silent_ms
        await self._tell(Disconnected(close_code=lost.close_code, reason=lost.reason))

    async def _ready(self, content: Mapping[str, Any]) -> None:
        ready = decoded_ready(content, self._rest, is_first=self._is_first)
        self._clock_offset_ms = ready.server_time * 1000 - self._clock.unix_ms()
        self._position.begin(ready.server_time)
        is_first, self._is_first = self._is_first, False
        if not is_first and self._lost_ms is not None:
            if self._catching_up is not None:
                await cancel_and_wait(self._catching_up)
            self._settled = set()
            self._catching_up = asyncio.create_task(self._catch_up(self._lost_ms))
        await self._tell(ready)
        for one in content.get("presences") or ():
            await self._tell(decoded("presence_update", one, self._rest))

    async def _catch_up(self, lost_ms: int) -> None:
        messages, tries = 0, 0
        while True:
            work = CatchUp(self._rest, self._position, lost_ms, self._tell_recovered, self._settle)
            try:
                await work.run()
            except VoxError as error:
                messages += work.messages
                tries += 1
                _log.warning("catching up is tried again", error=str(error))
                await asyncio.sleep(self._back_off.wait_s(tries, self._random.random()))
            else:
                break
        for home in tuple(self._held):
            await self._settle(home)
        self._lost_ms, self._catching_up = None, None
        await self._tell(CaughtUp(messages=messages + work.messages))

    async def _settle(self, home: Home) -> None:
        while held := self._held.pop(home, None):
            self._held_count -= len(held)
            for item in held:
                await self._pass_on(item)
        self._settled.add(home)

    async def _event(self, item: ServerMessage) -> None:
        home = home_of(item.d) if item.type.startswith("message_") else None
        if self._catching_up is None or home is None or home in self._settled or self._held_count >= HELD_LIMIT:
            await self._pass_on(item)
            return
        self._held[home].append(item)
        self._held_count += 1

    async def _pass_on(self, item: ServerMessage) -> None:
        if self._position.is_new(item.type, item.d):
            await self._tell(decoded(item.type, item.d, self._rest))

    async def _tell_recovered(self, kind: str, content: Mapping[str, Any]) -> None:
        await self._tell(decoded(kind, content, self._rest, is_recovered=True))


def decoded_ready(content: Mapping[str, Any], rest: Rest, *, is_first: bool) -> Ready:
    """The event that a session began."""
    known = {name: content[name] for name in Ready.__struct_fields__ if name in content}
    ready = msgspec.convert(without_nulls(known), Ready, strict=False)
    ready.is_first = is_first
    return bind(ready, rest)
