"""Whole phone calls with real offline voices: an echo on the line, numbers in words, a change of language, a turn that a model ends."""

import asyncio
import os
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import httpx2
import yaml

from tests.e2e.agents import FAKES, OFFLINE, agent_server
from tests.e2e.audio_probe import speak, which_sentence
from tests.require import require
from tests.time_limits import scaled
from vox.clients.line_echo import LineEcho
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import CallReport, TurnKind
from vox.media.echo import likeness
from vox.media.resample import resample
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.tts.contract import TextToSpeech
from vox.runtime.clock import SystemClock

RATE = 8000
DEMO = yaml.safe_load((files("vox.agent.config") / "demo.yaml").read_text())
ANSWERS = {name: intent["answer"] for name, intent in DEMO["intents"].items() if "answer" in intent}
LISTEN = WaitForAgent(silence_s=0.8, begin_timeout_s=scaled(20.0))


async def call(url: str, script: list[Step], **options: Any) -> CallReport:
    outcome = await place_call(url, script, SystemClock(), **options)
    return outcome.report


async def test_an_echo_at_minus_12_db_interrupts_nothing_and_a_caller_over_it_does(tmp_path: Path):
    script: list[Step] = [Say(await speak("what are your opening hours"), into_agent_s=3.0), LISTEN, HangUp()]
    config = {**OFFLINE, "llm_provider": "flow"}
    async with agent_server(tmp_path, config, VOXRAY_LOG_LEVEL="debug") as agent:
        report = await call(agent.phone, script, echo=LineEcho(level_db=-12.0))
        (ended,) = await agent.logged("conversation")
        metrics = await _metrics(agent.http)
    assert [turn.kind for turn in report.turns] == [TurnKind.GREETING, TurnKind.BARGE_IN]
    assert 1 <= len(report.clears) <= 3  # a busy machine may hold the agent before it has told the echo
    (greeting, answer) = (message["content"] for message in ended["pii.messages"] if message["role"] == "assistant")
    assert DEMO["greeting"].startswith(greeting)
    assert 0 < len(greeting) < len(DEMO["greeting"])
    assert answer == ANSWERS["hours"]
    assert [message["role"] for message in ended["pii.messages"]].count("user") == 1
    assert metrics["vox_agent_echoes_total"] > 0


async def test_a_code_and_a_price_are_heard_in_words_and_written_in_figures(tmp_path: Path):
    written = "Your code is 4821. It costs $12.50."
    config = {**FAKES, "tts_provider": "espeak", "llm_options": {"responses": [written]}, "stt_language": "en"}
    async with agent_server(tmp_path, config, VOXRAY_LOG_LEVEL="debug") as agent:
        report = await call(agent.phone, [Say(await speak("hello", lead_s=0.5)), LISTEN, HangUp()])
        (ended,) = await agent.logged("conversation")
    assert ended["pii.messages"][-1]["content"] == written
    sentences = [
        f"your code is {code} it costs {price}"
        for code in ("four eight two one", "four thousand eight hundred twenty one", "forty eight twenty one")
        for price in ("twelve dollars and fifty cents", "twelve fifty dollars", "dollar twelve point five")
    ]
    assert await which_sentence(report.agent_track, RATE, sentences) == sentences[0]


async def test_the_voice_follows_a_caller_into_german(tmp_path: Path):
    config = {
        **FAKES,
        "tts_provider": "espeak",
        "stt_language": "en",
        "languages": ["de"],
        "stt_options": {
            "transcripts": ["hello my dear friend", "ich möchte einen Tisch bestellen"],
            "languages": ["en", "de"],
        },
        "llm_options": {"responses": ["We are open until 19:30.", "Der Tisch ist um 19:30 Uhr frei."]},
    }
    script: list[Step] = [
        Say(await speak("hello", lead_s=0.5)),
        LISTEN,
        Say(await speak("hello")),
        LISTEN,
        HangUp(),
    ]
    async with agent_server(tmp_path, config) as agent:
        report = await call(agent.phone, script)
        (switched,) = await agent.logged("language switched")
    assert (switched["before"], switched["language"], switched["reason"]) == ("en", "de", "detected")
    first, second = (
        report.agent_track[int(turn.ended_s * RATE) * 2 :] for turn in report.turns if turn.kind is TurnKind.SPEECH
    )
    for heard, text, language, other in (
        (first, "We are open until nineteen thirty.", "en", "de"),
        (second, "Der Tisch ist um neunzehn Uhr dreißig frei.", "de", "en"),
    ):
        assert await _likeness(heard, text, language) > await _likeness(heard, text, other) + 0.1


async def test_a_model_ends_a_turn_long_before_silence_would(tmp_path: Path):
    installed = ModelStore(models_folder(os.environ)).files("smart-turn") is not None
    require(installed, "smart-turn", "vox models install smart-turn")
    config = {**FAKES, "turn_detection": "model", "turn_stop_secs": 60.0, "tts_options": {"characters_per_s": 15.0}}
    listen = WaitForAgent(silence_s=0.4, begin_timeout_s=40.0)
    async with agent_server(tmp_path, config, VOXRAY_LOG_LEVEL="debug") as agent:
        report = await call(agent.phone, [Say(await speak("where are you", lead_s=0.5)), listen, HangUp()])
        judged = await agent.logged("turn judged")
    assert judged[-1]["probability"] >= 0.5
    assert report.turns[-1].response_s is not None


async def test_an_idle_caller_is_asked_twice_and_then_let_go(tmp_path: Path):
    config = {
        **FAKES,
        "tts_provider": "espeak",
        "greeting": "hello.",
        "user_idle_timeout_secs": 0.6,
        "user_idle_prompt": "are you still there",
        "user_idle_max": 3,
        "user_idle_goodbye": "goodbye",
    }
    async with agent_server(tmp_path, config, VOXRAY_LOG_LEVEL="debug") as agent:
        report = await call(agent.phone, [Wait(60.0)])
        (ended,) = await agent.logged("conversation")
        (over,) = await agent.logged("call ended")
    said = [message["content"] for message in ended["pii.messages"] if message["role"] == "assistant"]
    assert said[:3] == ["hello.", "are you still there", "are you still there"]
    assert said[-1] == "goodbye"
    assert (over["reason"], report.duration_s < 60.0) == ("idle", True)


async def _likeness(track: bytes, text: str, language: str) -> float:
    """How alike the track is, somewhere, to a second from the middle of this sentence in the offline voice; 1: the same."""
    async with httpx2.AsyncClient() as http:
        driver = cast("TextToSpeech", registry.create("tts", "espeak", {}, Deps(SystemClock(), http)))
        async with driver:
            pcm = b"".join([chunk.pcm async for chunk in driver.synthesize(text, language=language)])
            spoken = resample(pcm, driver.sample_rate, RATE)
    middle = len(spoken) // 4 * 2
    return await asyncio.to_thread(likeness, spoken[middle : middle + RATE], RATE, track, RATE)


async def _metrics(http: str) -> dict[str, float]:
    async with httpx2.AsyncClient() as client:
        lines = (await client.get(f"{http}/metrics")).text.splitlines()
    parted = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in parted}
