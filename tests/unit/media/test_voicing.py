"""Speech has a pitch in clean and in telephone sound; coughs, knocks and noise have none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vox.media.voicing import is_voiced, voiced_seconds

RATES = [8000, 16_000, 24_000, 48_000]


def pcm(samples: NDArray[np.floating], peak: float = 0.4) -> bytes:
    return (samples / np.abs(samples).max() * peak * 32767).astype("<i2").tobytes()


def voice(pitch: float, rate: int, seconds: float = 0.2) -> NDArray[np.floating]:
    """The harmonics of a pitch, as a throat makes them."""
    times = np.arange(int(seconds * rate)) / rate
    return sum((np.sin(2 * np.pi * pitch * n * times) / n for n in range(1, int(3400 / pitch))), np.zeros(len(times)))


def burst(rate: int, seed: int) -> NDArray[np.floating]:
    """A cough: noise that dies away."""
    times = np.arange(int(0.2 * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(times))
    return np.convolve(noise, np.ones(rate // 4000) / (rate // 4000), "same") * np.exp(-times / 0.08)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pitch", [85.0, 120.0, 220.0, 330.0])
def test_a_voice_has_a_pitch(pitch: float, rate: int):
    assert voiced_seconds(pcm(voice(pitch, rate)), rate) >= 0.1


@pytest.mark.parametrize("pitch", [100.0, 220.0])
def test_a_voice_in_noise_of_a_third_of_its_power_still_has_one(pitch: float):
    sound = voice(pitch, 8000)
    noise = np.random.default_rng(1).normal(size=len(sound)) * np.sqrt(np.square(sound).mean() / 3)
    assert is_voiced(pcm(sound + noise), 8000)


@pytest.mark.parametrize("rate", RATES)
def test_a_cough_has_none(rate: int):
    assert [seed for seed in range(20) if is_voiced(pcm(burst(rate, seed)), rate)] == []


def test_a_knock_has_none():
    knock = np.zeros(1600)
    knock[400:420] = 1.0
    assert not is_voiced(pcm(knock), 8000)


@pytest.mark.parametrize("sound", [b"", b"\0", bytes(100), bytes(3200)])
def test_silence_and_scraps_have_none(sound: bytes):
    assert voiced_seconds(sound, 8000) == 0.0
