"""The beep behind a voicemail greeting: steady tones are beeps, everything else on a line is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.media.beep import BeepDetector
from vox.media.dtmf import tone

RATE = 8000


def sine(
    hertz: float, seconds: float, *, rate: int = RATE, level: float = 0.3, end_hertz: float | None = None
) -> bytes:
    hz = np.linspace(hertz, hertz if end_hertz is None else end_hertz, round(rate * seconds))
    return (np.sin(2 * np.pi * np.cumsum(hz) / rate) * level * 32767).astype(np.int16).tobytes()


def noise(seconds: float, level: float = 0.05) -> bytes:
    return (
        (np.random.default_rng(1).normal(0, level, round(RATE * seconds)) * 32767)
        .clip(-32768, 32767)
        .astype(np.int16)
        .tobytes()
    )


def beeps(pcm: bytes, *, rate: int = RATE, piece: int = 320) -> int:
    detector = BeepDetector(rate)
    return sum(detector.push(pcm[start : start + piece]) for start in range(0, len(pcm), piece))


@pytest.mark.parametrize("hertz", [440, 620, 850, 1000, 1400, 2000])
@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.5])
def test_a_steady_tone_is_one_beep_that_is_told_when_it_ends(hertz: int, seconds: float):
    assert beeps(bytes(8000) + sine(hertz, seconds) + bytes(8000)) == 1
    assert beeps(bytes(8000) + sine(hertz, seconds)) == 0


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_at_every_rate(rate: int):
    assert beeps(sine(1000, 0.4, rate=rate) + bytes(rate), rate=rate) == 1


def test_a_beep_in_the_noise_of_a_line_is_heard():
    loud, hiss = (np.frombuffer(one, np.int16).astype(int) for one in (sine(1000, 0.4), noise(0.4, 0.02)))
    mixed = (loud + hiss).clip(-32768, 32767).astype(np.int16).tobytes()
    assert beeps(noise(0.5, 0.02) + mixed + noise(0.5, 0.02)) == 1


@pytest.mark.parametrize(
    "pcm",
    [
        bytes(32_000),
        noise(2),
        tone("159D", RATE, tone_s=0.3),
        sine(1000, 0.06) + bytes(8000),
        sine(1000, 0.5, level=0.002) + bytes(8000),
        sine(400, 1.0, end_hertz=1200) + bytes(8000),
        sine(150, 1.0) + bytes(8000),
    ],
    ids=["silence", "noise", "keys", "click", "faint", "glide", "hum"],
)
def test_nothing_else_is_a_beep(pcm: bytes):
    assert beeps(pcm) == 0


@given(st.integers(1, 2000))
def test_it_does_not_matter_how_the_stream_is_cut(piece: int):
    assert beeps(sine(1000, 0.3) + bytes(4000), piece=piece * 2) == 1
