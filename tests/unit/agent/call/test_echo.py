"""Calls whose line sends the agent's voice back: it does not interrupt itself, and a caller still can."""

import asyncio

import numpy as np
import pytest

from tests.unit.agent.call_harness import RATE, Voice, World
from tests.unit.media.synthetic_voice import pcm, voice
from vox.protocols.agent_events import SpeakingChanged, UserTranscript
from vox.providers.llm.contract import TextDelta
from vox.providers.tts.contract import SpeechChunk

pytestmark = pytest.mark.usefixtures("virtual_loop")
ANSWER = "We are open from nine in the morning until ten at night."


def sound(seconds: float, seed: int) -> bytes:
    return pcm(voice(seconds, 110, seed))


class Speaker(Voice):
    """Half a second a word of what sounds like a voice and never repeats itself."""

    async def synthesize(self, text: str, *, voice: str | None = None, language: str | None = None):
        self.spoken.append(text)
        for number, _ in enumerate(text.split()):
            await asyncio.sleep(0)
            yield SpeechChunk(sound(0.5, number))


def quieter(audio: bytes) -> bytes:
    return (np.frombuffer(audio, "<i2") // 4).astype("<i2").tobytes()


def world(*, echo_guard: bool = True) -> World:
    one = World(voice=Speaker(), input_rate=RATE, echo_guard=echo_guard)
    one.mind.script = lambda _request: [TextDelta(ANSWER)]
    return one


async def hear(one: World, audio: bytes) -> None:
    for at in range(0, len(audio), 320):
        one.session.audio(audio[at : at + 320])
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("guard", [True, False])
async def test_an_echo_on_the_line_does_not_hold_the_agent(guard: bool):
    async with world(echo_guard=guard) as call:
        await call.say("hours")
        await asyncio.sleep(0.5 + 0.7)
        echo = quieter(sound(0.5, 0) + sound(0.5, 1))
        call.ear.texts.append("")
        await hear(call, echo[:1600])  # 0.1 s
        call.early_voice(True)
        await hear(call, echo[1600:3200])
        call.speech(True)
        await hear(call, echo[3200:8000])
        assert call.line.clears == (0 if guard else 1)
        started = [event for event in call.line.of(SpeakingChanged) if event.who == "user" and event.is_speaking]
        assert len(started) == (1 if guard else 2)
        assert call.counted("vox_agent_echoes_total") == (1 if guard else 0)


async def test_a_caller_who_speaks_over_the_echo_is_heard():
    async with world() as call:
        await call.say("hours")
        await asyncio.sleep(0.5 + 0.7)
        echo = quieter(sound(0.5, 0) + sound(0.5, 1))
        await hear(call, echo[:1600])
        call.early_voice(True)
        await hear(call, echo[1600:3200])
        call.speech(True)
        await hear(call, echo[3200:6400])
        assert call.line.clears == 0
        call.ear.texts.append("and on sundays")
        await hear(call, sound(0.6, 99))
        assert call.line.clears == 1
        call.speech(False)
        await asyncio.sleep(1)
        assert ("user", "and on sundays") in call.conversation()


async def test_an_echo_that_only_its_words_give_away_is_neither_an_answer_nor_misunderstood():
    async with world() as call:
        await call.say("hours")
        await asyncio.sleep(0.5 + 3.0)
        call.ear.texts.append("open from nine in the mourning")
        call.speech(True)
        await asyncio.sleep(0.4)
        call.partial("open from")
        await asyncio.sleep(0.3)
        call.partial("open from nine in")
        await asyncio.sleep(0.3)
        call.speech(False)
        await asyncio.sleep(8)
        assert call.conversation() == [("user", "hours"), ("assistant", ANSWER)]
        assert [event.text for event in call.line.of(UserTranscript)] == ["hours"]


async def test_the_echo_of_an_answers_end_is_no_speech_that_was_not_understood():
    async with world() as call:
        call.mind.script = lambda _request: [TextDelta("Until ten at night.")]
        await call.say("hours")
        await asyncio.sleep(0.5 + 1.5)
        call.ear.texts.append("until ten at night")
        call.speech(True)
        await asyncio.sleep(1.0)
        call.speech(False)
        await asyncio.sleep(3)
        assert call.conversation() == [("user", "hours"), ("assistant", "Until ten at night.")]


async def test_a_caller_who_repeats_what_they_were_asked_is_answered():
    async with world() as call:
        call.mind.script = lambda _request: [TextDelta("Until ten at night.")]
        await call.say("hours")
        await asyncio.sleep(0.5 + 3.0)
        call.ear.texts.append("until ten at night")
        call.speech(True)
        await asyncio.sleep(1.0)
        call.speech(False)
        await asyncio.sleep(3)
        assert ("user", "until ten at night") in call.conversation()
