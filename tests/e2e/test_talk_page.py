"""The talk page in a real browser: it asks by microphone, hears the right answer, and shows both sides."""

from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import yaml

from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.audio_probe import speak, which_sentence
from tests.e2e.chromium import Page, open_page
from vox.clients.audio_files import write_wav

DEMO = yaml.safe_load((files("vox.agent.config") / "demo.yaml").read_text())
HOURS = DEMO["intents"]["hours"]["answer"]
ANSWERS = [intent["answer"] for intent in DEMO["intents"].values() if "answer" in intent]
GREETING_S = 12.0  # the caller lets the greeting pass


@asynccontextmanager
async def talk_page(folder: Path, agent: RunningAgent, question: str) -> AsyncGenerator[Page, None]:
    recording = await speak(question, lead_s=GREETING_S, tail_s=1.0)
    microphone = folder / "question.wav"
    write_wav(microphone, [recording.pcm], recording.sample_rate)
    async with open_page(folder, f"{agent.http}/?record=1", microphone=microphone) as page:
        yield page


async def test_a_spoken_question_gets_the_right_spoken_answer(tmp_path: Path):
    async with (
        agent_server(tmp_path, {}, command="up") as agent,
        talk_page(tmp_path, agent, "what are your opening hours") as page,
    ):
        await page.click("#talk")
        await page.wait_for("voxTalk.transcript.some(line => line.who === 'bot' && line.spoken === line.text)")
        greeting = await page.evaluate("voxTalk.heard().samples.length")
        await page.wait_for("voxTalk.turns.some(turn => turn.latency_s)")
        await page.wait_for(f"voxTalk.transcript.some(line => line.who === 'bot' && line.spoken === {HOURS!r})")
        heard = await page.evaluate("voxTalk.heard()")
        shown = await page.evaluate("document.querySelector('#transcript').innerText")
        latency = await page.evaluate("document.querySelector('#latency').innerText")
        await page.screenshot(tmp_path / "talk.png")
        await page.click("#hangup")
        await page.wait_for("voxTalk.state === 'idle'")
        await agent.logged("call ended")
        errors = page.errors
    pcm, rate = b64decode(heard["base64"]), int(heard["sampleRate"])
    assert await which_sentence(pcm[greeting * 2 :], rate, ANSWERS) == HOURS
    assert HOURS in shown
    assert "opening hours" in shown
    assert any(character.isdigit() for character in latency)
    assert errors == []


async def test_typed_text_works_without_a_microphone(tmp_path: Path):
    config = {**FAKES, "llm_options": {"responses": ["You wrote {text}."]}}
    async with agent_server(tmp_path, config) as agent, open_page(tmp_path, agent.http) as page:
        await page.evaluate("document.querySelector('#text').focus()")
        await page.type("good morning")
        await page.click("#send")
        await page.wait_for(
            "voxTalk.transcript.some(line => line.who === 'bot' && line.text === 'You wrote good morning.')"
        )
        assert page.errors == []


async def test_a_full_server_is_explained_to_the_visitor(tmp_path: Path):
    config = {**FAKES, "max_concurrent_calls": 1}
    async with (
        agent_server(tmp_path, config) as agent,
        open_page(tmp_path, agent.http) as first,
        open_page(tmp_path / "second", agent.http) as second,
    ):
        await first.click("#talk")
        await agent.logged("call started")
        await second.click("#talk")
        await second.wait_for("/busy/.test(document.querySelector('#notice-text').innerText)")
