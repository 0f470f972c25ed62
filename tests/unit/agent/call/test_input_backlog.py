"""Audio that a call cannot take yet: in order, bounded, and never a reason to stop listening for good."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.loop import run_virtual
from vox.agent.call.input_backlog import DRAIN_EVERY_S, INPUT_DROPPED, INPUT_PAUSES, INPUT_STALLS, STALL_S, InputBacklog
from vox.runtime.metrics import Metrics

virtual = pytest.mark.usefixtures("virtual_loop")
SOON_S = 2 * DRAIN_EVERY_S


class Scene:
    """A pipeline that takes `room` more pieces, and the transport in front of it."""

    def __init__(self, *, max_pieces: int = 4, can_pause: bool = True) -> None:
        self.taken: list[bytes] = []
        self.room = 0
        self.inside = 0
        self.is_reading = True
        self.metrics = Metrics()
        self.backlog = InputBacklog(
            self._take,
            lambda: self.room <= 0,
            lambda: self.inside,
            max_pieces=max_pieces,
            transport=self if can_pause else None,
            metrics=self.metrics,
        )

    def pause_input(self) -> None:
        assert self.is_reading
        self.is_reading = False

    def resume_input(self) -> None:
        assert not self.is_reading
        self.is_reading = True

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            if self.backlog.is_in_use:
                self.backlog.put(piece)
            else:
                self._take(piece)
                if self.room <= 0:
                    self.backlog.fall_behind()

    def count(self, spec: Any) -> float:
        return self.metrics.counter(spec).value  # type: ignore[attr-defined]

    def _take(self, piece: bytes) -> None:
        self.taken.append(piece)
        self.room -= 1


@virtual
async def test_what_waits_is_handed_over_in_order_and_then_nothing_passes_through_here():
    scene = Scene()
    scene.send(b"a", b"b", b"c")
    assert (scene.taken, scene.backlog.is_in_use) == ([b"a"], True)
    scene.room = 100
    await asyncio.sleep(SOON_S)
    assert (scene.taken, scene.backlog.is_in_use) == ([b"a", b"b", b"c"], False)
    scene.send(b"d")
    assert scene.taken[-1] == b"d"
    assert scene.is_reading


@virtual
async def test_the_transport_pauses_at_the_bound_and_reads_on_below_it():
    scene = Scene(max_pieces=4)
    scene.send(b"a", b"b", b"c", b"d")
    assert scene.is_reading
    scene.send(b"e")
    assert not scene.is_reading
    scene.send(b"f")  # was on its way
    scene.room = 1
    await asyncio.sleep(SOON_S)
    assert not scene.is_reading
    scene.room = 1
    await asyncio.sleep(SOON_S)
    assert scene.is_reading
    assert scene.count(INPUT_PAUSES) == 1


@virtual
async def test_what_waits_in_the_recogniser_counts():
    scene = Scene(max_pieces=4)
    scene.inside = 3
    scene.send(b"a", b"b")
    assert not scene.is_reading
    scene.inside, scene.room = 4, 0
    await asyncio.sleep(SOON_S)
    assert not scene.is_reading
    scene.inside, scene.room = 0, 100
    await asyncio.sleep(SOON_S)
    assert scene.is_reading


@virtual
async def test_large_pieces_count_by_their_bytes():
    scene = Scene(max_pieces=1000)
    scene.send(b"a", *[bytes(1 << 20)] * 3)
    assert scene.is_reading
    scene.send(bytes(1 << 20))
    assert not scene.is_reading


@virtual
async def test_a_pipeline_that_takes_nothing_gets_everything_and_the_connection_is_read_on():
    scene = Scene(max_pieces=2)
    scene.send(b"a", b"b", b"c")
    await asyncio.sleep(STALL_S - 0.1)
    assert not scene.is_reading
    await asyncio.sleep(STALL_S / 10)
    assert scene.is_reading
    assert scene.taken == [b"a", b"b", b"c"]
    assert scene.count(INPUT_STALLS) == 1
    scene.send(b"d", b"e", b"f")
    assert scene.taken[-1] == b"f"
    assert scene.is_reading
    scene.room = 1  # it has caught up: from now on it can fall behind again
    await asyncio.sleep(SOON_S)
    scene.send(b"g", b"h", b"i", b"j")
    assert scene.taken[-1] == b"g"
    assert not scene.is_reading


@virtual
async def test_a_slow_pipeline_has_not_stalled():
    scene = Scene(max_pieces=2)
    scene.send(*[b"%d" % number for number in range(20)])
    for _ in range(10):
        await asyncio.sleep(STALL_S * 0.9)
        scene.room = 1
    assert scene.count(INPUT_STALLS) == 0


@virtual
async def test_where_the_sender_cannot_wait_the_oldest_is_dropped():
    scene = Scene(max_pieces=3, can_pause=False)
    scene.send(*[b"%d" % number for number in range(10)])
    assert scene.count(INPUT_DROPPED) == 6
    scene.room = 100
    await asyncio.sleep(SOON_S)
    assert scene.taken == [b"0", b"7", b"8", b"9"]


@virtual
async def test_a_call_that_is_over_takes_nothing_more():
    scene = Scene()
    scene.send(b"a", b"b")
    scene.backlog.close()
    scene.room = 100
    await asyncio.sleep(STALL_S * 2)
    assert scene.taken == [b"a"]
    assert not scene.backlog.fall_behind()


@given(st.lists(st.integers(0, 6) | st.just("wait"), max_size=40), st.integers(1, 6))
def test_nothing_is_lost_or_reordered_whatever_the_pipeline_does(steps: list[int | str], max_pieces: int):
    async def run() -> None:
        scene, sent = Scene(max_pieces=max_pieces), 0
        for step in steps:
            if isinstance(step, str):
                await asyncio.sleep(SOON_S)
            else:
                scene.room = step
                scene.send(b"%d" % sent)
                sent += 1
        scene.room = 1000
        await asyncio.sleep(SOON_S)
        assert scene.taken == [b"%d" % number for number in range(sent)]
        assert scene.is_reading
        assert not scene.backlog.is_in_use
        scene.backlog.close()

    run_virtual(run())
