"""Recorded calls on virtual time: where each side's audio stands in the file, pauses, redaction and the notice."""

import asyncio
import io
import json
import wave
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.call_harness import RATE, Line, Mind, World
from vox.agent.call.call_recording import REDACTED_AFTER_S
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.errors import UsageError
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall
from vox.runtime.logging import configure

pytestmark = pytest.mark.usefixtures("virtual_loop")
FRAME = 160


@asynccontextmanager
async def recorded(
    folder: Path, *, notice: str = "", speaks_first: bool = False, **more: Any
) -> AsyncGenerator[World, None]:
    recording = {"enable": True, "folder": str(folder), "layout": "stereo", "notice": notice}
    world = World(settings={"recording": recording}, **more)
    world.session.agent = replace(world.session.agent, speaks_first=speaks_first)
    assert world.resources.recordings is not None
    try:
        async with world:
            yield world
    finally:
        world.resources.recordings._executor.shutdown()


def sides(folder: Path) -> "tuple[array[int], array[int]]":
    """The caller's and the agent's samples of the only recording."""
    (file,) = (folder / ".pending").rglob("*.wav")
    with wave.open(str(file)) as read:
        assert (read.getframerate(), read.getnchannels()) == (RATE, 2)
        samples = array("h", read.readframes(read.getnframes()))
    return samples[::2], samples[1::2]


def spans(samples: "array[int]", gap: int = 40) -> list[float]:
    """Where it begins and ends to be not silent, in seconds; shorter gaps do not count."""
    found: list[tuple[int, int]] = []
    for index, sample in enumerate(samples):
        if abs(sample) > 100:
            if found and index - found[-1][1] <= gap:
                found[-1] = (found[-1][0], index + 1)
            else:
                found.append((index, index + 1))
    return [edge / RATE for span in found for edge in span]


async def speak(world: World, seconds: float, value: int = 5000) -> None:
    """The caller's frames, one every 20 ms, each when its last sample was spoken."""
    for _ in range(round(seconds / 0.02)):
        await asyncio.sleep(0.02)
        world.session.audio(array("h", [value] * FRAME).tobytes())


async def test_each_side_stands_where_it_was_heard(tmp_path: Path):
    began = asyncio.get_running_loop().time()
    async with recorded(tmp_path) as world:
        await asyncio.sleep(0.5)
        await speak(world, 1.0)
        await world.say("how are you")
        await asyncio.sleep(4)
        first = world.line.frames[0][0] - began
        length = asyncio.get_running_loop().time() - began
    caller, agent = sides(tmp_path)
    assert spans(caller) == pytest.approx([0.5, 1.5], abs=0.001)
    assert spans(agent) == pytest.approx([first, first + 2.0], abs=0.001)
    assert len(caller) / RATE == pytest.approx(length, abs=0.02)


async def test_what_a_barge_in_cut_off_is_not_in_it_and_what_a_cough_held_is_in_it_once(tmp_path: Path):
    async with recorded(tmp_path) as world:
        await world.say("go")
        await asyncio.sleep(0.5 + 0.7)
        await world.say("", seconds=0.3)  # a cough, after which the answer goes on
        await asyncio.sleep(1.2)
        cut_at = asyncio.get_running_loop().time() - world.session.started_at
        await world.say("no not that", seconds=0.5)
        sent_s = world.sent_seconds()
    _, agent = sides(tmp_path)
    heard = spans(agent)
    assert len(heard) == 4
    assert heard[-1] <= cut_at + 0.02
    assert heard[1] - heard[0] + heard[3] - heard[2] == pytest.approx(sent_s, abs=0.05)


async def test_a_paused_recording_is_silent_and_in_step(tmp_path: Path):
    async with recorded(tmp_path) as world:
        await speak(world, 1.0)
        world.session.recording.pause()
        assert world.session.recording.is_paused
        await speak(world, 1.0)
        world.session.recording.resume()
        await speak(world, 1.0)
    caller, _ = sides(tmp_path)
    assert spans(caller) == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=0.021)


async def test_the_model_pauses_and_resumes(tmp_path: Path):
    def script(request: LlmRequest) -> list[LlmEvent | float]:
        text = request.messages[-1]["content"] or ""
        if request.messages[-1]["role"] == "tool":
            return [TextDelta("done.")]
        return [ToolCall("1", "pause_recording" if "card" in text else "resume_recording", "{}")]

    mind = Mind()
    mind.script = script
    async with recorded(tmp_path, mind=mind) as world:
        await world.say("my card")
        await asyncio.sleep(2)
        assert world.session.recording.is_paused
        assert {"pause_recording", "resume_recording"} <= {tool.name for tool in mind.requests[0].tools}
        await world.say("that was it")
        await asyncio.sleep(2)
        assert not world.session.recording.is_paused


async def test_numbers_are_redacted_while_paused_and_a_little_longer(tmp_path: Path):
    async with recorded(tmp_path) as world:
        recording = world.session.recording
        assert recording.redacted("four two") == "four two"
        recording.pause()
        assert recording.redacted("it is four two") == "it is [redacted]"
        recording.resume()
        assert recording.is_redacted
        await asyncio.sleep(REDACTED_AFTER_S)
        assert recording.redacted("four two") == "four two"


async def test_the_conversation_of_a_call_that_was_paused_is_logged_without_numbers(tmp_path: Path):
    stream = io.StringIO()
    configure("debug", json=True, stream=stream)
    try:
        async with recorded(tmp_path) as world:
            world.session.recording.pause()
            await world.say("my number is 4242")
            await asyncio.sleep(1)
    finally:
        configure()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (conversation,) = (json.dumps(line) for line in lines if line["msg"] == "conversation")
    assert "4242" not in conversation
    assert "my number is [redacted]" in conversation


async def test_what_tools_were_told_is_logged_without_numbers_too(tmp_path: Path):
    def script(request: LlmRequest) -> list[LlmEvent | float]:
        if request.messages[-1]["role"] == "tool":
            return [TextDelta("done.")]
        return [ToolCall("c1", "charge", '{"card": "4242", "cents": 99}')]

    mind, stream = Mind(), io.StringIO()
    mind.script = script
    configure("debug", json=True, stream=stream)
    try:
        async with recorded(tmp_path, mind=mind) as world:
            world.session.recording.pause()
            await world.say("go on")
            await asyncio.sleep(1)
    finally:
        configure()
    assert "charge" in stream.getvalue()
    assert "4242" not in stream.getvalue()


async def test_a_call_without_a_recording_is_redacted_too_and_offers_no_tools():
    async with World() as world:
        recording = world.session.recording
        recording.pause()
        assert not recording.is_recorded
        assert recording.redacted("42") == "[redacted]"
        recording.resume()
        await world.say("go")
        await asyncio.sleep(1)
        assert "pause_recording" not in {tool.name for tool in world.mind.requests[0].tools}


async def test_the_notice_comes_before_the_greeting(tmp_path: Path):
    async with recorded(tmp_path, notice="This call is recorded.", greeting="hello {{caller}}.") as world:
        await asyncio.sleep(5)
        assert " ".join(world.voice.spoken) == "This call is recorded. hello ."


async def test_the_notice_comes_before_what_the_model_says_first(tmp_path: Path):
    async with recorded(tmp_path, notice="This call is recorded.", speaks_first=True) as world:
        await asyncio.sleep(5)
        assert world.voice.spoken == ["This call is recorded.", "one two three four."]


async def test_without_a_recording_there_is_no_notice():
    recording = {"enable": False, "notice": "This call is recorded."}
    async with World(settings={"recording": recording}, greeting="hello.") as world:
        await asyncio.sleep(3)
        assert world.voice.spoken == ["hello."]


async def test_a_call_that_cannot_begin_leaves_no_recording_open(tmp_path: Path):
    async with recorded(tmp_path) as world:
        recordings = world.resources.recordings
        assert recordings is not None
        assert len(recordings._active) == 1
        with pytest.raises(UsageError) as error:
            Session(world.resources, world.session.agent, world.line, CallInfo("call_2", "test"), input_rate=12_345)
        assert error.value.code == "invalid_sample_rate"
        assert len(recordings._active) == 1


async def test_a_call_that_cannot_begin_leaves_no_transcript_and_no_track(tmp_path: Path):
    transcripts = {"enable": True, "driver": "sqlite", "dsn": str(tmp_path / "transcripts.db")}
    async with World(settings={"transcripts": transcripts}) as world:
        store, line = world.resources.transcripts, Line()
        assert store is not None
        with pytest.raises(UsageError):
            Session(world.resources, world.session.agent, line, CallInfo("call_2", "test"), input_rate=12_345)
        assert list(store._live) == ["call_1"]
        store._close()


async def test_the_recording_ends_with_the_call_and_not_with_its_last_tool(tmp_path: Path):
    async with recorded(tmp_path) as world:
        await speak(world, 1.0)
        world.session.hang_up()
        assert not world.session.recording.is_recorded
        await speak(world, 1.0)
    caller, _ = sides(tmp_path)
    assert len(caller) / RATE == pytest.approx(1.0, abs=0.02)
