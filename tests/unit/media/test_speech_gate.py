import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.media.levels import loudness_of
from vox.media.speech_gate import SpeechGate, VadParams

WINDOW_S = 0.032


def _play(gate, slot, confidences, volume=0.1):
    """The verdict after each window, as text."""
    verdicts = ""
    for confidence in confidences:
        gate.step(np.array([slot]), np.array([confidence], np.float32), np.array([volume], np.float32))
        verdicts += "S" if gate.is_speaking(slot) else "."
    return verdicts


@pytest.mark.parametrize(
    ("heard", "verdicts"),
    [
        ("yyyyyyyy", ".....SSS"),  # 0.2 s is six windows of 32 ms
        ("yyyyynyyyyyy", "...........S"),  # one quiet window starts the count again
        ("yyyyyynnnnnny", ".....SSSSSS.."),
        ("yyyyyynnnnnynnnnnn", ".....SSSSSSSSSSSS."),
        ("nnnnnnnnnnnn", "............"),
    ],
)
def test_speech_begins_and_ends_after_its_windows_in_a_row(heard, verdicts):
    gate = SpeechGate(WINDOW_S)
    gate.reset(3, VadParams(start_s=0.2, stop_s=0.2))
    assert _play(gate, 3, [0.9 if window == "y" else 0.1 for window in heard]) == verdicts


def test_times_are_rounded_to_at_least_one_window():
    gate = SpeechGate(WINDOW_S)
    gate.reset(0, VadParams(start_s=0.0, stop_s=0.05))
    assert _play(gate, 0, [0.7, 0.69, 0.69, 0.7]) == "SS.S"


def test_parameters_can_change_while_speaking():
    gate = SpeechGate(WINDOW_S)
    gate.reset(0, VadParams(start_s=0.032, stop_s=0.2))
    assert _play(gate, 0, [1, 0, 0, 0]) == "SSSS"
    gate.set_params(0, VadParams(start_s=0.032, stop_s=0.1))
    assert _play(gate, 0, [0]) == "."


def test_a_small_min_volume_is_a_linear_level_and_a_large_one_a_loudness():
    gate = SpeechGate(WINDOW_S)
    cases = [
        (0.05, 0.04, False), (0.05, 0.06, True), (0.5, 0.4, False),
        (0.6, 0.0025, False), (0.6, 0.004, True), (0.9, 0.09, False), (0.9, 0.11, True),
    ]  # fmt: skip
    for min_volume, volume, speaks in cases:
        gate.reset(0, VadParams(min_volume=min_volume, start_s=0.032, stop_s=0.032))
        assert _play(gate, 0, [1.0] * 60, volume)[-1] == ("S" if speaks else "."), (min_volume, volume)
    assert loudness_of(0.0025) < 0.6 < loudness_of(0.004)


def test_volume_is_smoothed_so_that_a_click_is_not_speech():
    gate = SpeechGate(WINDOW_S)
    gate.reset(0, VadParams(min_volume=0.3, start_s=0.032, stop_s=0.032))
    assert _play(gate, 0, [1.0], volume=0.9) == "."
    assert _play(gate, 0, [1.0, 1.0], volume=0.9) == "SS"


def test_the_energy_kind_has_full_confidence_at_its_threshold():
    gate = SpeechGate(0.01)
    gate.reset(0, VadParams(kind="energy", threshold=0.02))
    gate.reset(1, VadParams(kind="energy", threshold=0.2))
    confidence = gate.energy_confidence(np.array([0, 1]), np.array([0.05, 0.05], np.float32))
    assert confidence.tolist() == pytest.approx([1.0, 0.25])


@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5), max_size=40))
def test_streams_in_a_batch_do_not_influence_each_other(rounds):
    slots = np.array([70, 2, 9, 130, 4])  # beyond the first capacity too
    together = SpeechGate(WINDOW_S)
    alone = [SpeechGate(WINDOW_S) for _ in slots]
    for place, slot in enumerate(slots.tolist()):
        params = VadParams(confidence=0.3 + place / 10, start_s=0.032 * (place + 1), stop_s=0.064)
        together.reset(slot, params)
        alone[place].reset(0, params)
    for confidences in rounds:
        before = [together.is_speaking(slot) for slot in slots.tolist()]
        changed = together.step(slots, np.array(confidences, np.float32), np.zeros(5, np.float32))
        for place, confidence in enumerate(confidences):
            _play(alone[place], 0, [confidence])
        after = [together.is_speaking(slot) for slot in slots.tolist()]
        assert after == [gate.is_speaking(0) for gate in alone]
        assert changed.tolist() == [place for place in range(5) if before[place] != after[place]]
