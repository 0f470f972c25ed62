import pytest

from tests.unit.clients.fake_agent import MemoryServer, tone
from vox.clients.audio_files import Recording
from vox.clients.load import LoadPlan, run_load
from vox.clients.short_calls import run_short_calls

SPEECH = Recording(tone(0.5, frequency=300.0), 8000)


def plan(*, line="twilio", calls=4, redials=False):
    return LoadPlan(
        "ws://server.test/telephony/ws",
        calls,
        line,
        seconds=4.0,
        warm_up_s=2.0,
        cycle_s=2.0,
        speech=SPEECH,
        redials=redials,
    )


@pytest.mark.parametrize("line", ["twilio", "telnyx", "plivo", "exotel"])
async def test_calls_that_are_answered_in_time_are_clean(virtual_clock, line):
    server = MemoryServer(carrier=line, after_s=0.3, answer_s=0.5)
    result = await run_load(plan(line=line), virtual_clock, connect=server.connect)
    assert result.is_clean
    assert (result.held, result.refused, result.broken) == (4, 0, 0)
    assert result.late_frames == 0
    assert result.turns == result.response_s.count == 8
    assert result.frames == pytest.approx(8 * 25, abs=40)
    assert result.response_s.p50 == pytest.approx(0.3, abs=0.02)
    assert result.send_lag_s.count == pytest.approx(4 * 50 * 4, abs=8)
    assert (result.send_lag_s.p99 or 0.0) < 0.002
    assert all(agent.is_stopped for agent in server.agents)


async def test_frames_that_miss_the_playout_buffer_are_counted_and_weighed(virtual_clock):
    server = MemoryServer(answer_s=0.5, late_frames=(10,))
    result = await run_load(plan(), virtual_clock, connect=server.connect)
    assert result.late_frames == 8
    assert result.lateness_s.p50 == pytest.approx(0.01, abs=0.002)
    assert result.late_share > 0.01
    assert not result.is_clean


async def test_refused_calls_are_counted_with_their_retry_after(virtual_clock):
    server = MemoryServer(limit=2)
    result = await run_load(plan(), virtual_clock, connect=server.connect)
    assert (result.held, result.refused, result.refused_without_retry_after) == (2, 2, 0)
    assert not result.is_clean
    rude = MemoryServer(limit=2, retry_after="")
    assert (await run_load(plan(), virtual_clock, connect=rude.connect)).refused_without_retry_after == 2


async def test_refused_callers_come_back_as_often_as_they_may(virtual_clock):
    server = MemoryServer(limit=2, retry_after="2")
    result = await run_load(plan(redials=True), virtual_clock, connect=server.connect)
    assert result.held == 2
    assert 2 * 2 <= result.refused <= 2 * 3  # 6 s less the random start, every 2 s


async def test_a_server_that_hangs_up_is_told_apart_from_a_held_call(virtual_clock):
    server = MemoryServer(hangs_up_after_s=1.0)
    result = await run_load(plan(), virtual_clock, connect=server.connect)
    assert (result.held, result.broken) == (0, 4)
    assert result.problems == ["4 x closed by the server with 1011"]


async def test_questions_without_an_answer_are_counted(virtual_clock):
    result = await run_load(plan(), virtual_clock, connect=MemoryServer(after_s=1000.0).connect)
    assert result.response_s.count == 0
    assert result.unanswered > 0
    assert not result.is_clean


async def test_a_server_that_is_not_there_is_a_broken_call(virtual_clock):
    async def refuse(*_, **__):
        raise ConnectionRefusedError(111, "refused")

    result = await run_load(plan(calls=2), virtual_clock, connect=refuse)
    assert result.problems == ["2 x connect failed: Connection refused"]


async def test_short_calls_come_and_go(virtual_clock):
    server = MemoryServer()
    result = await run_short_calls(plan(), virtual_clock, calls=30, at_once=5, warm_up_calls=3, connect=server.connect)
    assert (result.completed, result.refused, result.broken) == (30, 0, 0)
    assert result.is_clean
    assert len(server.agents) == 33
    assert all(agent.is_stopped for agent in server.agents)


async def test_short_calls_that_are_refused_are_not_whole(virtual_clock):
    result = await run_short_calls(
        plan(), virtual_clock, calls=10, at_once=5, warm_up_calls=3, connect=MemoryServer(limit=0).connect
    )
    assert (result.completed, result.refused) == (0, 10)
    assert not result.is_clean
