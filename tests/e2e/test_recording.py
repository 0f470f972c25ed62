"""Recorded calls through real servers: lengths, channels, the store away, a killed server, a bucket that is not there."""

import asyncio
import importlib
import json
import os
import signal
from array import array
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.agents import FAKES, VOX, RunningAgent, agent_server, until
from tests.e2e.recorded_audio import channels_of, edges, stored_in
from tests.e2e.ws_client import connected
from tests.fakes.s3_server import BUCKET, S3Server, aws_environment, running_s3, versitygw
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.clients.audio_files import Recording, sample_question
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import CallReport
from vox.runtime.clock import SystemClock

FRAME_S = 0.02
SLACK_S = 0.06
"""Between the far side's ear and the server's clock, on a busy machine; the lengths are exact to a frame."""
CONFIG: dict[str, Any] = {
    **FAKES,
    "llm_options": {"responses": ["one two three four five six seven eight nine ten."]},
    "greeting": "hello and welcome to you and to everyone.",
    "turn_stop_secs": 0.3,
    "playout_lead_ms": 0,
}


def config(**recording: Any) -> dict[str, Any]:
    return {**CONFIG, "recording": {"enable": True, "layout": "stereo", **recording}}


def conversation() -> list[Step]:
    """A greeting that is cut off, and an answer."""
    return [Say(sample_question(), into_agent_s=1.0), WaitForAgent(silence_s=0.4), HangUp()]


async def call(agent: RunningAgent, line: str = "twilio", script: list[Step] | None = None) -> CallOutcome:
    url = agent.ws if line == "protobuf" else agent.phone
    return await place_call(url, script or conversation(), SystemClock(), line=line)


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        print(f"S3 server: {server.kind}")  # noqa: T201  the report shall say which it was
        yield server


def check(recording: bytes, report: CallReport, rate: int) -> None:
    """The recording is as long as the call, and each side stands where it was said and heard."""
    found_rate, (caller, agent) = channels_of(recording)
    assert found_rate == rate
    assert len(caller) / rate == pytest.approx(report.duration_s, abs=FRAME_S + SLACK_S)
    for side, track, least in ((caller, report.caller_track, 2), (agent, report.agent_track, 4)):
        expected = edges(array("h", track), report.sample_rate)
        assert len(expected) >= least
        assert edges(side, rate) == pytest.approx(expected, abs=FRAME_S + SLACK_S)


async def test_calls_by_phone_and_by_socket_are_as_long_as_they_were_and_in_step(tmp_path: Path, s3: S3Server):
    async with agent_server(tmp_path, config(bucket=BUCKET), **aws_environment(s3)) as agent:
        async with asyncio.TaskGroup() as group:
            calls = {line: group.create_task(call(agent, line)) for line in ("twilio", "exotel", "protobuf")}
        await agent.logged("recording stored", times=len(calls))
        kinds = {line["call_id"]: line["transport"] for line in agent.lines("call started")}
        metrics = httpx2.get(f"{agent.http}/metrics").text
        assert "recording_jobs_success_total 3.0" in metrics
        assert "recording_queue_depth 0.0" in metrics
        assert httpx2.get(f"{agent.http}/ready").status_code == 200
    recordings = stored_in(s3)
    assert len(recordings) == 3
    for path, recording in recordings.items():
        base, year, month, day, name = path.split("/")
        assert (base, len(year), len(month), len(day)) == ("recordings", 4, 2, 2)
        kind = kinds[name.removesuffix(".wav")]
        rate = {"twilio": 8000, "exotel": 8000, "ws": 24_000}[kind]
        check(recording, calls["protobuf" if kind == "ws" else kind].result().report, rate)
    assert not list((tmp_path / "recordings").rglob("*.wav*"))


async def test_a_store_that_is_away_for_a_while_gets_everything_when_it_is_back(tmp_path: Path, s3: S3Server):
    script: list[Step] = [Wait(1.0), HangUp()]
    settings = config(bucket=BUCKET, queue_cap=2, worker_count=1, max_retries=1)
    async with agent_server(tmp_path, {**settings, "greeting": ""}, **aws_environment(s3)) as agent:
        await call(agent, script=script)
        await agent.logged("recording stored")
        s3.stop()
        await asyncio.gather(*(call(agent, script=script) for _ in range(5)))
        await agent.logged("recording is not stored: it waits on the disk and is tried again")
        ready = httpx2.get(f"{agent.http}/ready")
        assert (ready.status_code, ready.json()["error"]["details"][0]["field"]) == (503, "recording_store")
        s3.start()
        await call(agent, script=script)
        await agent.logged("recording stored", times=7)
        await until(lambda: httpx2.get(f"{agent.http}/ready").status_code == 200)
    assert len(stored_in(s3)) == (7 if s3.kind == "versitygw" else 6)  # moto forgets what it had


async def test_what_a_killed_server_recorded_is_repaired_and_stored_by_the_next(tmp_path: Path, s3: S3Server):
    async with agent_server(tmp_path, config(bucket=BUCKET, layout="mono"), **aws_environment(s3)) as agent:
        talking = asyncio.create_task(call(agent, script=[Say(sample_question()), Wait(30), HangUp()]))
        pending = tmp_path / "recordings" / ".pending"
        await until(lambda: sum(file.stat().st_size for file in pending.rglob("*.part")) > 4 * 16_000)
        agent.process.send_signal(signal.SIGKILL)
        await talking
    async with agent_server(tmp_path, config(bucket=BUCKET), **aws_environment(s3)) as agent:
        await agent.logged("recording of a call that broke off was repaired")
        await agent.logged("recording stored")
        assert "recording_jobs_success_total 1.0" in httpx2.get(f"{agent.http}/metrics").text
    ((_, recording),) = stored_in(s3).items()
    rate, (mixed,) = channels_of(recording)
    assert len(mixed) / rate > 4
    assert len(edges(mixed, rate)) >= 2
    assert not list(pending.rglob("*.wav*"))


async def test_a_server_that_ends_stores_the_calls_that_were_going_on(tmp_path: Path, s3: S3Server):
    settings = {**config(bucket=BUCKET), "drain_timeout_secs": 1}
    async with agent_server(tmp_path, settings, **aws_environment(s3)) as agent:
        talking = [asyncio.create_task(call(agent, script=[Wait(60), HangUp()])) for _ in range(3)]
        await agent.logged("call started", times=3)
        agent.terminate()
        await asyncio.gather(*talking)
        async with time_limit():
            assert await agent.process.wait() == 0
    assert len(stored_in(s3)) == 3


@pytest.mark.parametrize("wrong", ["bucket", "key"] if versitygw() else ["bucket"])  # moto takes every key
async def test_a_bucket_that_refuses_is_told_at_the_start_with_the_remedy(tmp_path: Path, s3: S3Server, wrong: str):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config(bucket="no-such-bucket" if wrong == "bucket" else BUCKET)))
    environment = {**os.environ, **aws_environment(s3)}
    if wrong == "key":
        environment["AWS_SECRET_ACCESS_KEY"] = "not-the-secret"
    process = await asyncio.create_subprocess_exec(
        *(VOX, "agent", "--config", str(file), "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    try:
        async with time_limit():
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    text = output.decode()
    assert process.returncode not in (0, None)
    assert "recordings cannot be stored: the bucket" in text
    assert ("one that exists in recording.bucket" if wrong == "bucket" else "AWS_SECRET_ACCESS_KEY") in text
    assert "Traceback" not in text
    assert "not-the-secret" not in text


async def test_a_store_that_does_not_answer_at_the_start_keeps_no_call_from_being_taken(tmp_path: Path, s3: S3Server):
    s3.stop()
    async with agent_server(tmp_path, config(bucket=BUCKET), **aws_environment(s3)) as agent:
        await agent.logged("recordings wait on the disk until they can be stored")
        await call(agent, script=[Wait(0.5), HangUp()])
        s3.start()
        await agent.logged("recording stored")
    assert len(stored_in(s3)) == 1


async def test_a_recording_paused_over_http_has_silence_where_the_secret_was(tmp_path: Path):
    key = {"x-api-key": "secret"}
    settings = {**config(), "server_api_key": "secret", "greeting": ""}
    tone = Recording(array("h", [8000, -8000] * 4000).tobytes(), 8000)
    async with agent_server(tmp_path, settings) as agent:

        def ask(what: str) -> bool:
            (started,) = agent.lines("call started")
            reply = httpx2.post(f"{agent.http}/calls/{started['call_id']}/recording/{what}", headers=key)
            return reply.json()["data"]["is_paused"]

        def script() -> Iterator[Step]:
            yield from (Say(tone), Wait(0.5))
            assert ask("pause")
            yield from (Wait(0.1), Say(tone), Wait(0.5))
            assert not ask("resume")
            yield from (Wait(0.1), Say(tone), HangUp())

        await place_call(agent.phone, script(), SystemClock(), line="twilio", headers=list(key.items()))
        await agent.logged("recording stored")
    (file,) = (tmp_path / "recordings").rglob("*.wav")
    rate, (caller, _) = channels_of(file.read_bytes())
    assert edges(caller, rate) == pytest.approx([0.0, 1.0, 3.2, 4.2], abs=FRAME_S + SLACK_S)


async def test_a_socket_client_is_told_the_id_that_pauses_its_recording_and_reads_its_transcript(tmp_path: Path):
    transcripts = {"enable": True, "driver": "sqlite", "dsn": "transcripts.db"}
    settings = {**config(), "server_api_key": "secret", "greeting": "hello.", "transcripts": transcripts}
    key = {"x-api-key": "secret"}
    async with (
        agent_server(tmp_path, settings) as agent,
        httpx2.AsyncClient(base_url=agent.http, headers=key, timeout=WAIT_S) as http,
        connected(f"{agent.ws}?api_key=secret") as client,
    ):
        call_id = (await client.frame("StartFrame"))["call_id"]
        paused = await http.post(f"/calls/{call_id}/recording/pause")
        assert paused.json()["data"] == {"call_id": call_id, "is_recorded": True, "is_paused": True}
        await client.frame("BotStoppedSpeakingFrame")
        answer = await http.get(f"/api/v1/sessions/{call_id}/transcript")
        assert [row["text"] for row in answer.json()["data"]["rows"]] == ["hello."]


async def test_opus_in_ogg_is_as_long_as_the_call(tmp_path: Path):
    require(find_spec("av") is not None, "PyAV", "pip install '.[opus]'")
    av: Any = importlib.import_module("av")
    async with agent_server(tmp_path, config(format="opus")) as agent:
        outcome = await call(agent, script=[WaitForAgent(silence_s=0.4), HangUp()])
        await agent.logged("recording stored")
    (file,) = (tmp_path / "recordings").rglob("*.opus")
    with av.open(str(file)) as container:
        length_s = container.duration / av.time_base
    assert length_s == pytest.approx(outcome.report.duration_s, abs=FRAME_S + SLACK_S)
