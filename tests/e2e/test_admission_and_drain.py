"""A full server says busy before the upgrade; a stopping one cuts nobody off."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from vox.clients.audio_files import Recording
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Say, Step, Wait, WaitForAgent
from vox.http.websocket import UpgradeRefusedError
from vox.runtime.clock import SystemClock


def quiet(seconds: float) -> list[Step]:
    return [Wait(seconds), HangUp()]


@contextlib.asynccontextmanager
async def calls_in_progress(
    agent: RunningAgent, number: int, seconds: float
) -> AsyncGenerator[list[asyncio.Task[CallOutcome]], None]:
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(place_call(agent.phone, quiet(seconds), SystemClock())) for _ in range(number)]
        await agent.logged("call started", times=number)
        yield calls


async def test_one_call_too_many_gets_503_and_retry_after_before_the_upgrade(tmp_path: Path):
    async with agent_server(tmp_path, {**FAKES, "max_concurrent_calls": 3, "retry_after_secs": 7}) as agent:
        async with calls_in_progress(agent, 3, 2.0) as calls:
            with pytest.raises(UpgradeRefusedError) as refused:
                await place_call(agent.phone, quiet(0.1), SystemClock())
            assert refused.value.status == 503
            assert refused.value.headers["retry-after"] == "7"
        assert [call.result().close_code for call in calls] == [1000] * 3
        await agent.logged("call ended", times=3)
        after = await place_call(agent.phone, quiet(0.2), SystemClock())
        assert after.close_code == 1000
        metrics = httpx2.get(f"{agent.http}/metrics").text
        assert 'vox_agent_calls_refused_total{reason="full"} 1.0' in metrics
        assert 'http_active_connections{route="telephony_ws"' in metrics


async def test_sigterm_during_ten_calls_cuts_none_refuses_new_ones_and_ends_with_the_last(tmp_path: Path):
    async with agent_server(tmp_path, {**FAKES, "drain_timeout_secs": 60}) as agent:
        async with calls_in_progress(agent, 10, 4.0) as calls:
            agent.terminate()
            await agent.logged("life cycle", times=2)
            async with httpx2.AsyncClient() as http:
                ready = await http.get(f"{agent.http}/ready")
                assert ready.status_code == 503
                assert int(ready.headers["retry-after"]) >= 1
                assert (await http.get(f"{agent.http}/health")).status_code == 200
            with pytest.raises(UpgradeRefusedError) as refused:
                await place_call(agent.phone, quiet(0.1), SystemClock())
            assert refused.value.status == 503
            assert refused.value.retry_after_s is not None
            agent.terminate()  # a second signal does not shorten the drain
            assert not any(call.done() for call in calls)
        assert all(call.result().report.duration_s >= 4.0 for call in calls)
        assert [call.result().close_reason for call in calls] == ["caller hung up"] * 10
        await until(lambda: agent.process.returncode is not None)
        assert agent.process.returncode == 0


async def test_the_drain_deadline_ends_what_is_left_and_says_why(tmp_path: Path):
    async with agent_server(tmp_path, {**FAKES, "drain_timeout_secs": 1.0}) as agent:
        async with calls_in_progress(agent, 2, 30.0) as calls:
            agent.terminate()
        assert [(call.result().close_code, call.result().close_reason) for call in calls] == [
            (1001, "server_stopping")
        ] * 2
        await until(lambda: agent.process.returncode is not None)
        assert agent.process.returncode == 0
        assert {line["reason"] for line in agent.lines("call ended")} == {"server_stopping"}


async def test_nobody_is_interrupted_by_other_callers_who_are_refused(tmp_path: Path):
    async with agent_server(tmp_path, {**FAKES, "max_concurrent_calls": 1}) as agent:
        question = Recording((b"\x00\x20\x00\xe0" * 20 + b"\x00" * 80) * 100, 8000)
        script: list[Step] = [Say(question), WaitForAgent(silence_s=0.5, begin_timeout_s=1.0), HangUp()]
        async with asyncio.TaskGroup() as group:
            held = group.create_task(place_call(agent.phone, script, SystemClock()))
            await agent.logged("call started")
            for _ in range(20):
                with pytest.raises(UpgradeRefusedError):
                    await place_call(agent.phone, quiet(0.1), SystemClock())
        assert held.result().close_code == 1000
