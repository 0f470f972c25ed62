"""Pipecat's own npm client in a browser, on a page of another origin, unchanged: what it is told, and in which order.

Events of one thing have one order; what two things do at the same time (the model writes, the voice speaks) has none that could
be promised. So the order is compared in four lanes: the caller, the model, what is announced, and what is played.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.audio_probe import speak
from tests.e2e.chromium import Page, open_page
from tests.e2e.pipecat_page import client_page
from vox.clients.audio_files import write_wav

Event = tuple[str, Any]

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
CONFIG: dict[str, Any] = {
    **FAKES,
    "greeting": "Hello there. Ask me **anything**.",
    "stt_options": {"transcripts": ["what is new", "something else"]},
    "llm_options": {
        "responses": ["First answer. It has two sentences.", "One two three four five. " * 6, "Stopped."],
        "calls": [{"keyword": "weather", "tool": "get_weather", "arguments": {"city": "Oslo"}}],
    },
    "client_tools": [{"name": "get_weather", "description": "The weather", "parameters": WEATHER}],
}
USER = {"onUserStartedSpeaking", "onUserStoppedSpeaking", "onUserTranscript"}
PLAYED = {"onBotTtsStarted", "onBotTtsStopped", "onBotStartedSpeaking", "onBotStoppedSpeaking", "onBotTtsText"}


class Conversation:
    """The client on its page; `events` gives what it was told since the last look."""

    def __init__(self, page: Page, agent: RunningAgent) -> None:
        self.page = page
        self.agent = agent
        self._looked = 0

    async def events(self, until: str, times: int = 1) -> list[Event]:
        """Waits for an event and gives those up to it."""
        end: int = await self.page.evaluate(f"pipecat.until({self._looked}, {until!r}, {times})")
        found = await self.page.evaluate(f"pipecat.events.slice({self._looked}, {end})")
        self._looked = end
        return [(name, data) for name, data in found]


@asynccontextmanager
async def conversation(folder: Path, **config: Any) -> AsyncGenerator[Conversation, None]:
    recording = await speak("what are your opening hours", tail_s=1.0)
    wav = folder / "question.wav"
    write_wav(wav, [recording.pcm], recording.sample_rate)
    recordings = {"question": wav.read_bytes()}
    async with (
        client_page(folder, recordings) as address,
        agent_server(folder, {**CONFIG, "cors_allowed_origins": [address.rstrip("/")], **config}) as agent,
        open_page(folder, address) as page,
    ):
        await page.evaluate("pipecat.create()")
        yield Conversation(page, agent)
        assert await page.evaluate("pipecat.consoleErrors") == []
        assert page.errors == []


def user(events: list[Event]) -> list[Any]:
    return [data["text"] if name == "onUserTranscript" else name for name, data in events if name in USER]


def model(events: list[Event]) -> list[Any]:
    """The model's text joined, between what else it did."""
    lane: list[Any] = []
    for name, data in events:
        if name == "onBotLlmText":
            if lane and lane[-1][0] == "text":
                lane[-1] = ("text", lane[-1][1] + data["text"])
            else:
                lane.append(("text", data["text"]))
        elif name.startswith(("onBotLlm", "onLLM")) or name == "handler":
            lane.append((name, (data or {}).get("arguments") or (data or {}).get("result")))
    return lane


def announced(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (name, data["text"])
        for name, data in events
        if name == "onBotTranscript" or (name == "onBotOutput" and data["spoken_status"] == "new")
    ]


def played(events: list[Event]) -> list[str]:
    """What is played, with the words that were spoken joined."""
    lane: list[str] = []
    words: list[str] = []
    for name, data in events:
        if name == "onBotTtsText":
            words.append(data["text"])
        elif name in PLAYED:
            lane += [" ".join(words)] if words else []
            words.clear()
            lane.append(name)
    return lane


def outcomes(events: list[Event]) -> list[tuple[str, str]]:
    """How each sentence ended: what was heard of it, and what was not."""
    progress = [
        data["spoken_progress"]
        for name, data in events
        if name == "onBotOutput" and data["spoken_status"] == "completed"
    ]
    return [(one["accumulated_text"], one["remaining_text"]) for one in progress]


def both(*sentences: str) -> list[tuple[str, str]]:
    return [(name, text) for text in sentences for name in ("onBotTranscript", "onBotOutput")]


def played_through(words: str) -> list[str]:
    return ["onBotTtsStarted", "onBotStartedSpeaking", words, "onBotTtsStopped", "onBotStoppedSpeaking"]


async def greeted(client: Conversation) -> None:
    opening = await client.events("onBotReady")
    assert [data for name, data in opening if name == "onTransportStateChanged"][-3:] == [
        "connecting",
        "connected",
        "ready",
    ]
    assert opening[-1][1]["version"] == "2.2.0"
    greeting = await client.events("onBotStoppedSpeaking")
    assert announced(greeting) == both("Hello there.", "Ask me **anything**.")
    assert played(greeting) == played_through("Hello there. Ask me anything.")
    assert outcomes(greeting) == [("Hello there.", ""), ("Ask me **anything**.", "")]
    assert model(greeting) == []


async def test_a_whole_conversation(tmp_path: Path):
    async with conversation(tmp_path) as client:
        page = client.page
        ready = await page.evaluate(f"pipecat.start('{client.agent.http}/start', {{}})")
        assert ready["about"] == {"library": "vox"}
        await greeted(client)

        await page.evaluate("pipecat.speak('/question.wav')")
        answer = await client.events("onBotStoppedSpeaking")
        assert user(answer) == ["onUserStartedSpeaking", "onUserStoppedSpeaking", "what is new"]
        assert model(answer) == [
            ("onBotLlmStarted", None),
            ("text", "First answer. It has two sentences."),
            ("onBotLlmStopped", None),
        ]
        assert announced(answer) == both("First answer.", "It has two sentences.")
        assert played(answer) == played_through("First answer. It has two sentences.")
        assert outcomes(answer) == [("First answer.", ""), ("It has two sentences.", "")]

        await page.evaluate("pipecat.sendText('go on')")
        begun = await client.events("onBotTtsText", 2)
        assert user(begun) == ["go on"]
        await page.evaluate("pipecat.speak('/question.wav')")
        cut = await client.events("onBotLlmStarted")
        assert user(cut) == ["onUserStartedSpeaking", "onUserStoppedSpeaking", "something else"]
        assert sorted(name for name in played(cut) if name.startswith("on")) == [
            "onBotStoppedSpeaking",
            "onBotTtsStopped",
        ]
        said = " ".join(data["text"] for name, data in [*begun, *cut] if name == "onBotTtsText")
        heard, unheard = (" ".join(filter(None, part)) for part in zip(*outcomes([*begun, *cut]), strict=True))
        assert said == heard, "the words that were spoken are those that count as heard"
        assert f"{heard} {unheard}" == " ".join(["One two three four five."] * 6)
        assert unheard
        after = await client.events("onBotStoppedSpeaking")
        assert played(after) == played_through("Stopped.")

        await page.evaluate("pipecat.sendText('the weather please')")
        tool = await client.events("onBotStoppedSpeaking")
        assert user(tool) == ["the weather please"]
        lane = model(tool)
        handler = lane.pop(next(at for at, (name, _) in enumerate(lane) if name == "handler"))
        assert handler == ("handler", {"city": "Oslo"})
        assert lane == [
            ("onBotLlmStarted", None),
            ("onBotLlmStopped", None),
            ("onLLMFunctionCallStarted", None),
            ("onLLMFunctionCallInProgress", {"city": "Oslo"}),
            ("onLLMFunctionCallStopped", '{"sky":"sunny"}'),
            ("onBotLlmStarted", None),
            ("text", '{"sky":"sunny"}'),
            ("onBotLlmStopped", None),
        ]

        await page.evaluate("pipecat.sendText('quietly', {audio_response: false})")
        silent = await client.events("onBotLlmStopped")
        assert played(silent) == []

        await page.evaluate("pipecat.disconnect()")
        assert (await client.events("onDisconnected"))[-1][0] == "onDisconnected"
        await client.agent.logged("call ended")


@pytest.mark.parametrize("query", ["", "?format=protobuf", "?agent=default"])
async def test_the_plain_address_is_enough(tmp_path: Path, query: str):
    async with conversation(tmp_path) as client:
        await client.page.evaluate(f"pipecat.connect({{wsUrl: '{client.agent.ws}{query}'}})")
        await greeted(client)


async def test_a_key_is_given_once(tmp_path: Path):
    async with conversation(tmp_path, server_api_key="sesame") as client:
        start = f"{client.agent.http}/start"
        refused = await client.page.evaluate(f"pipecat.start('{start}', {{}}).catch(error => error.message)")
        assert "API key" in refused
        await client.page.evaluate(f"pipecat.start('{start}?api_key=sesame', {{}})")
        assert (await client.events("onBotReady"))[-1][0] == "onBotReady"
        client.page.errors.clear()  # the refusal
        await client.page.evaluate("pipecat.consoleErrors.splice(0)")
