"""What Whisper sees of audio."""

import numpy as np
import pytest

from vox.providers.stt._whisper_features import SAMPLE_RATE, level, log_mel, windows_of


def tone(hz: float, seconds: float, loudness: float = 0.5) -> bytes:
    at = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (np.sin(2 * np.pi * hz * at) * loudness * 32_767).astype("<i2").tobytes()


def test_the_spectrogram_is_as_long_as_the_context():
    assert log_mel(tone(440, 1), 8.0).shape == (80, 800)
    assert log_mel(tone(440, 1), 8.015).shape == (80, 802), "an even number, which the encoder halves"
    assert log_mel(tone(440, 1), 45.0, bands=128).shape == (128, 3000)
    assert log_mel(tone(440, 9), 8.0).shape == (80, 800)


def test_a_higher_tone_lies_in_a_higher_band():
    loudest = [int(log_mel(tone(hz, 2), 2.0).mean(axis=1).argmax()) for hz in (200, 400, 1000, 3000, 6000)]
    assert loudest == sorted(set(loudest))


def test_silence_is_the_darkest_there_is():
    half = log_mel(tone(440, 1), 2.0)
    assert half[:, 150:].max() == pytest.approx(half.max() - 2.0), "eight powers of ten below, in fourths"


def test_odd_bytes_and_no_bytes_are_taken():
    assert log_mel(b"", 1.0).shape == (80, 100)
    assert log_mel(b"\x00", 1.0).shape == (80, 100)


def test_the_level_is_that_of_the_loudest_moment():
    assert level(bytes(32_000)) == 0.0
    assert level(b"") == 0.0
    assert level(bytes(32_000) + tone(440, 0.2) + bytes(32_000)) == pytest.approx(0.35, abs=0.03)


def test_long_audio_is_cut_where_it_is_quiet_and_nothing_is_lost():
    pcm = tone(440, 8) + bytes(SAMPLE_RATE) + tone(440, 8)
    pieces = windows_of(pcm, 10.0)
    assert b"".join(pieces) == pcm
    assert [len(piece) / 2 / SAMPLE_RATE for piece in pieces] == [
        pytest.approx(8.25, abs=0.3),
        pytest.approx(8.25, abs=0.3),
    ]


def test_short_audio_stays_whole():
    assert windows_of(tone(440, 1), 29.0) == [tone(440, 1)]
    assert windows_of(b"", 29.0) == [b""]
