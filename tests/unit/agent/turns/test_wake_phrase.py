import pytest

from vox.agent.turns.wake_phrase import MAX_KEPT, WakePhrase


def ear(*phrases: str) -> WakePhrase:
    return WakePhrase(phrases or ("hey vox",), keepalive_s=3.0)


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("hey vox what time is it", "what time is it"),
        ("Hey, Vox! What time is it?", "What time is it?"),
        ("so I said HEY VOX open the door", "open the door"),
        ("hey vox", ""),
        ("hey voxel what time is it", ""),
        ("they vox populi", ""),
        ("what time is it", ""),
    ],
)
def test_only_what_follows_the_phrase_passes(text: str, passed: str):
    assert ear().passed(text, 0.0) == passed


def test_the_ear_stays_open_until_nothing_came_for_a_while():
    one = ear()
    assert one.passed("hey vox hello", 0.0) == "hello"
    assert one.is_awake(2.9)
    assert one.passed("how are you", 2.9) == "how are you"
    assert one.passed("and now", 5.8) == "and now"
    assert not one.is_awake(8.9)
    assert one.passed("are you there", 8.9) == ""


def test_the_phrase_alone_opens_the_ear_for_the_next_text():
    one = ear()
    assert one.passed("Hey Vox.", 0.0) == ""
    assert one.passed("what time is it", 1.0) == "what time is it"


def test_a_phrase_may_be_spread_over_two_texts():
    one = ear()
    assert one.passed("well hey", 0.0) == ""
    assert one.passed("vox stop", 60.0) == "stop"


def test_any_of_several_phrases_opens_the_ear():
    assert ear("computer", "c-3 p.o.").passed("C3 no. C 3 P O come here", 0.0) == "come here"


def test_talk_without_the_phrase_is_not_kept_for_ever():
    one = ear()
    assert one.passed("hey", 0.0) == ""
    one.passed("x" * MAX_KEPT, 1.0)
    assert one.passed("vox stop", 2.0) == ""
