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
    """Rooms that note when they take nobody more and where they send whom."""

    def __init__(self, participants: int) -> None:
        self.left = participants
        self.told: Sequence[RegionInfo] = ()
        self.is_closed = False
        self.batches: list[int] = []

    def drain(self, regions: Sequence[RegionInfo] = (), *, at_most: int | None = None) -> int:
        self.is_closed = True
        if at_most:
            self.told = regions
            self.batches.append(min(at_most, self.left))
            self.left -= self.batches[-1]
        return self.left


def drained(rooms: Rooms, steps: list[str], timeout_s: float = 30.0) -> tuple[Lifecycle, Drain, Metrics]:
    lifecycle, metrics = Lifecycle(VirtualClock(asyncio.get_running_loop()), timeout_s), Metrics()

    async def leave() -> Sequence[RegionInfo]:
        assert lifecycle.state is State.DRAINING
        steps.append("directory told")
        assert rooms.is_closed, "somebody could still come in"
        assert not rooms.told, "participants were sent away before the directory knew"
        return OTHERS

    async def finish() -> None:
        assert not rooms.left
        steps.append("finished")

    room: Any = rooms
    return lifecycle, Drain(lifecycle, room, leave, finish, metrics), metrics


async def test_the_directory_is_told_before_participants_are_sent_away(virtual_loop: None):
    rooms, steps = Rooms(7), list[str]()
    lifecycle, drain, metrics = drained(rooms, steps)
    async with drain.running():
        lifecycle.ready()
        await asyncio.sleep(5)
        assert not steps
        lifecycle.drain()
        assert await lifecycle.drained()
    assert steps == ["directory told", "finished"]
    assert list(rooms.told) == OTHERS
    assert f"{MOVED.name} 7.0" in metrics.render().decode()


async def test_a_full_relay_sends_its_participants_in_batches_within_three_seconds(virtual_loop: None):
    rooms = Rooms(3000)
    lifecycle, drain, _ = drained(rooms, [])
    async with drain.running():
        lifecycle.ready()
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        lifecycle.drain()
        assert await lifecycle.drained()
        assert asyncio.get_running_loop().time() - began <= 3.0
    assert sum(rooms.batches) == 3000
    assert max(rooms.batches) == 100


async def test_a_drain_that_does_not_end_is_cut_at_the_deadline(virtual_loop: None):
    lifecycle = Lifecycle(VirtualClock(asyncio.get_running_loop()), 3.0)

    async def leave() -> Sequence[RegionInfo]:
        await asyncio.Event().wait()
        return ()

    async def finish() -> None:
        raise AssertionError("it never came that far")

    rooms: Any = Rooms(1)
    async with Drain(lifecycle, rooms, leave, finish, Metrics()).running():
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
