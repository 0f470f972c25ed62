"""How many calls the natural voice takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts._kokoro_load import LoadMeter


def at(factor: float) -> LoadMeter:
    meter = LoadMeter()
    meter.measured(factor)
    return meter


@pytest.mark.parametrize(
    ("factor", "workers", "capacity"),
    [(0.6, 1, 3), (0.72, 1, 2), (0.72, 4, 10), (0.99, 1, 1), (1.2, 8, 0), (0.0, 1, 0)],
)
def test_a_call_takes_half_of_its_time_of_speech(factor, workers, capacity):
    assert at(factor).capacity(workers) == capacity


def test_why_a_call_does_not_fit():
    assert at(0.7).why_full(1, calls=0, running=0) is None
    assert at(0.7).why_full(1, calls=2, running=0) == "full"
    assert at(0.7).why_full(1, calls=1, running=2) == "busy"
    assert at(1.5).why_full(1, calls=0, running=0) == "slow"
    assert LoadMeter().why_full(1, calls=0, running=0) == "slow", "nothing is known yet"


def test_what_is_spoken_moves_the_measurement_as_fast_as_seconds_pass():
    meter = at(0.5)
    meter.spoken(elapsed_s=4.0, audio_s=2.0)
    assert 0.5 < meter.real_time_factor < 2.0
    for _ in range(30):
        meter.spoken(4.0, 2.0)
    assert meter.real_time_factor == pytest.approx(2.0, rel=0.05)
    meter.measured(0.5)
    assert meter.real_time_factor == 0.5


def test_a_piece_without_speech_says_nothing():
    meter = at(0.5)
    meter.spoken(3.0, 0.0)
    assert meter.real_time_factor == 0.5


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=20))
def test_the_factor_stays_among_what_was_measured(pieces):
    meter = at(1.0)
    factors = [1.0]
    for elapsed_s, audio_s in pieces:
        meter.spoken(elapsed_s, audio_s)
        factors += [elapsed_s / audio_s] if audio_s > 0 else []
    assert min(factors) * 0.999 <= meter.real_time_factor <= max(factors) * 1.001
