import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.speech import chunks, noise, recording, silence, sine
from vox.errors import UsageError
from vox.media.dtmf import DtmfDetector, tone

ALL = "0123456789*#ABCD"


def _hear(pcm, rate, size=None):
    detector = DtmfDetector(rate)
    return "".join(detector.push(chunk) for chunk in chunks(pcm, size or rate // 50 * 2))


def _mix(*sounds):
    length = min(map(len, sounds))
    total = sum(np.frombuffer(sound[:length], np.int16).astype(int) for sound in sounds)
    return np.clip(total, -32768, 32767).astype(np.int16).tobytes()


def _pair(rate, seconds, low, high, low_amplitude=6000, high_amplitude=6000):
    return _mix(
        sine(rate, seconds, hz=low, amplitude=low_amplitude), sine(rate, seconds, hz=high, amplitude=high_amplitude)
    )


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_every_key_is_heard_once_and_in_order(rate):
    assert _hear(tone(ALL, rate), rate) == ALL


@pytest.mark.parametrize("offset", range(0, 80, 7))
def test_the_shortest_legal_tones_and_gaps(offset):
    assert _hear(bytes(2 * offset) + tone("1155#", 8000, tone_s=0.04, gap_s=0.04), 8000) == "1155#"


@given(st.text(ALL, max_size=6), st.integers(1, 999))
def test_any_keys_in_any_pieces(digits, size):
    assert _hear(tone(digits.lower(), 8000) + silence(8000, 0.1), 8000, size) == digits


def test_a_long_press_is_one_digit():
    assert _hear(tone("5", 8000, tone_s=3.0), 8000) == "5"


def test_quiet_loud_and_noisy_tones():
    for level in (0.012, 0.5):
        assert _hear(tone("159D", 8000, level=level), 8000) == "159D"
    digits = tone("1590#", 8000, level=0.25)
    assert _hear(_mix(digits, noise(8000, 2.0, amplitude=1300)), 8000) == "1590#"  # 16 dB below


@pytest.mark.parametrize("off", [0.985, 1.015])
def test_frequencies_a_little_off(off):
    assert _hear(_pair(8000, 0.1, 941 * off, 1633 * off), 8000) == "D"
    assert _hear(_pair(8000, 0.1, 697 * off, 1209 * off), 8000) == "1"


def test_unequal_levels_pass_up_to_8_decibels():
    assert _hear(_pair(8000, 0.1, 770, 1336, 9000, 4000), 8000) == "5"
    assert _hear(_pair(8000, 0.1, 770, 1336, 9000, 2000), 8000) == ""


def test_speech_noise_silence_and_single_tones_are_no_keys():
    for rate in (8000, 16000):
        for sound in (
            recording(rate),
            noise(rate, 3.0),
            silence(rate, 1.0),
            sine(rate, 1.0, hz=770),
            sine(rate, 1.0, hz=1336),
        ):
            assert _hear(sound, rate) == ""
    assert _hear(tone("1", 8000, tone_s=0.015), 8000) == ""  # too short


def test_speech_over_a_tone_does_not_hide_it():
    speech = np.frombuffer(recording(8000)[16000:], np.int16) // 8
    assert _hear(_mix(speech.tobytes(), tone("42#", 8000, level=0.4)), 8000) == "42#"


def test_what_is_no_key_is_refused():
    with pytest.raises(UsageError) as caught:
        tone("1 2", 8000)
    assert caught.value.code == "invalid_digit"
    with pytest.raises(UsageError) as caught:
        DtmfDetector(3000)
    assert caught.value.code == "invalid_sample_rate"
