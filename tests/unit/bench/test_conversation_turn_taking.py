import math
from array import array

import pytest
from bench.conversation.turn_taking import TurnResult, audible, is_heard_between, percentiles, stretch

RATE = 8000


def tone(seconds, level=0.3):
    return array("h", [round(32767 * level * math.sin(at / 3)) for at in range(int(seconds * RATE))]).tobytes()


def silence(seconds):
    return bytes(int(seconds * RATE) * 2)


TRACK = silence(1) + tone(0.5) + silence(0.3) + tone(0.5) + silence(1)


def test_sound_is_heard_where_it_is():
    frames = audible(TRACK, RATE)
    assert is_heard_between(frames, 0.9, 1.1)
    assert not is_heard_between(frames, 0, 1.0)
    assert not is_heard_between(frames, 2.4, 9.0)


def test_a_stretch_is_sound_and_the_silence_inside_it():
    found = stretch(audible(TRACK, RATE), 0.5, 3.0)
    assert found.sounding_s == pytest.approx(1.0, abs=0.03)
    assert found.silent_s == pytest.approx(0.3, abs=0.03)


def test_nothing_heard_is_no_stretch():
    assert stretch(audible(TRACK, RATE), 0.0, 0.9).sounding_s == 0


def test_percentiles_are_of_one_kind_and_of_cases_with_a_time():
    results = [TurnResult("whole", "", "", True, seconds) for seconds in (0.5, None, 0.7)]
    results.append(TurnResult("pause", "", "", True, 9.0))
    assert percentiles(results, "whole") == (0.5, 0.7)
    assert percentiles(results, "cough") == (None, None)
