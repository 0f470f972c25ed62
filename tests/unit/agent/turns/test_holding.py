"""A voice holds the agent; what it turns out to be ends the answer, or lets the agent go on."""

from dataclasses import replace

import pytest

from tests.unit.agent.turn_story import STOP_S, Story, without_notices
from vox.agent.turns.events import (
    USER_IDLE,
    BotFinished,
    BotState,
    FinishListening,
    HoldBot,
    Interrupt,
    Notify,
    PartialText,
    PauseListening,
    PauseText,
    ReleaseBot,
    Respond,
    SpeechBegan,
    SpeechEnded,
    StartListening,
    TextArrived,
    TurnPolicy,
    VoiceBegan,
    VoiceEnded,
)


def test_a_first_sign_of_voice_holds_the_agent_before_it_is_speech():
    story = Story()
    story.bot_speaks(0.0)
    assert story.at(1.0, VoiceBegan()) == [HoldBot()]
    assert without_notices(story.at(1.1, SpeechBegan())) == [StartListening()]


def test_a_sign_that_becomes_no_speech_lets_the_agent_go_on():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, VoiceBegan())
    assert story.at(1.1, VoiceEnded()) == []
    assert story.at(1.15, VoiceBegan()) == []  # a voice that flickers does not make the agent flicker
    story.at(1.2, VoiceEnded())
    assert story.at(1.25) == [ReleaseBot()]


def test_a_voice_whose_end_is_never_told_holds_the_agent_no_longer_than_a_short_one():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, VoiceBegan())
    assert story.at(1.25) == [ReleaseBot()]


def test_a_sound_without_a_pitch_does_not_hold_the_agent_and_is_no_turn():
    story = Story()
    story.bot_speaks(0.0)
    assert without_notices(story.at(1.0, SpeechBegan(is_voiced=False))) == [StartListening()]
    story.at(1.4, SpeechEnded())
    story.at(1.5, BotFinished())
    assert story.at(1.9) == [FinishListening()]
    assert story.at(2.0, TextArrived("")) == []


def test_words_in_a_sound_without_a_pitch_interrupt_like_any_others():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan(is_voiced=False))
    story.at(1.8, SpeechEnded())
    story.at(2.3)
    assert story.at(2.4, TextArrived("not that")) == [Interrupt(was_heard=True), Respond("not that")]


def test_a_short_voice_without_words_holds_the_agent_for_less_than_a_third_of_a_second():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, VoiceBegan())
    story.at(1.1, SpeechBegan())
    assert story.at(1.2, VoiceEnded()) == [PauseListening()]  # what was it?
    assert story.at(1.24) == []
    assert story.at(1.25) == [ReleaseBot()]


def test_a_long_voice_holds_the_agent_until_its_words_are_known():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, VoiceBegan())
    story.at(1.1, SpeechBegan())
    assert story.at(2.0, VoiceEnded()) == []
    story.at(2.1, SpeechEnded())
    assert story.at(2.6) == [FinishListening()]
    assert story.at(2.7, TextArrived("not that")) == [Interrupt(was_heard=True), Respond("not that")]


def test_a_caller_who_goes_on_behind_a_breath_holds_the_agent_until_the_words_are_known():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.35, VoiceEnded())
    assert story.at(1.55) == [ReleaseBot()]
    assert story.at(1.6, VoiceBegan()) == [HoldBot()]
    assert story.at(1.8, VoiceEnded()) == [PauseListening()]
    assert story.at(2.0) == []
    story.at(2.1, SpeechEnded())
    assert story.at(2.6) == [FinishListening()]
    assert story.at(2.7, TextArrived("not that")) == [Interrupt(was_heard=True), Respond("not that")]


def test_a_listener_who_agrees_twice_in_a_breath_lets_the_agent_go_on_once_that_is_known():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.3, VoiceEnded())
    assert story.at(1.35) == [ReleaseBot()]
    assert story.at(1.4, VoiceBegan()) == [HoldBot()]
    story.at(1.65, VoiceEnded())
    assert story.at(1.7, PauseText("uh huh, yeah")) == [ReleaseBot()]


def test_the_gap_between_two_syllables_is_no_breath():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.15, VoiceEnded())
    assert story.at(1.25) == [ReleaseBot()]
    assert story.at(1.3, VoiceBegan()) == [HoldBot()]
    story.at(1.45, VoiceEnded())
    assert story.at(1.55) == [ReleaseBot()]


def test_each_utterance_may_let_the_agent_go_on_once():
    story = Story()
    story.bot_speaks(0.0)
    for begins in (1.0, 5.0):
        story.at(begins, SpeechBegan())
        story.at(begins + 0.2, VoiceEnded())
        assert story.at(begins + 0.25) == [ReleaseBot()]
        story.at(begins + 0.3, SpeechEnded())
        story.at(begins + 0.8)
        story.at(begins + 0.9, TextArrived(""))


def test_the_agent_goes_on_at_once_where_a_listener_agrees():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, VoiceBegan())
    story.at(1.1, SpeechBegan())
    story.at(1.15, VoiceEnded())
    assert story.at(1.2, PauseText("uh huh")) == [ReleaseBot()]
    story.at(1.3, SpeechEnded())
    story.at(1.8)
    assert story.at(1.9, TextArrived("uh huh")) == []
    assert story.machine.bot is BotState.SPEAKING


def test_words_at_a_pause_interrupt_before_the_turn_is_over():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.2, SpeechEnded())
    assert story.at(1.24, PauseText("no")) == [Interrupt(was_heard=True)]
    story.at(1.7)
    assert story.at(1.8, TextArrived("no")) == [Respond("no")]


def test_agreement_over_the_agents_last_word_is_an_answer():
    story = Story()
    story.bot_speaks(0.0)
    story.at(3.0, SpeechBegan())
    story.at(3.3, SpeechEnded())
    story.at(3.8)
    story.at(3.9, TextArrived("yeah"))
    assert story.at(4.2, BotFinished()) == [Respond("yeah")]


def test_agreement_in_the_middle_of_a_long_answer_is_none():
    story = Story(TurnPolicy(turn_stop_s=STOP_S, idle_timeout_s=5))
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.3, SpeechEnded())
    story.at(1.9, TextArrived("yeah"))
    assert story.at(4.0, BotFinished()) == []
    assert story.at(9.0) == [Notify(USER_IDLE)]


@pytest.mark.parametrize("policy", [TurnPolicy(), TurnPolicy(min_words=3), TurnPolicy(keywords=("hello",))])
def test_a_request_for_silence_is_granted_without_an_answer(policy: TurnPolicy):
    story = Story(replace(policy, turn_stop_s=STOP_S, idle_timeout_s=5))
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.4, SpeechEnded())
    assert story.at(1.45, PauseText("stop"))[-1] == Interrupt(was_heard=True)
    story.at(1.9)
    assert story.at(2.0, TextArrived("stop")) == []
    assert story.at(7.0) == [Notify(USER_IDLE)]


def test_a_request_for_silence_that_goes_on_is_answered():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.2, PartialText("wait"))
    story.at(2.0, SpeechEnded())
    story.at(2.5)
    assert story.at(2.6, TextArrived("wait, what about Friday")) == [Respond("wait, what about Friday")]


def test_where_the_agent_is_silent_a_request_for_silence_is_a_turn_like_any_other():
    story = Story()
    story.at(1.0, SpeechBegan())
    story.at(1.4, SpeechEnded())
    story.at(1.9)
    assert story.at(2.0, TextArrived("stop")) == [Respond("stop")]
