"""Turn policies in whole calls: who may cut in, with what, at which moment, and what happens where it was nothing."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import World
from vox.protocols.agent_events import (
    ClientAudio,
    ClientDigits,
    ClientInterrupt,
    ClientSpeak,
    ClientText,
    ClientVadUpdate,
    SpeakingChanged,
    UserIdle,
    UserTranscript,
)
from vox.providers.llm.contract import TextDelta

pytestmark = pytest.mark.usefixtures("virtual_loop")
ANSWER = ("assistant", "one two three four.")


async def test_with_min_words_the_agent_talks_on_through_yes_and_stops_for_a_sentence():
    async with World(interruption_strategy="min_words", min_words=3) as world:
        await world.say("go")
        await asyncio.sleep(0.6)
        await world.say("uh yes", seconds=0.4)
        assert world.line.clears == 0
        await asyncio.sleep(3)
        assert world.sent_seconds() == pytest.approx(2.0)
        assert world.conversation() == [("user", "go"), ANSWER]
        await world.say("again")
        await asyncio.sleep(0.5 + 0.65)  # the words are known 0.9 s later: nothing is held meanwhile
        await world.say("no wait please", seconds=0.4)
        await asyncio.sleep(0.6)
        assert world.line.clears == 1
        assert world.conversation()[3:5] == [("assistant", "one two three"), ("user", "no wait please")]


async def test_with_min_words_interim_texts_stop_the_agent_before_the_caller_is_done():
    async with World(interruption_strategy="min_words", min_words=2) as world:
        await world.say("go")
        await asyncio.sleep(1.0)
        world.ear.texts.append("go back now")
        world.speech(True)
        await asyncio.sleep(0.2)
        world.partial("go")
        await asyncio.sleep(0.1)
        assert world.line.clears == 0
        world.partial("go back")
        sent = len(world.line.frames)
        await asyncio.sleep(0.5)
        assert (world.line.clears, len(world.line.frames)) == (1, sent)
        world.speech(False)
        await asyncio.sleep(4)
        assert world.conversation()[-2:] == [("user", "go back now"), ANSWER]
        assert [event.text for event in world.line.of(UserTranscript)] == ["go", "go", "go back", "go back now"]


async def test_with_keywords_only_they_stop_the_agent():
    profile: dict[str, Any] = {"interruption_strategy": "keyword", "interruption_keywords": ["hold on"]}
    async with World(**profile) as world:
        await world.say("go")
        await asyncio.sleep(0.6)
        await world.say("unrelated talk that goes on", seconds=0.3)
        await asyncio.sleep(3)
        assert world.conversation() == [("user", "go"), ANSWER]
        await world.say("again")
        await asyncio.sleep(1.3)
        await world.say("Hold on for a table", seconds=0.3)
        await asyncio.sleep(0.6)
        assert world.line.clears == 1
        assert ("user", "Hold on for a table") in world.conversation()


async def test_keyword_strategy_without_keywords_counts_words():
    async with World(interruption_strategy="keyword", min_words=2) as world:
        await world.say("go")
        await asyncio.sleep(0.6)
        await world.say("well", seconds=0.3)
        await asyncio.sleep(0.6)
        assert world.line.clears == 0
        await asyncio.sleep(3)


async def test_an_unknown_strategy_is_none_and_any_word_interrupts():
    async with World(interruption_strategy="mind_reading") as world:
        await world.say("go")
        await asyncio.sleep(1.0)
        world.speech(True)
        assert world.line.clears == 1


async def test_where_nobody_may_cut_in_speech_is_heard_from_the_agents_end_on():
    async with World(allow_interruptions=False) as world:
        await world.say("go")
        await asyncio.sleep(1.0)
        await world.say("ignored", seconds=0.5)
        world.ear.texts.clear()
        await asyncio.sleep(0.2)
        world.ear.texts.append("heard")
        world.speech(True)  # still speaking when the agent ends
        await asyncio.sleep(2)
        assert world.sent_seconds() == pytest.approx(2.0)
        world.speech(False)
        await asyncio.sleep(4)
        assert world.conversation() == [("user", "go"), ANSWER, ("user", "heard"), ANSWER]
        assert world.line.clears == 0


async def test_where_nobody_may_cut_in_typed_text_keys_and_the_client_still_may():
    for message in (ClientText("hi"), ClientDigits("1#"), ClientInterrupt()):
        async with World(allow_interruptions=False) as world:
            await world.say("go")
            await asyncio.sleep(1.2)
            world.session.receive(message)
            await asyncio.sleep(1)
            assert world.line.clears == 1
            assert world.conversation()[1] == ("assistant", "one")


@pytest.mark.parametrize("moment", [0.1, 0.52, 0.9, 1.5, 2.3, 2.49, 2.51, 2.6])
async def test_a_noise_at_any_moment_loses_nothing_of_the_answer(moment: float):
    async with World() as world:
        world.session.audio(bytes(3200))  # a sound without a pitch: a cough
        world.mind.script = lambda request: [0.3, TextDelta("one two three four.")]
        await world.say("go")
        await asyncio.sleep(0.5 + moment)
        await world.say("", seconds=0.2)
        await asyncio.sleep(6)
        assert world.sent_seconds() == pytest.approx(2.0, abs=0.05)
        assert world.conversation() == [("user", "go"), ANSWER]
        speaking = [event.is_speaking for event in world.line.of(SpeakingChanged) if event.who == "bot"]
        assert speaking == [True, False] * (len(speaking) // 2)
        await world.say("again")
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ANSWER


async def test_two_noises_in_a_row_do_not_confuse_the_resumption():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1.0)
        await world.say("", seconds=0.2)
        await asyncio.sleep(0.6)
        await world.say("", seconds=0.2)
        await asyncio.sleep(5)
        assert world.sent_seconds() == pytest.approx(2.0, abs=0.09)
        assert world.counted("vox_agent_false_interruptions_total") == 2
        assert world.conversation()[-1] == ANSWER


async def test_a_noise_that_a_word_follows_in_the_same_breath_is_an_interruption():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1.7)
        world.ear.texts.append("well no")
        world.speech(True)
        await asyncio.sleep(0.2)
        world.speech(False)
        await asyncio.sleep(0.3)  # less than the pause that ends a turn
        world.speech(True)
        await asyncio.sleep(0.5)
        world.speech(False)
        await asyncio.sleep(0.6)
        assert world.line.clears == 2  # it had gone on between the two
        assert world.conversation()[1:3] == [("assistant", "one two"), ("user", "well no")]


async def test_words_after_the_last_frame_while_its_mark_is_awaited_find_everything_heard():
    async with World() as world:
        world.line.echoes_marks = False
        await world.say("go")
        await asyncio.sleep(0.5 + 2.1)
        await world.say("thanks", seconds=0.3)
        await asyncio.sleep(1)
        assert world.conversation()[:3] == [("user", "go"), ANSWER, ("user", "thanks")]


async def test_without_turn_detection_the_detectors_stop_ends_the_turn():
    async with World(turn_detection="none") as world:
        began = asyncio.get_running_loop().time()
        await world.say("go", seconds=0.5)
        await asyncio.sleep(0.1)
        assert world.line.frames[0][0] == pytest.approx(began + 0.5, abs=0.02)


async def test_speech_that_goes_on_while_the_transcript_is_made_is_one_turn():
    async with World() as world:
        world.ear.delay_s = 1.0
        await world.say("a table")
        await asyncio.sleep(0.7)
        await world.say("for four", seconds=0.8)
        await asyncio.sleep(6)
        assert world.conversation() == [("user", "a table for four"), ANSWER]
        assert len(world.mind.requests) == 1


async def test_a_transcript_later_than_its_deadline_is_not_answered_twice():
    async with World(user_turn_stop_timeout_secs=1) as world:
        world.ear.delay_s = 1.5
        await world.say("late", seconds=0.4)
        await asyncio.sleep(6)
        assert world.conversation() == [("user", "(inaudible)"), ("assistant", "Sorry, I did not catch that.")]
        world.ear.delay_s = 0.0
        await world.say("now")
        await asyncio.sleep(4)
        assert world.conversation()[2:] == [("user", "now"), ANSWER]


async def test_an_application_may_have_a_text_said_at_any_moment():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1.2)
        world.session.receive(ClientSpeak("news for you."))
        await asyncio.sleep(3)
        assert world.conversation() == [("user", "go"), ("assistant", "one"), ("assistant", "news for you.")]
        await world.say("thanks")
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ANSWER


async def test_an_idle_caller_without_a_prompt_is_told_to_the_client_and_given_up():
    async with World(greeting="hi.", user_idle_timeout_secs=5, user_idle_max=2) as world:
        await asyncio.sleep(20)
        assert len(world.line.of(UserIdle)) == 2
        assert world.line.closed == (1000, "idle")


async def test_the_client_may_change_the_detectors_times():
    async with World() as world:
        world.session.receive(ClientVadUpdate(stop_s=1.0))
        assert world.detector.params is not None
        assert (world.detector.params.start_s, world.detector.params.stop_s) == (0.2, 1.0)
        world.session.receive(ClientVadUpdate(start_s=0.5))
        assert (world.detector.params.start_s, world.detector.params.stop_s) == (0.5, 1.0)


async def test_a_client_that_changes_its_rate_in_the_middle_of_speech_is_heard_on():
    async with World(input_rate=0) as world:
        world.session.receive(ClientAudio(b"\1\0" * 80, 8000))
        world.ear.texts.append("hello")
        world.speech(True)
        world.session.receive(ClientAudio(b"\2\0" * 480, 48_000))
        world.session.receive(ClientAudio(b"\3\0" * 80, 8000))
        world.speech(False)
        await asyncio.sleep(4)
        assert world.detector.opened == [8000]
        assert world.conversation() == [("user", "hello"), ANSWER]
        assert 2 * 160 <= len(world.ear.heard) <= 2 * 240


@pytest.mark.parametrize("rate", [4000, 8001, 48_001, 191_999])
async def test_a_rate_that_no_microphone_has_is_refused_once_and_costs_no_filter(rate: int):
    async with World(input_rate=0) as world:
        for _ in range(50):
            world.session.receive(ClientAudio(b"\0\0", rate))
        assert world.detector.opened == []
        assert len([event for event in world.line.events if "Hz" in getattr(event, "message", "")]) == 1
        world.session.receive(ClientAudio(b"\0\0" * 160, 16_000))
        assert world.detector.opened == [16_000]


async def test_stereo_is_heard_as_the_mean_of_its_channels():
    async with World(input_rate=0) as world:
        world.session.receive(ClientAudio(b"\x10\0\x20\0" * 80, 8000, channels=2))
        assert world.detector.heard == b"\x18\0" * 80


async def test_a_question_is_answered_though_a_sound_behind_it_was_first_taken_for_words():
    async with World() as world:
        world.mind.script = lambda request: [2.0, TextDelta("one two three four.")]
        await world.say("go")
        await asyncio.sleep(1.0)
        world.ear.texts.append("")
        world.speech(True)
        await asyncio.sleep(0.1)
        world.partial("uh")
        world.speech(False)
        await asyncio.sleep(6)
        assert world.conversation() == [("user", "go"), ANSWER]
