"""Utterances on their way to a realtime model, and their texts on the way back."""

import asyncio
from typing import Any

import pytest

from tests.fakes.loop import VirtualClock
from vox.agent.call.realtime_ear import LONG_S, NAME, TEXT_WAIT_S, RealtimeEar
from vox.protocols.agent_events import AgentEvent, UserTranscript
from vox.providers.realtime.contract import CallerText

pytestmark = pytest.mark.usefixtures("virtual_loop")

RATE = 16_000


class Call:
    """The realtime side of a call, as far as its ear knows it."""

    def __init__(self, *, is_answering: bool = False, needs_words: bool = False) -> None:
        self.is_answering = is_answering
        self.session: Any = self
        self.number = 0
        self.pushed = b""
        self.told: list[AgentEvent] = []
        self.heard: list[str] = []
        self.reworded: list[tuple[str, str]] = []
        clock = VirtualClock(asyncio.get_running_loop())
        self.ear = RealtimeEar(self, RATE, self.told.append, clock, needs_words=needs_words, on_heard=self.heard.append)
        self.stream = self.ear.open_stream(lambda _: None)

    def connect(self) -> None:
        """A session is there."""

    def reword(self, text: str, by: str) -> None:
        self.reworded.append((text, by))

    def push(self, pcm: bytes) -> None:
        self.pushed += pcm

    def commit(self) -> int:
        self.number += 1
        return self.number

    def clear(self) -> None:
        self.pushed = b""

    async def utterance(self, seconds: float, text: str | None = None, after_s: float = 0.2) -> str:
        self.stream.start(None)
        self.stream.push(bytes(round(RATE * seconds) * 2))
        self.stream.pause()
        if text is not None:
            asyncio.get_running_loop().call_later(after_s, self.ear.written, CallerText(self.number + 1, text))
        return (await self.stream.finish()).text


async def test_while_the_agent_is_silent_the_text_is_not_waited_for():
    call = Call()
    began = asyncio.get_running_loop().time()
    name = await call.utterance(1.0, "hello")
    assert asyncio.get_running_loop().time() == began
    assert name.startswith(NAME)
    call.ear.tell(UserTranscript(name, is_final=True, timestamp=""))
    assert call.told == []
    await asyncio.sleep(1)
    assert call.reworded == [(name, "hello")]
    assert call.heard == ["hello"]
    assert [event.text for event in call.told if isinstance(event, UserTranscript)] == ["hello"]
    assert len(call.pushed) == RATE * 2


async def test_while_the_agent_speaks_the_text_of_a_short_utterance_decides():
    call = Call(is_answering=True)
    assert await call.utterance(0.5, "uh huh") == "uh huh"
    assert call.heard == [], "what it cuts off is settled first"
    for text in ("uh huh", f"{NAME}7)"):
        call.ear.heard(text)
    assert call.heard == ["uh huh"]
    assert call.told == []


async def test_a_long_utterance_interrupts_without_its_text_unless_the_words_count():
    assert (await Call(is_answering=True).utterance(LONG_S, "hello")).startswith(NAME)
    assert await Call(is_answering=True, needs_words=True).utterance(LONG_S, "hello") == "hello"


async def test_a_text_that_is_late_is_not_waited_for_longer():
    call = Call(is_answering=True)
    began = asyncio.get_running_loop().time()
    name = await call.utterance(0.5, "wait", after_s=5.0)
    assert asyncio.get_running_loop().time() == pytest.approx(began + TEXT_WAIT_S)
    await asyncio.sleep(5)
    assert call.reworded == [(name, "wait")]
    assert call.heard == ["wait"]


async def test_names_are_never_given_twice_also_not_after_a_new_session():
    call = Call()
    first = await call.utterance(1.0)
    call.ear.session_changed()
    call.number = 0
    second = await call.utterance(1.0)
    assert first != second
    call.ear.written(CallerText(1, "again"))
    assert call.reworded == [(second, "again")]


async def test_what_was_typed_is_told_from_what_was_spoken():
    call = Call()
    name = await call.utterance(1.0)
    assert call.ear.without_spoken(f"{name} and typed") == "and typed"
    call.ear.forget_spoken()
    assert call.ear.without_spoken(name) == name


async def test_texts_on_the_way_are_told_and_only_the_last_is_kept():
    call = Call()
    await call.utterance(1.0)
    call.ear.written(CallerText(1, "hel", is_final=False))
    call.ear.written(CallerText(1, "hello"))
    call.ear.written(CallerText(1, "never"))
    told = [(event.text, event.is_final) for event in call.told if isinstance(event, UserTranscript)]
    assert told == [("hel", False), ("hello", True)]
    assert call.heard == ["hello"]
