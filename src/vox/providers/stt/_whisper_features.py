"""What Whisper sees of audio: a spectrogram in mel bands, in numpy.

The model was made for 30 s at a time, padded with silence. It takes less: with 8 s the encoder, which is most of the work, costs a
quarter. Below about 5 s it begins anew after the end of the speech.
"""

from functools import cache
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000
FULL_CONTEXT_S: Final = 30.0
FRAMES_PER_S: Final = 100

_FFT: Final = 400
_HOP: Final = SAMPLE_RATE // FRAMES_PER_S
_LINEAR_HZ: Final = 1000.0
_MEL_PER_LOG: Final = 27.0 / np.log(6.4)
_HZ_PER_MEL: Final = 200.0 / 3
_LINEAR_MEL: Final = _LINEAR_HZ / _HZ_PER_MEL
_FLOOR: Final = 1e-10
_RANGE: Final = 8.0  # in powers of ten


def log_mel(pcm: bytes, context_s: float, bands: int = 80) -> NDArray[np.float32]:
    """The spectrogram of s16le mono audio at 16 kHz, padded with silence to `context_s`: bands by frames of 10 ms."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32) / 32_768
    length = ceil(min(FULL_CONTEXT_S, context_s) * FRAMES_PER_S / 2) * 2 * _HOP  # the encoder halves the frames
    padded = np.zeros(length, np.float32)
    padded[: min(length, len(samples))] = samples[:length]
    return spectrogram(padded, bands)


def spectrogram(samples: NDArray[np.float32], bands: int = 80) -> NDArray[np.float32]:
    """The same of samples at 16 kHz as they are, -1..1."""
    edged = np.pad(samples, _FFT // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(edged, _FFT)[::_HOP][: len(samples) // _HOP]
    power = np.square(np.abs(np.fft.rfft(windows * _window(), axis=1))).astype(np.float32)
    mel = np.log10(np.maximum(_FLOOR, _filters(bands) @ power.T))
    return ((np.maximum(mel, mel.max() - _RANGE) + 4) / 4).astype(np.float32)


def level(pcm: bytes) -> float:
    """The loudest 100 ms of the audio, as root mean square in 0..1."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32) / 32_768
    piece = SAMPLE_RATE // 10
    count = len(samples) // piece
    if count == 0:
        return 0.0
    return float(np.sqrt(np.square(samples[: count * piece].reshape(count, piece)).mean(axis=1)).max())


def windows_of(pcm: bytes, longest_s: float) -> list[bytes]:
    """The audio in pieces of at most `longest_s`, cut where it is quietest in the last third of each."""
    longest = int(longest_s * SAMPLE_RATE)
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    pieces: list[bytes] = []
    step = SAMPLE_RATE // 10
    while len(samples) > longest:
        tail = samples[longest * 2 // 3 : longest].astype(np.float32)
        blocks = np.square(tail[: len(tail) // step * step].reshape(-1, step)).mean(axis=1)
        cut = longest * 2 // 3 + int(blocks.argmin()) * step + step // 2
        pieces.append(samples[:cut].tobytes())
        samples = samples[cut:]
    return [*pieces, samples.tobytes()]


@cache
def _window() -> NDArray[np.float32]:
    return np.hanning(_FFT + 1)[:-1].astype(np.float32)


@cache
def _filters(bands: int) -> NDArray[np.float32]:
    """Triangles of equal area, evenly spaced in mel (Slaney's scale: linear up to 1 kHz, logarithmic beyond)."""
    frequencies = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    edges = _hz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), bands + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - frequencies
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def _mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _LINEAR_HZ else float(_LINEAR_MEL + np.log(hz / _LINEAR_HZ) * _MEL_PER_LOG)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < _LINEAR_MEL, mel * _HZ_PER_MEL, _LINEAR_HZ * np.exp((mel - _LINEAR_MEL) / _MEL_PER_LOG))
