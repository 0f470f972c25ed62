"""Calls whose voice speaks the first sentence of an answer while the model still writes it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from tests.unit.agent.call_harness import RATE, WORD_S, Voice, World
from vox.protocols.agent_events import SentenceProgress, SpeakingChanged
from vox.providers.llm.contract import LlmEvent, TextDelta
from vox.providers.tts.contract import SpeechChunk, SpokenWord

pytestmark = pytest.mark.usefixtures("virtual_loop")
WORD_DELAY_S = 0.3
APOLOGY = "Sorry, something went wrong. Could you say that again?"
SENTENCE = "I am sure that we have a table for you tonight."


class Narrator(Voice):
    """Half a second a word, also of a sentence that is still being written."""

    takes_words = True

    def __init__(self) -> None:
        super().__init__()
        self.written: list[list[str]] = []

    async def synthesize_stream(
        self, parts: AsyncIterator[str], *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        taken: list[str] = []
        self.written.append(taken)
        position, number = 0, 0
        async for part in parts:
            taken.append(part)
            for word in part.split():
                start = position + part.index(word)
                yield SpeechChunk(
                    b"\x10\x20" * int(RATE * WORD_S), (SpokenWord(start, start + len(word), number * WORD_S),)
                )
                number += 1
            position += len(part)


def written_slowly(*texts: str, delay_s: float = WORD_DELAY_S) -> list[LlmEvent | float]:
    events: list[LlmEvent | float] = []
    for text in texts:
        for word in text.split():
            events += [TextDelta(f"{word} "), delay_s]
    return events


def call(*texts: str, delay_s: float = WORD_DELAY_S, voice: Voice | None = None) -> World:
    world = World(voice=voice or Narrator())
    world.mind.script = lambda _: written_slowly(*texts, delay_s=delay_s)
    return world


def told(world: World) -> list[tuple[str, str, str]]:
    return [(event.text, event.status, event.spoken) for event in world.line.of(SentenceProgress)]


async def first_audio_s(voice: Voice) -> float:
    async with call(SENTENCE, voice=voice) as world:
        await world.say("a table?")
        asked = asyncio.get_running_loop().time()
        await asyncio.sleep(10)
        return world.line.frames[0][0] - asked


async def test_it_is_heard_before_it_is_whole_and_as_it_was_written():
    async with call(SENTENCE, "Shall I book it?") as world:
        await world.say("a table?")
        await asyncio.sleep(15)
        assert isinstance(world.voice, Narrator)
        [parts] = world.voice.written
        assert "".join(parts) == SENTENCE
        assert len(parts) > 3
        assert world.voice.spoken == ["Shall I book it?"], "the next ones are whole before their turn comes"
        assert world.conversation()[-1] == ("assistant", f"{SENTENCE} Shall I book it?")
        assert told(world)[0] == (SENTENCE, "new", "")
        assert (SENTENCE, "completed", SENTENCE) in told(world)


async def test_that_is_earlier_than_with_a_voice_that_needs_the_sentence():
    words = len(SENTENCE.split())
    assert await first_audio_s(Narrator()) < await first_audio_s(Voice()) - (words - 6) * WORD_DELAY_S


async def test_an_answer_cut_in_an_unfinished_sentence_keeps_what_was_heard():
    async with call(SENTENCE) as world:
        await world.say("a table?")
        while not any(event.who == "bot" for event in world.line.of(SpeakingChanged)):  # noqa: ASYNC110  virtual time
            await asyncio.sleep(0.05)
        await asyncio.sleep(2 * WORD_S + 0.1)
        await world.say("no", seconds=0.5)
        await asyncio.sleep(2)
        role, heard = world.conversation()[1]
        assert role == "assistant"
        assert heard
        assert SENTENCE.startswith(heard)
        assert heard != SENTENCE
        statuses = [status for _, status, _ in told(world)[:2]]
        assert statuses[0] == "new", "a client hears of a sentence before it hears how far it came"


async def test_numbers_are_said_in_words_all_the_same():
    text = "We have had a table for you at 7 since Monday."
    async with call(text) as world:
        await world.say("a table?")
        await asyncio.sleep(15)
        assert isinstance(world.voice, Narrator)
        assert "".join(world.voice.written[0]) == "We have had a table for you at seven since Monday."
        assert world.conversation()[-1] == ("assistant", text)


async def test_a_model_that_stops_in_the_sentence_is_heard_as_far_as_it_came():
    async with call("I am sure that we have a") as world:
        world.mind.script = lambda _: [*written_slowly("I am sure that we have a"), 5.0, TextDelta("table for you.")]
        await world.say("a table?")
        await asyncio.sleep(20)
        assert isinstance(world.voice, Narrator)
        assert "".join(world.voice.written[0]) == "I am sure that we have a"
        assert world.voice.spoken == ["table for you."]
        assert world.conversation()[-1] == ("assistant", "I am sure that we have a table for you.")


async def test_a_short_answer_and_one_that_is_whole_at_once_are_spoken_as_before():
    for texts, delay_s in ((("Yes.",), WORD_DELAY_S), ((SENTENCE,), 0.0)):
        async with call(*texts, delay_s=delay_s) as world:
            await world.say("a table?")
            await asyncio.sleep(15)
            assert world.conversation()[-1] == ("assistant", texts[0])


async def test_a_voice_that_fails_in_the_sentence_apologises():
    class Failing(Narrator):
        async def synthesize_stream(
            self, parts: AsyncIterator[str], *, voice: str | None = None, language: str | None = None
        ) -> AsyncGenerator[SpeechChunk, None]:
            await anext(parts)
            raise ValueError("no voice")
            yield SpeechChunk(b"")

    async with call(SENTENCE, voice=Failing()) as world:
        await world.say("a table?")
        await asyncio.sleep(15)
        assert world.voice.spoken == [APOLOGY]
        assert world.conversation()[-1] == ("assistant", APOLOGY), "what was not heard was not said"
        assert not world.is_over
