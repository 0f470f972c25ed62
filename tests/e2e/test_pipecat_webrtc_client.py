"""Pipecat's own npm client with its WebRTC transport in a browser, on a page of another origin, unchanged."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.audio_probe import speak
from tests.e2e.chromium import Page, open_page
from tests.e2e.pipecat_page import Events, client_page
from vox.clients.audio_files import write_wav

CONFIG: dict[str, Any] = {
    **FAKES,
    "transport": "both",
    "greeting": "Hello there.",
    "stt_options": {"transcripts": ["what is new", "something else"]},
    "llm_options": {"responses": ["First answer.", "One two three four five. " * 6, "Stopped."]},
}


@asynccontextmanager
async def conversation(folder: Path, **config: Any) -> AsyncGenerator[tuple[Page, RunningAgent]]:
    recording = await speak("what are your opening hours", tail_s=1.0)
    wav = folder / "question.wav"
    write_wav(wav, [recording.pcm], recording.sample_rate)
    async with (
        client_page(folder, {"question": wav.read_bytes()}) as address,
        agent_server(folder, {**CONFIG, "cors_allowed_origins": [address.rstrip("/")], **config}) as agent,
        open_page(folder, address) as page,
    ):
        await page.evaluate("pipecat.create('webrtc')")
        yield page, agent
        assert await page.evaluate("pipecat.consoleErrors") == []
        assert page.errors == []


async def test_a_conversation_with_a_barge_in(tmp_path: Path):
    async with conversation(tmp_path) as (page, agent):
        events = Events(page)
        request = "{transport: 'webrtc', enableDefaultIceServers: false, body: {}}"
        await page.evaluate(f"pipecat.start('{agent.http}/start', {request})")
        opening = await events.until("onBotReady")
        states = [data for name, data in opening if name == "onTransportStateChanged"]
        assert states[-3:] == ["connecting", "connected", "ready"]
        await events.until("onBotStoppedSpeaking")
        assert await page.evaluate("pipecat.loudest()") > 0.05, "the greeting is heard"

        await page.evaluate("pipecat.speak('/question.wav')")
        answer = await events.until("onBotStoppedSpeaking")
        assert [data["text"] for name, data in answer if name == "onUserTranscript"] == ["what is new"]
        assert await page.evaluate("pipecat.loudest()") > 0.05, "the answer is heard"

        await page.evaluate("pipecat.sendText('go on')")
        await events.until("onBotStartedSpeaking")
        await page.evaluate("pipecat.speak('/question.wav')")
        cut = await events.until("onBotLlmStarted")
        assert [data["text"] for name, data in cut if name == "onUserTranscript"] == ["something else"]
        heard = [data["spoken_progress"] for name, data in cut if name == "onBotOutput" and "spoken_progress" in data]
        assert any(one["remaining_text"] for one in heard), "the answer was cut"
        after = await events.until("onBotStoppedSpeaking")
        assert "Stopped." in [data["text"] for name, data in after if name == "onBotTranscript"]

        await page.evaluate("pipecat.disconnect()")
        await events.until("onDisconnected")
        await agent.logged("call ended")
