"""Whether a sound has a pitch: speech has one within any fifth of a second, a cough, a knock or a rustle has none."""

import numpy as np

FRAME_S = 0.04
HOP_S = 0.02
LOWEST_HZ, HIGHEST_HZ = 70.0, 400.0
MIN_CORRELATION = 0.45
"""Of a frame with itself, one period later; a voice in noise of half its power still has 0.6, filtered noise seldom 0.4."""
MIN_VOICED_S = 0.04
_MIN_ENERGY = 1e-6


def is_voiced(pcm: bytes, sample_rate: int) -> bool:
    """Whether at least `MIN_VOICED_S` of s16le mono audio repeat themselves with the period of a voice."""
    return voiced_seconds(pcm, sample_rate) >= MIN_VOICED_S


def voiced_seconds(pcm: bytes, sample_rate: int) -> float:
    """How much of the audio has a pitch between 70 and 400 Hz, in steps of 20 ms."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32) / 32768.0
    if sample_rate >= 16_000:  # noqa: PLR2004  the pitch is far below: half the samples do
        factor = sample_rate // 8000
        samples = samples[: len(samples) // factor * factor].reshape(-1, factor).mean(axis=1)
        rate = sample_rate / factor
    else:
        rate = float(sample_rate)
    size, hop = round(FRAME_S * rate), round(HOP_S * rate)
    if len(samples) < size:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    length = 1 << (2 * size - 1).bit_length()
    spectrum = np.fft.rfft(frames, length, axis=1)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)), length, axis=1)
    first, last = round(rate / HIGHEST_HZ), min(round(rate / LOWEST_HZ), size - hop)
    energy = np.cumsum(np.square(frames), axis=1)
    lags = np.arange(first, last + 1)
    # Each lag compares the frame without its last samples to the frame without its first ones.
    head, tail = energy[:, size - lags - 1], energy[:, -1:] - energy[:, lags - 1]
    likeness = correlation[:, first : last + 1] / np.sqrt(np.maximum(head * tail, _MIN_ENERGY**2))
    loud = energy[:, -1] > max(_MIN_ENERGY * size, 0.05 * float(energy[:, -1].max()))
    return float(np.count_nonzero((likeness.max(axis=1) >= MIN_CORRELATION) & loud)) * HOP_S
