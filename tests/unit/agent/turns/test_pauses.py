"""How long a pause may be depends on what was said before it."""

import pytest

from tests.unit.agent.turn_story import Story, without_notices
from vox.agent.turns.completeness import Completeness
from vox.agent.turns.events import (
    FinishListening,
    PauseText,
    Respond,
    SpeechBegan,
    SpeechEnded,
    StartListening,
    TextArrived,
    TurnJudged,
    TurnPolicy,
    VoiceBegan,
)

BY_WORDS = TurnPolicy(turn_stop_s=0.6, follows_words=True)


@pytest.mark.parametrize(
    ("text", "silence"), [("do you have parking?", 0.25), ("a table for four", 0.6), ("I would like", 1.6), ("", 0.6)]
)
def test_the_pause_that_ends_a_turn_depends_on_what_was_said(text: str, silence: float):
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    story.at(2.1, PauseText(text))
    assert story.at(2.0 + silence - 0.01) == []
    assert story.at(2.0 + silence) == [FinishListening()]


def test_a_text_that_comes_later_than_its_pause_ends_the_turn_at_once():
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert story.at(2.4, PauseText("yes please")) == [FinishListening()]


def test_an_answer_of_the_kind_that_was_asked_for_is_taken_at_once():
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(1.5, SpeechEnded())
    story.at(1.6, PauseText("for four people", "number"))
    assert story.at(1.75) == [FinishListening()]


def test_without_words_the_pause_is_the_same_for_all():
    story = Story()
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    story.at(2.1, PauseText("I would like"))
    assert story.at(2.5) == [FinishListening()]


def test_an_unfinished_sentence_is_waited_for_where_the_recogniser_tells_only_at_the_end():
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert story.at(2.6) == [FinishListening()]
    assert story.at(2.7, TextArrived("I would like")) == []
    assert without_notices(story.at(3.4, SpeechBegan())) == [StartListening()]
    story.at(4.0, SpeechEnded())
    story.at(4.6)
    assert story.at(4.7, TextArrived("a table")) == [Respond("I would like a table")]


def test_nobody_waits_for_ever_for_the_rest_of_a_sentence():
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    story.at(2.6)
    story.at(2.7, TextArrived("I would like"))
    assert story.at(3.6) == [Respond("I would like")]


def test_a_voice_keeps_the_turn_from_ending_until_it_is_known_whether_it_is_speech():
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert story.at(2.55, VoiceBegan()) == []
    assert without_notices(story.at(2.7, SpeechBegan())) == []
    story.at(3.0, SpeechEnded())
    assert story.at(3.6) == [FinishListening()]


def test_a_voice_that_becomes_no_speech_delays_the_end_of_a_turn_only_a_little():
    story = Story(BY_WORDS)
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    story.at(2.55, VoiceBegan())
    assert story.at(2.79) == []
    assert story.at(2.8) == [FinishListening()]


@pytest.mark.parametrize(
    ("verdict", "silence"),
    [(Completeness.COMPLETE, 0.25), (Completeness.UNKNOWN, 0.6), (Completeness.UNFINISHED, 1.6), (None, 0.6)],
)
def test_a_model_that_hears_the_end_decides_and_silence_where_it_says_nothing(
    verdict: Completeness | None, silence: float
):
    story = Story(TurnPolicy(turn_stop_s=0.6))
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    if verdict is not None:
        story.at(2.1, TurnJudged(verdict))
    assert story.at(2.0 + silence - 0.01) == []
    assert story.at(2.0 + silence) == [FinishListening()]


def test_a_judgement_that_comes_late_changes_nothing():
    story = Story(TurnPolicy(turn_stop_s=0.6))
    story.at(1.0, SpeechBegan())
    story.at(2.0, SpeechEnded())
    assert story.at(2.6) == [FinishListening()]
    assert story.at(2.7, TurnJudged(Completeness.UNFINISHED)) == []
    assert without_notices(story.at(2.8, TextArrived("hello"))) == [Respond("hello")]
