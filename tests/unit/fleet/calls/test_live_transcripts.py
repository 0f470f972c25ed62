"""What is said in the calls that are looked at."""

from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError
from vox.fleet.calls.live_transcripts import ASK_AGAIN_S, FORGET_S, MAX_LINES, MAX_WATCHED, LiveTranscripts
from vox.fleet.dispatch.contract import Watch


class Commands:
    """Keeps what workers are asked; `failing` is what becomes of the next ones."""

    def __init__(self):
        self.sent = []
        self.failing = None

    async def command(self, call_id, command):
        if self.failing is not None:
            raise self.failing
        self.sent.append((call_id, command))


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def workers():
    return Commands()


@pytest.fixture
def live(workers, clock):
    return LiveTranscripts(workers, clock)


def line(at_ms: Any, text: Any = "word", role: str = "user") -> dict[str, Any]:
    return {"at_ms": at_ms, "role": role, "text": text}


async def test_nothing_is_kept_of_a_call_that_is_not_looked_at(live, workers):
    await live.on_progress("call_1", "transcript", line(1))
    assert workers.sent == []
    assert await live.lines("call_1", 0) == ("live", [])


async def test_a_look_asks_the_worker_and_later_ones_give_what_has_come_since(live, workers):
    assert await live.lines("call_1", 0) == ("live", [])
    for each in (line(2_000, "second"), line(1_000, "first"), line(2_000, "second")):
        await live.on_progress("call_1", "transcript", each)
    _, lines = await live.lines("call_1", 0)
    assert [one.text for one in lines] == ["first", "second"]
    _, lines = await live.lines("call_1", 1_000)
    assert [one.text for one in lines] == ["second"]
    assert [call for call, _ in workers.sent] == ["call_1"]


async def test_the_worker_is_asked_again_in_time_and_for_what_is_missing_only(live, workers, clock):
    await live.lines("call_1", 0)
    await live.on_progress("call_1", "transcript", line(5_000))
    clock.advance(ASK_AGAIN_S)
    await live.lines("call_1", 5_000)
    (_, first), (_, second) = workers.sent
    assert (first.after_ms, second.after_ms) == (0, 5_000)
    assert isinstance(second, Watch)
    assert second.ttl_s > ASK_AGAIN_S


async def test_the_worker_at_which_a_call_begins_or_goes_on_is_asked_at_once(live, workers):
    await live.lines("call_1", 0)
    await live.on_progress("call_1", "started", {})
    await live.on_progress("call_2", "started", {})
    assert [call for call, _ in workers.sent] == ["call_1", "call_1"]


async def test_what_becomes_of_a_call_without_a_worker_is_said(live, workers):
    workers.failing = UsageError("no", code="call_not_found")
    assert (await live.lines("call_1", 0))[0] == "not_running"
    workers.failing = DependencyError("polled", code="worker_unreachable")
    assert (await live.lines("call_1", 0))[0] == "unreachable"
    workers.failing = None
    assert (await live.lines("call_1", 0))[0] == "live"


@pytest.mark.parametrize(
    "data", [{}, line("x"), line(-1), line(1, role="system"), line(1, 5), line(1, "x" * 5_000), {"at_ms": 1}]
)
async def test_a_line_that_is_none_is_left_out(live, data):
    await live.lines("call_1", 0)
    await live.on_progress("call_1", "transcript", data)
    assert (await live.lines("call_1", 0))[1] == []


async def test_memory_is_bounded(live, clock):
    for number in range(MAX_WATCHED + 1):
        await live.lines(f"call_{number}", 0)
    for number in range(2 * MAX_LINES):
        await live.on_progress("call_0", "transcript", line(number))
        await live.on_progress("call_9", "transcript", line(number))
    assert (await live.lines("call_0", -1))[1] == []
    clock.advance(FORGET_S - 1)
    assert len((await live.lines("call_9", -1))[1]) == MAX_LINES
    clock.advance(FORGET_S)
    await live.lines("call_2", 0)
    assert (await live.lines("call_9", -1))[1] == []
