"""Every turn has an outcome that callers hear and clients are told: nothing understood, nothing answered, nothing said."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import World
from vox.agent.call.conversation import INAUDIBLE
from vox.agent.turns.events import UserState
from vox.protocols.agent_events import (
    AgentError,
    ClientText,
    SentenceProgress,
    ServerMessage,
    SpeakingChanged,
    UserIdle,
    UserTranscript,
)
from vox.providers.llm.contract import LlmEvent, TextDelta, ToolCall

pytestmark = pytest.mark.usefixtures("virtual_loop")
ANSWER = ("assistant", "one two three four.")
SORRY = "Sorry, something went wrong. Could you say that again?"


def now() -> float:
    return asyncio.get_running_loop().time()


# Nothing understood


@pytest.mark.parametrize(("text", "seconds"), [("", 0.3), ("   ", 1.0)])
async def test_speech_without_words_enters_the_conversation_and_is_answered(text: str, seconds: float):
    async with World(not_understood="pardon?") as world:
        await world.say(text, seconds)
        await asyncio.sleep(2)
        assert world.conversation() == [("user", INAUDIBLE), ("assistant", "pardon?")]
        assert [event.data["type"] for event in world.line.of(ServerMessage)] == ["not-understood"]
        assert world.line.of(UserTranscript) == []


async def test_without_words_for_it_the_model_answers_that_nothing_was_understood():
    async with World(not_understood="") as world:
        await world.say("", 0.4)
        await asyncio.sleep(4)
        assert world.conversation() == [("user", INAUDIBLE), ANSWER]


async def test_a_model_that_counts_misses_gets_each_as_a_message_without_text():
    async with World(not_understood="") as world:
        world.mind.answers_inaudible = True
        world.mind.script = lambda request: [
            TextDelta(f"miss {len([message for message in request.messages if message['content'] == ''])}.")
        ]
        for _ in range(3):
            await world.say("", 0.4)
            await asyncio.sleep(3)
        assert world.voice.spoken == ["miss 1.", "miss 2.", "miss 3."]


async def test_a_cough_in_silence_is_no_turn():
    async with World() as world:
        world.session.audio(bytes(3200))
        await world.say("", 0.4)
        await asyncio.sleep(4)
        assert (world.conversation(), world.voice.spoken) == ([], [])


# Nothing answered


@pytest.mark.parametrize("text", ["👍", "…", "****", "```python\nprint(1)\n```"])
async def test_by_phone_an_answer_without_a_word_to_speak_is_asked_for_again(text: str):
    async with World() as world:
        world.line.shows_progress = False
        answers = [text, "back again."]
        world.mind.script = lambda request: [TextDelta(answers.pop(0))]
        await world.say("go")
        await asyncio.sleep(3)
        assert world.voice.spoken == ["back again."]
        assert world.line.of(AgentError) == []


@pytest.mark.parametrize("empty", [[], [TextDelta("")], [TextDelta(" \n ")]])
async def test_an_empty_answer_is_asked_for_again(empty: list[LlmEvent | float]):
    async with World() as world:
        answers: list[list[LlmEvent | float]] = [empty, [TextDelta("back again.")]]
        world.mind.script = lambda request: answers.pop(0)
        await world.say("go")
        await asyncio.sleep(3)
        assert world.conversation() == [("user", "go"), ("assistant", "back again.")]
        assert world.line.of(AgentError) == []


async def test_a_model_that_answers_nothing_twice_is_apologised_for_and_reported():
    async with World() as world:
        world.mind.script = lambda request: []
        await world.say("go")
        await asyncio.sleep(8)
        assert len(world.mind.requests) == 2
        assert world.voice.spoken == [SORRY]
        assert "empty_answer" in world.line.of(AgentError)[0].message
        world.mind.script = lambda request: [TextDelta("fine.")]
        await world.say("again")
        await asyncio.sleep(3)
        assert world.conversation()[-2:] == [("user", "again"), ("assistant", "fine.")]


async def test_a_silent_answer_that_is_empty_is_shown_as_an_apology():
    async with World() as world:
        world.mind.script = lambda request: []
        world.session.receive(ClientText("go", speak=False))
        await asyncio.sleep(1)
        assert [event.text for event in world.line.of(SentenceProgress)] == [SORRY]
        assert world.line.frames == []


async def test_nothing_after_a_tool_is_asked_for_again_too():
    async with World() as world:
        answers: list[list[LlmEvent | float]] = [
            [TextDelta("let me look. "), ToolCall("c", "unknown", "{}")],
            [],
            [TextDelta("it is four.")],
        ]
        world.mind.script = lambda request: answers.pop(0)
        await world.say("go")
        await asyncio.sleep(6)
        assert world.voice.spoken == ["let me look.", "it is four."]


# Nothing more said


async def test_words_of_a_model_that_stalls_in_a_sentence_are_spoken_as_far_as_they_go():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("one two, three four fi"), 4.0, TextDelta("ve six.")]
        began = now() + 1.5
        await world.say("go")
        await asyncio.sleep(0.5 + 0.9)
        assert world.voice.spoken == ["one two,"]
        assert world.line.frames[0][0] - began <= 1.0
        await asyncio.sleep(10)
        assert world.voice.spoken == ["one two,", "three four", "five six."]
        assert world.conversation()[-1] == ("assistant", "one two, three four five six.")


async def test_a_stall_while_there_is_enough_to_say_breaks_no_sentence():
    async with World() as world:
        long = "one two three four five six seven eight. "
        world.mind.script = lambda request: [TextDelta(long + "nine ten"), 2.0, TextDelta(" eleven.")]
        await world.say("go")
        await asyncio.sleep(12)
        assert world.voice.spoken == [long.strip(), "nine ten eleven."]


async def test_half_a_word_is_not_spoken():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("extra"), 3.0, TextDelta("ordinary.")]
        await world.say("go")
        await asyncio.sleep(6)
        assert world.voice.spoken == ["extraordinary."]


# Nothing said by the caller


async def test_an_idle_caller_hears_a_good_bye_before_the_call_ends():
    profile: dict[str, Any] = {
        "greeting": "hi.",
        "user_idle_timeout_secs": 20,
        "user_idle_prompt": "still there?",
        "user_idle_max": 2,
        "user_idle_goodbye": "good bye.",
    }
    async with World(**profile) as world:
        await asyncio.sleep(60)
        assert world.voice.spoken == ["hi.", "still there?", "good bye."]
        assert len(world.line.of(UserIdle)) == 2
        assert world.line.closed == (1000, "idle")
        assert world.sent_seconds() == pytest.approx((1 + 2 + 2) * 0.5)


async def test_a_caller_who_answers_the_good_bye_keeps_the_call():
    async with World(
        greeting="hi.", user_idle_timeout_secs=5, user_idle_max=1, user_idle_goodbye="then good bye to you."
    ) as world:
        await asyncio.sleep(0.5 + 5.5)
        await world.say("no I am here", 0.8)
        await asyncio.sleep(4)
        assert world.line.closed is None
        assert world.conversation()[-2:] == [("user", "no I am here"), ANSWER]


# Interruptions, as they are heard and told


async def test_a_false_start_is_told_as_it_happens_and_costs_no_word():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1.5)
        world.early_voice(True)
        assert world.line.of(SpeakingChanged)[-1] == SpeakingChanged("bot", is_speaking=False)
        assert world.line.clears == 1
        await asyncio.sleep(0.1)
        world.early_voice(False)
        await asyncio.sleep(0.2)
        assert world.line.of(SpeakingChanged)[-1] == SpeakingChanged("bot", is_speaking=True)
        await asyncio.sleep(4)
        assert world.conversation() == [("user", "go"), ANSWER]
        assert world.sent_seconds() == pytest.approx(2.0, abs=0.05)


async def test_an_interruption_is_told_with_the_words_at_the_pause_not_with_the_final_text():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1.5)
        world.ear.texts.append("not that")
        world.speech(True)
        await asyncio.sleep(0.3)
        world.speech(False)
        world.partial("not that", at_pause=True)
        assert world.line.of(SpeakingChanged)[-1].is_speaking is False
        assert [event.status for event in world.line.of(SentenceProgress)][-1] == "completed"
        await asyncio.sleep(4)
        assert world.conversation()[1:3] == [("assistant", "one two"), ("user", "not that")]


async def test_a_request_for_silence_leaves_the_agent_silent():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1.5)
        world.ear.texts.append("stop")
        world.speech(True)
        await asyncio.sleep(0.4)
        world.speech(False)
        world.partial("stop", at_pause=True)
        sent = len(world.line.frames)
        await asyncio.sleep(5)
        assert len(world.line.frames) == sent
        assert len(world.mind.requests) == 1
        assert world.session._turns.user is UserState.IDLE


async def test_by_words_an_unfinished_sentence_gets_the_time_it_needs():
    async with World(turn_detection="words", turn_stop_secs=0.6) as world:
        world.ear.texts.append("I would like a table")
        world.speech(True)
        await asyncio.sleep(1)
        world.speech(False)
        world.partial("I would like", at_pause=True)
        await asyncio.sleep(1.2)
        world.speech(True)
        await asyncio.sleep(0.5)
        world.speech(False)
        await asyncio.sleep(4)
        assert world.conversation() == [("user", "I would like a table"), ANSWER]


async def test_by_words_a_whole_question_is_answered_after_a_quarter_of_a_second():
    async with World(turn_detection="words", turn_stop_secs=0.6) as world:
        world.ear.texts.append("do you have parking")
        world.speech(True)
        await asyncio.sleep(1)
        world.speech(False)
        ended = now()
        world.partial("do you have parking", at_pause=True)
        await asyncio.sleep(1)
        assert world.line.frames[0][0] - ended == pytest.approx(0.25, abs=0.03)


async def test_an_interim_text_is_told_once():
    async with World() as world:
        world.ear.texts.append("go")
        world.speech(True)
        world.partial("go")
        world.speech(False)
        world.partial("go", at_pause=True)
        world.partial("", at_pause=True)
        await asyncio.sleep(3)
        assert [(event.text, event.is_final) for event in world.line.of(UserTranscript)] == [
            ("go", False),
            ("go", True),
        ]
