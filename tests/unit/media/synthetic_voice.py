"""Something like speech, made of numbers: no two stretches of it are alike."""

import numpy as np
from numpy.typing import NDArray

RATE = 8000


def voice(seconds: float, pitch_hz: float, seed: int) -> NDArray[np.float64]:
    """Something like speech: harmonics of a gliding pitch, in syllables of random weight."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    glide = np.interp(np.arange(count), np.linspace(0, count, 12), pitch_hz * rng.uniform(0.85, 1.15, 12))
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    syllables = int(seconds * 5) + 2
    wave = sum(
        np.interp(np.arange(count), np.linspace(0, count, syllables), rng.uniform(0, 1 / harmonic, syllables))
        * np.sin(harmonic * phase + rng.uniform(0, 6))
        for harmonic in range(1, 9)
    )
    return np.asarray(4000 * wave)


def pcm(samples: NDArray[np.float64]) -> bytes:
    return samples.clip(-32_768, 32_767).astype("<i2").tobytes()
