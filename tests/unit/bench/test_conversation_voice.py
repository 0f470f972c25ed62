from itertools import islice

from bench.conversation.speakers import SPEAKERS
from bench.conversation.voice import conditions


def test_every_voice_is_heard_on_both_lines_and_a_third_with_noise():
    heard = list(islice(conditions(SPEAKERS, 1), 48))
    assert {(one.speaker, one.line) for one in heard} == {
        (one, line) for one in SPEAKERS for line in ("twilio", "protobuf")
    }
    assert sum(one.is_noisy for one in heard) == 16
    assert sum(one.line == "twilio" for one in heard) == 24


def test_the_order_is_that_of_the_seed():
    assert list(islice(conditions(SPEAKERS, 1), 20)) == list(islice(conditions(SPEAKERS, 1), 20))
    assert list(islice(conditions(SPEAKERS, 1), 20)) != list(islice(conditions(SPEAKERS, 2), 20))
