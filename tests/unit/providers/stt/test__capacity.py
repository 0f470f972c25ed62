"""How many calls Whisper takes, from what its texts cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.stt._capacity import Capacity, Cost

CHEAP = Cost(audio_s=3.0, cpu_s=0.3, wait_s=0.1)
DEAR = Cost(audio_s=3.0, cpu_s=3.0, wait_s=0.3)
LATE = Cost(audio_s=3.0, cpu_s=0.3, wait_s=6.0)


def after(cores: float, cost: Cost, times: int = 50) -> Capacity:
    capacity = Capacity(cores)
    for _ in range(times):
        capacity.observe(cost)
    return capacity


def test_there_is_a_limit_before_anything_was_measured():
    assert Capacity(1).calls == 5
    assert Capacity(4).calls == 22


def test_cheap_texts_raise_the_limit_and_dear_ones_lower_it():
    assert after(1, CHEAP).calls == pytest.approx(13, abs=1)
    assert after(1, DEAR).calls == 1


def test_calls_come_in_up_to_the_limit():
    capacity = Capacity(1)
    assert capacity.admits(capacity.calls - 1)
    assert not capacity.admits(capacity.calls)


def test_late_texts_keep_further_calls_out_until_all_have_gone():
    capacity = after(1, LATE)
    assert not capacity.admits(1)
    assert capacity.admits(0), "else nothing would ever be measured again"


def test_a_short_word_does_not_count_as_a_second_of_work_for_a_tenth_of_speech():
    assert after(1, Cost(audio_s=0.2, cpu_s=0.13, wait_s=0.1)).factor == pytest.approx(0.13, abs=0.01)


@given(st.floats(0.1, 64), st.floats(0, 120), st.floats(0, 120), st.floats(0, 60))
def test_one_call_is_always_possible(cores, audio_s, cpu_s, wait_s):
    capacity = after(cores, Cost(audio_s, cpu_s, wait_s), times=3)
    assert capacity.calls >= 1
    assert capacity.admits(0)
