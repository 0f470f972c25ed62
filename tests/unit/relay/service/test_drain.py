import asyncio
from collections.abc import Sequence
from typing import Any

from livekit.protocol.rtc import RegionInfo

from tests.fakes.loop import VirtualClock
from vox.relay.metrics import MOVED
from vox.relay.service.drain import Drain
from vox.runtime.lifecycle import Lifecycle, State
from vox.runtime.metrics import Metrics

OTHERS = [RegionInfo(region="ap", url="wss://perth.example")]


class Rooms:
    """Rooms whose participants leave a while after they are told to."""

    def __init__(self, participants: int, leave_after_s: float = 1.0) -> None:
        self.participants_count = participants
        self.told: Sequence[RegionInfo] = ()
        self._leave_after_s = leave_after_s

    def drain(self, regions: Sequence[RegionInfo]) -> None:
        self.told = regions
        asyncio.get_running_loop().call_later(self._leave_after_s, self._gone)

    def _gone(self) -> None:
        self.participants_count = 0


def drained(rooms: Rooms, steps: list[str], timeout_s: float = 30.0) -> tuple[Lifecycle, Drain, Metrics]:
    lifecycle, metrics = Lifecycle(VirtualClock(asyncio.get_running_loop()), timeout_s), Metrics()

    async def leave() -> Sequence[RegionInfo]:
        assert lifecycle.state is State.DRAINING
        steps.append("directory told")
        assert not rooms.told, "participants were sent away before the directory knew"
        return OTHERS

    room: Any = rooms
    return lifecycle, Drain(lifecycle, room, leave, metrics), metrics


async def test_the_directory_is_told_before_participants_are_sent_away(virtual_loop: None):
    rooms, steps = Rooms(7), list[str]()
    lifecycle, drain, metrics = drained(rooms, steps)
    async with drain.running():
        lifecycle.ready()
        await asyncio.sleep(5)
        assert not steps
        lifecycle.drain()
        assert await lifecycle.drained()
    assert steps == ["directory told"]
    assert list(rooms.told) == OTHERS
    assert f"{MOVED.name} 7.0" in metrics.render().decode()


async def test_who_does_not_move_is_cut_at_the_deadline(virtual_loop: None):
    rooms = Rooms(1, leave_after_s=1e6)
    lifecycle, drain, _ = drained(rooms, [], timeout_s=3.0)
    async with drain.running():
        lifecycle.ready()
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        lifecycle.drain()
        assert not await lifecycle.drained()
        assert asyncio.get_running_loop().time() - began == 3.0


async def test_an_empty_relay_ends_at_once(virtual_loop: None):
    lifecycle, drain, _ = drained(Rooms(0), [])
    async with drain.running():
        lifecycle.ready()
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        lifecycle.drain()
        assert await lifecycle.drained()
        assert asyncio.get_running_loop().time() == began
