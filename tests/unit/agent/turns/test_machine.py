"""The turn machine: each way in which a turn begins, ends, is cut off or never comes."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.turn_story import STOP_S, Story, without_notices
from vox.agent.turns.events import (
    USER_IDLE,
    USER_STARTED,
    USER_STOPPED,
    Action,
    BotAudible,
    BotFinished,
    BotState,
    BotThinking,
    CancelListening,
    DigitEntered,
    EndCall,
    Event,
    FinishListening,
    HoldBot,
    Interrupt,
    Notify,
    NotUnderstood,
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
    TypedText,
    UserState,
    VoiceBegan,
    VoiceEnded,
)
from vox.agent.turns.machine import MAX_TEXTS_DUE


def test_a_plain_turn_listens_finishes_after_the_pause_and_responds():
    story = Story()
    assert story.at(1.0, SpeechBegan()) == [StartListening(), Notify(USER_STARTED)]
    assert story.at(2.0, SpeechEnded()) == [PauseListening(), Notify(USER_STOPPED)]
    assert story.at(2.0 + STOP_S - 0.01) == []
    assert story.at(2.0 + STOP_S) == [FinishListening()]
    assert story.at(2.6, TextArrived("hello")) == [Respond("hello")]
    assert story.machine.bot is BotState.THINKING


def test_a_breath_does_not_end_the_turn():
    story = Story()
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert without_notices(story.at(2.3, SpeechBegan())) == []
    story.at(3.0, SpeechEnded())
    assert story.at(3.0 + STOP_S) == [FinishListening()]


def test_no_pause_means_the_detectors_stop_ends_the_turn():
    story = Story(TurnPolicy(turn_stop_s=0))
    story.at(1.0, SpeechBegan())
    assert FinishListening() in story.at(2.0, SpeechEnded())


def test_speech_while_the_transcript_is_awaited_joins_the_same_turn():
    story = Story()
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert story.at(2.5) == [FinishListening()]
    assert without_notices(story.at(2.6, SpeechBegan())) == [StartListening()]
    assert story.at(2.7, TextArrived("a table")) == []
    story.at(3.0, SpeechEnded())
    assert story.at(3.5) == [FinishListening()]
    assert story.at(3.6, TextArrived("for four")) == [Respond("a table for four")]


def test_two_transcripts_due_at_once_are_joined_in_order():
    story = Story(TurnPolicy(turn_stop_s=0))
    for start in (1.0, 2.0):
        story.at(start, SpeechBegan())
        story.at(start + 0.5, SpeechEnded())
    assert story.at(2.6, TextArrived("one")) == []
    assert story.at(2.7, TextArrived("two")) == [Respond("one two")]


def test_an_stt_that_never_answers_ends_the_turn_and_its_late_text_is_ignored():
    story = Story(TurnPolicy(turn_stop_s=STOP_S, stt_timeout_s=5))
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert story.at(7.5) == [FinishListening(), CancelListening(), NotUnderstood()]
    assert story.at(8.0, TextArrived("too late")) == []
    assert story.machine.user is UserState.IDLE


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, [NotUnderstood()]), (0.25, [NotUnderstood()]), (0.1, [])])
def test_lost_speech_is_not_understood_but_a_short_noise_is_nothing(seconds: float, expected: list[Action]):
    story = Story()
    story.at(1.0, SpeechBegan())
    story.at(1.0 + seconds, SpeechEnded())
    story.at(1.0 + seconds + STOP_S)
    assert story.at(4.0, TextArrived("  ")) == expected


def test_a_barge_in_holds_at_once_and_interrupts_with_the_first_words():
    story = Story()
    story.bot_speaks(0.0)
    assert without_notices(story.at(1.0, SpeechBegan())) == [StartListening(), HoldBot()]
    story.at(2.0, SpeechEnded())
    story.at(2.5)
    assert story.at(2.6, TextArrived("not that")) == [Interrupt(was_heard=True), Respond("not that")]


def test_partial_words_interrupt_before_the_final_text():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    assert story.at(1.3, PartialText("not")) == [Interrupt(was_heard=True)]
    story.at(2.0, SpeechEnded())
    story.at(2.5)
    assert story.at(2.6, TextArrived("not that one")) == [Respond("not that one")]


def test_a_cough_lets_the_agent_go_on():
    story = Story()
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.2, SpeechEnded())
    assert story.at(1.3) == [ReleaseBot()]
    assert story.at(1.7) == [FinishListening()]
    assert story.at(1.8, TextArrived("")) == []
    assert story.machine.bot is BotState.SPEAKING
    assert not story.machine.is_held


def test_speech_before_the_answer_was_audible_continues_the_same_turn():
    story = Story()
    story.at(0.0, BotThinking())
    assert HoldBot() in story.at(0.1, SpeechBegan())
    story.at(0.5, SpeechEnded())
    story.at(1.0)
    expected = [Interrupt(was_heard=False), Respond("for four", continues=True)]
    assert story.at(1.1, TextArrived("for four")) == expected


def test_without_interruptions_nobody_listens_until_the_agent_is_done():
    story = Story(TurnPolicy(turn_stop_s=STOP_S, allow_interruptions=False))
    story.bot_speaks(0.0)
    assert story.at(1.0, SpeechBegan()) == []
    assert StartListening() in story.at(2.0, BotFinished())
    story.at(3.0, SpeechEnded())
    story.at(3.5)
    assert story.at(3.6, TextArrived("now me")) == [Respond("now me")]


def test_min_words_interrupts_only_with_enough_of_them_and_never_holds():
    story = Story(TurnPolicy(turn_stop_s=STOP_S, min_words=3))
    story.bot_speaks(0.0)
    assert without_notices(story.at(1.0, SpeechBegan())) == [StartListening()]
    assert story.at(1.2, PartialText("yes sure")) == []
    story.at(1.5, SpeechEnded())
    story.at(2.0)
    assert story.at(2.1, TextArrived("yes sure")) == []
    story.at(3.0, SpeechBegan())
    assert story.at(3.5, PartialText("no not that")) == [Interrupt(was_heard=True)]


def test_too_few_words_count_once_the_agent_has_finished_by_itself():
    story = Story(TurnPolicy(turn_stop_s=STOP_S, min_words=3))
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    story.at(1.5, SpeechEnded())
    story.at(1.6, BotFinished())
    story.at(2.0)
    assert story.at(2.1, TextArrived("yes")) == [Respond("yes")]


@pytest.mark.parametrize(("said", "interrupts"), [("please STOP, now", True), ("unstoppable", False), ("go on", False)])
def test_keywords_interrupt_as_whole_words(said: str, interrupts: bool):
    story = Story(TurnPolicy(turn_stop_s=STOP_S, keywords=("stop", "hold on")))
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    assert (story.at(1.2, PartialText(said)) == [Interrupt(was_heard=True)]) is interrupts


@pytest.mark.parametrize(
    ("policy", "said", "interrupts"),
    [
        (
            TurnPolicy(min_words=2),
            "\u7b49\u4e00\u4e0b\uff0c\u6211\u4e0d\u60f3\u8981\u8fd9\u4e2a",
            True,
        ),  # a sentence of Chinese
        (TurnPolicy(min_words=2), "\u55ef", False),  # its "uh"
        (TurnPolicy(min_words=2), "... !", False),
        (TurnPolicy(keywords=("stop",)), "\u201cStop\u201d", True),
        (TurnPolicy(keywords=("wait",)), "wait\u2014no", True),
        (TurnPolicy(keywords=("don't",)), "I don\u2019t want that", True),
        (TurnPolicy(keywords=("\u505c",)), "\u8bf7\u505c\u4e0b\u3002", True),
    ],
)
def test_words_are_those_of_any_script(policy: TurnPolicy, said: str, interrupts: bool):
    story = Story(policy)
    story.bot_speaks(0.0)
    story.at(1.0, SpeechBegan())
    assert (story.at(1.2, PartialText(said)) == [Interrupt(was_heard=True)]) is interrupts


@pytest.mark.parametrize("policy", [TurnPolicy(min_words=3), TurnPolicy(keywords=("stop",))])
def test_words_before_the_answer_was_audible_join_the_turn_under_every_strategy(policy: TurnPolicy):
    story = Story(replace(policy, turn_stop_s=STOP_S))
    story.at(0.0, SpeechBegan())
    story.at(1.0, SpeechEnded())
    assert Respond("a table") in story.at(1.6, TextArrived("a table"))
    assert HoldBot() in story.at(1.7, SpeechBegan())
    story.at(2.0, SpeechEnded())
    story.at(2.5)
    expected = [Interrupt(was_heard=False), Respond("for four", continues=True)]
    assert story.at(2.6, TextArrived("for four")) == expected


@pytest.mark.parametrize("never_comes", [True, False])
def test_a_sound_taken_for_words_does_not_cost_the_caller_the_answer(never_comes: bool):
    story = Story()
    story.at(0.0, SpeechBegan())
    story.at(1.0, SpeechEnded())
    story.at(1.6, TextArrived("a table for four"))
    story.at(1.7, SpeechBegan())
    assert story.at(1.8, PartialText("uh")) == [Interrupt(was_heard=False)]
    story.at(1.9, SpeechEnded())
    actions = story.at(2.4) + (story.at(20.0) if never_comes else story.at(2.6, TextArrived("")))
    assert actions[-1] == Respond("", continues=True)


def test_an_answer_that_the_caller_cut_off_on_purpose_is_not_made_again():
    story = Story()
    story.at(0.0, TypedText("a table for four"))
    story.at(0.1, SpeechBegan())
    story.at(0.2, PartialText("uh"))
    story.at(0.3, TypedText(""))
    story.at(1.0, SpeechBegan())
    story.at(1.1, SpeechEnded())
    assert [action for action in story.at(20.0) if isinstance(action, Respond)] == []


def test_a_greeting_that_a_sound_cut_off_is_no_question_to_answer():
    story = Story()
    story.at(0.0, BotThinking())
    story.at(0.1, SpeechBegan())
    story.at(0.2, PartialText("uh"))
    story.at(0.3, SpeechEnded())
    assert [action for action in story.at(20.0) if isinstance(action, Respond)] == []


def test_typed_text_cuts_the_agent_off_even_where_voice_may_not():
    story = Story(TurnPolicy(allow_interruptions=False))
    story.bot_speaks(0.0)
    assert story.at(1.0, TypedText("hi")) == [Interrupt(was_heard=True), Respond("hi")]


def test_digits_are_collected_until_the_pause_and_given_as_one_turn():
    story = Story(TurnPolicy(digits_timeout_s=2))
    assert story.at(0.0, DigitEntered("1")) == []
    assert story.at(1.5, DigitEntered("2")) == []
    assert story.at(3.5) == [Respond("DTMF: 12", is_digits=True)]


@pytest.mark.parametrize(("policy", "keys"), [(TurnPolicy(), "42#"), (TurnPolicy(max_digits=2), "42")])
def test_the_hash_or_the_full_number_completes_digits_at_once(policy: TurnPolicy, keys: str):
    story = Story(policy)
    actions = [action for key in keys for action in story.at(0.0, DigitEntered(key))]
    assert actions == [Respond("DTMF: 42", is_digits=True)]


def test_a_digit_interrupts_the_agent_and_the_utterance():
    story = Story()
    story.bot_speaks(0.0)
    story.at(0.5, SpeechBegan())
    assert without_notices(story.at(1.0, DigitEntered("5"))) == [CancelListening(), Interrupt(was_heard=True)]


def test_an_idle_caller_is_noticed_again_and_again_until_the_call_ends():
    story = Story(TurnPolicy(idle_timeout_s=5, max_idle=2))
    story.bot_speaks(0.0)
    story.at(1.0, BotFinished())
    assert story.at(6.0) == [Notify(USER_IDLE)]
    story.bot_speaks(6.0)
    story.at(7.0, BotFinished())
    assert story.at(12.0) == [Notify(USER_IDLE), EndCall("idle")]


def test_speaking_resets_the_idle_count():
    story = Story(TurnPolicy(turn_stop_s=0, idle_timeout_s=5, max_idle=2))
    story.at(0.0, BotFinished())
    story.at(5.0)
    story.at(5.5, SpeechBegan())
    story.at(6.0, SpeechEnded())
    story.at(6.1, TextArrived("here"))
    story.at(7.0, BotFinished())
    assert story.at(12.0) == [Notify(USER_IDLE)]


def test_noise_that_never_stops_ends_the_turn_at_its_limit():
    story = Story(TurnPolicy(turn_max_s=30))
    story.at(0.0, SpeechBegan())
    assert story.at(30.0) == [FinishListening()]


def test_breaths_do_not_lengthen_a_turn_beyond_its_limit():
    story = Story(TurnPolicy(turn_stop_s=STOP_S, turn_max_s=10))
    finished: list[Action] = []
    for second in range(12):
        finished += story.at(second, SpeechBegan())
        finished += story.at(second + 0.7, SpeechEnded())
    assert finished.count(FinishListening()) == 1
    assert FinishListening() in story.at(12.5)  # the second utterance, which has a limit of its own


def test_a_pause_at_the_limit_ends_the_turn_at_the_limit():
    story = Story(TurnPolicy(turn_stop_s=3, turn_max_s=10))
    story.at(0.0, SpeechBegan())
    story.at(9.0, SpeechEnded())
    assert story.at(9.99) == []
    assert story.at(10.0) == [FinishListening()]


def test_an_idle_caller_whom_nobody_asks_is_given_up_too():
    story = Story(TurnPolicy(idle_timeout_s=5, max_idle=3))
    story.at(0.0, BotFinished())
    assert story.at(15.0) == [Notify(USER_IDLE), Notify(USER_IDLE), Notify(USER_IDLE), EndCall("idle")]


def test_a_caller_who_presses_only_the_hash_may_still_be_idle():
    story = Story(TurnPolicy(idle_timeout_s=5.0))
    story.at(0.0, BotThinking())
    story.at(1.0, BotFinished())
    story.at(2.0, DigitEntered("#"))
    assert story.at(7.0) == [Notify(USER_IDLE)]


def test_an_agent_that_was_silenced_waits_for_the_caller_like_one_that_has_finished():
    story = Story(TurnPolicy(idle_timeout_s=5))
    story.bot_speaks(0.0)
    assert story.at(1.0, TypedText("")) == [Interrupt(was_heard=True)]
    assert story.at(6.0) == [Notify(USER_IDLE)]


def test_a_key_in_the_middle_of_speech_tells_that_the_speech_is_over():
    story = Story()
    story.at(0.0, SpeechBegan())
    assert story.at(1.0, DigitEntered("5")) == [CancelListening(), Notify(USER_STOPPED)]
    assert story.at(1.5, SpeechEnded()) == []


def test_a_recogniser_that_owes_too_many_transcripts_is_given_up():
    story = Story(TurnPolicy(turn_stop_s=0))
    actions: list[Action] = []
    for number in range(MAX_TEXTS_DUE + 1):
        actions += story.at(number, SpeechBegan())
        actions += story.at(number + 0.5, SpeechEnded())
    assert without_notices(actions)[-2:] == [CancelListening(), NotUnderstood()]
    assert story.machine.user is UserState.IDLE
    assert story.at(20.0, TextArrived("too late")) == []


_EVENTS = st.one_of(
    st.sampled_from([SpeechBegan(), SpeechEnded(), BotThinking(), BotAudible(), BotFinished()]),
    st.sampled_from([VoiceBegan(), VoiceEnded(), SpeechBegan(is_voiced=False)]),
    st.sampled_from(["", "yes", "uh huh", "stop", "i would like", "a longer text here"]).flatmap(
        lambda text: st.sampled_from([PartialText(text), PauseText(text), TextArrived(text), TypedText(text)])
    ),
    st.sampled_from("0123456789*#").map(DigitEntered),
)
_POLICIES = st.builds(
    TurnPolicy,
    turn_stop_s=st.sampled_from([0.0, 0.5]),
    follows_words=st.booleans(),
    allow_interruptions=st.booleans(),
    min_words=st.integers(0, 3),
    keywords=st.sampled_from([(), ("yes",)]),
    idle_timeout_s=st.sampled_from([0.0, 3.0]),
    max_idle=st.integers(0, 2),
)


@given(policy=_POLICIES, steps=st.lists(st.tuples(st.floats(0, 4), _EVENTS), max_size=60))
def test_whatever_happens_the_machine_neither_hangs_nor_contradicts_itself(
    policy: TurnPolicy, steps: list[tuple[float, Event]]
):
    story = Story(policy)
    held, listening, due, now = False, False, 0, 0.0
    for wait, event in steps:
        now += wait
        if isinstance(event, TextArrived) and not due:
            continue  # the call sends a text only for a finish
        if isinstance(event, (BotAudible, BotFinished)) and story.machine.bot is BotState.SILENT:
            continue  # an answer that was cut tells nothing any more
        if isinstance(event, TextArrived):
            due -= 1
        for action in story.at(now, event):
            match action:
                case HoldBot():
                    assert not held
                    held = True
                case ReleaseBot():
                    assert held
                    held = False
                case Interrupt():
                    held = False
                case StartListening():
                    assert not listening
                    listening = True
                case FinishListening():
                    assert listening
                    listening, due = False, due + 1
                case CancelListening():
                    listening, due = False, 0
                case _:
                    pass
        if isinstance(event, (BotThinking, BotFinished)):
            held = False
        assert held == story.machine.is_held
    story.at(now + 1000.0)
    assert not story.machine.is_held  # and the agent goes on, whatever it was that it fell silent for
    assert story.machine.user is UserState.IDLE  # every turn ends, if only by its time-outs


def test_every_setting_of_the_policy_has_its_line_of_documentation():
    documented = TurnPolicy.__doc__ or ""
    assert [field.name for field in fields(TurnPolicy) if f"{field.name}:" not in documented] == []
