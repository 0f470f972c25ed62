"""Pipecat's npm clients, unchanged, in a browser before two instances behind nginx that share a Redis."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.audio_probe import speak
from tests.e2e.chromium import Page, open_page
from tests.e2e.nginx_proxy import nginx_in_front_of
from tests.e2e.pipecat_page import Events, client_page
from tests.e2e.redis_server import redis_server
from vox.clients.audio_files import write_wav

LONG_ANSWER = "One two three four five. " * 12
CONFIG: dict[str, Any] = {
    **FAKES,
    "transport": "both",
    "greeting": "Hello {{name}}.",
    "stt_options": {"transcripts": ["the first question", "the second question", "the third question"]},
    "llm_options": {"responses": ["The first answer.", LONG_ANSWER, "The third answer."]},
}
REQUESTS = {
    "webrtc": "{transport: 'webrtc', enableDefaultIceServers: false, body: {name: 'Ann'}}",
    "websocket": "{transport: 'websocket', body: {name: 'Ann'}}",
}


@asynccontextmanager
async def browser(folder: Path) -> AsyncGenerator[tuple[Page, str, list[RunningAgent]]]:
    """The client's page, the address that nginx answers at, and the two instances behind it."""
    recording = await speak("what are your opening hours", tail_s=1.0)
    wav = folder / "question.wav"
    write_wav(wav, [recording.pcm], recording.sample_rate)
    folders = [folder / "first", folder / "second"]
    for each in folders:
        each.mkdir()
    with redis_server() as redis:
        shared = {"VOXRAY_SESSION_STORE": "redis", "VOXRAY_REDIS_URL": redis.url}
        async with client_page(folder, {"question": wav.read_bytes()}) as address:
            config = {**CONFIG, "cors_allowed_origins": [address.rstrip("/")]}
            async with (
                agent_server(folders[0], config, **shared) as first,
                agent_server(folders[1], config, **shared) as second,
                nginx_in_front_of(folder, [first.port, second.port]) as port,
                open_page(folder, address) as page,
            ):
                yield page, f"http://127.0.0.1:{port}", [first, second]


async def who_answered_start(agents: Sequence[RunningAgent]) -> RunningAgent:
    async with httpx2.AsyncClient() as http:
        for agent in agents:
            metrics = (await http.get(f"{agent.http}/metrics")).text
            if 'http_requests_total{method="POST",route="start",status="2xx"} 1.0' in metrics:
                return agent
    raise AssertionError("no instance has answered /start")


def words(events: Sequence[tuple[str, Any]], name: str) -> list[str]:
    return [data["text"] for each, data in events if each == name]


@pytest.mark.parametrize(
    ("transport", "is_killed"),
    [("webrtc", False), ("webrtc", True), ("websocket", True)],
    ids=["webrtc", "webrtc, one instance is killed after start", "websocket, one instance is killed after start"],
)
async def test_three_turns_with_a_barge_in(tmp_path: Path, transport: str, is_killed: bool):
    async with browser(tmp_path) as (page, address, agents):
        events = Events(page)
        await page.evaluate(f"pipecat.create('{transport}')")
        await page.evaluate(f"pipecat.startBot('{address}/start', {REQUESTS[transport]})")
        if is_killed:
            starter = await who_answered_start(agents)
            starter.process.kill()
            await starter.process.wait()
            agents.remove(starter)
        await page.evaluate("pipecat.connectToBot()")
        greeting = await events.until("onBotStoppedSpeaking")
        assert "onBotReady" in [name for name, _ in greeting]
        assert words(greeting, "onBotTranscript") == ["Hello Ann."], "what /start was told reached the call"

        await page.evaluate("pipecat.speak('/question.wav')")
        first = await events.until("onBotStoppedSpeaking")
        assert words(first, "onUserTranscript") == ["the first question"]
        assert words(first, "onBotTranscript") == ["The first answer."]

        await page.evaluate("pipecat.speak('/question.wav')")
        second = await events.until("onBotStartedSpeaking")
        assert words(second, "onUserTranscript") == ["the second question"]
        await page.evaluate("pipecat.speak('/question.wav')")
        cut = await events.until("onBotLlmStarted")
        assert words(cut, "onUserTranscript") == ["the third question"]
        heard = [data["spoken_progress"] for name, data in cut if name == "onBotOutput" and "spoken_progress" in data]
        assert any(one["remaining_text"] for one in heard), "the second answer was cut"
        third = await events.until("onBotStoppedSpeaking")
        assert "The third answer." in words(third, "onBotTranscript")

        await page.evaluate("pipecat.disconnect()")
        await events.until("onDisconnected")
        await until(lambda: any(agent.lines("call ended") for agent in agents))
        assert await page.evaluate("pipecat.consoleErrors") == []
        assert page.errors == []
