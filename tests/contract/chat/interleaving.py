"""Two changes that cross: one is held between its work and its commit, and the other comes meanwhile."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Connection, text

from tests.contract.chat.harness import Rig
from tests.time_limits import WAIT_S, time_limit

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Held:
    """Holds the next change of a community until `let_go`; changes after it are on their own.

    Use it as the `write` of the community's database.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._write = rig.chat.database.write
        self._go = threading.Event()
        self._is_first = True
        self.is_done = asyncio.Event()
        self.others = asyncio.Event()

    async def write(self, unit: Callable[[Connection], Any], then: Any = None, **more: Any) -> Any:
        if not self._is_first:
            self.others.set()
            return await self._write(unit, then, **more)
        self._is_first = False
        loop = asyncio.get_running_loop()

        def slowly(connection: Connection) -> Any:
            value = unit(connection)
            loop.call_soon_threadsafe(self.is_done.set)
            self._go.wait(WAIT_S)
            return value

        return await self._write(slowly, then, **more)

    async def settled(self, other: "asyncio.Task[Any]") -> None:
        """Waits until another change, after its questions to memory, is through or has to wait for the one that is held."""
        async with time_limit():
            waiting = asyncio.create_task(self.others.wait())
            await asyncio.wait({waiting, other}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._rig.chat.database.is_sqlite:
                return
            while not other.done() and not await self._rig.chat.read(lambda c: c.execute(_WAITING).scalar_one()):
                pass  # each look is a round trip to the database

    def let_go(self) -> None:
        self._go.set()


async def crossed(rig: Rig, first: Coroutine[Any, Any, Response], second: Coroutine[Any, Any, Response]) -> Response:
    """What becomes of a request whose change comes after that of another, which was not known yet when it was judged."""
    held = Held(rig)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig.chat.database, "write", held.write)
        one = asyncio.create_task(first)
        async with time_limit():
            await held.is_done.wait()
        two = asyncio.create_task(second)
        await held.settled(two)
        held.let_go()
        reply = await one
        assert reply.is_success, reply.text
        return await two
