"""Sounds of the callers: level, silence, pink noise, coughs. s16le mono; the same for the same seed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vox.clients.audio_files import Recording
from vox.media import g711
from vox.protocols.media_stream import CarrierCodec

SPEECH_LEVEL = 0.08  # root mean square of full scale, -22 dBFS
NOISE_BELOW_DB = 20.0
_WINDOW_S = 0.02
_AUDIBLE = 0.02  # share of the loudest window from which speech is taken to begin
_NOISE_S = 12
_FULL_SCALE = 32767.0
_RESONANCES = ((600.0, 250.0), (1300.0, 350.0), (2600.0, 500.0))  # centre and width in Hz
Samples = Any  # numpy's array of float64


def prepared(recording: Recording) -> Recording:
    """The speech without silence around it, at SPEECH_LEVEL where it is audible."""
    samples, rate = _samples(recording.pcm), recording.sample_rate
    size = int(rate * _WINDOW_S)
    levels = _levels(samples, size)
    if not levels.size or levels.max() == 0:
        return recording
    audible = np.flatnonzero(levels > levels.max() * _AUDIBLE)
    samples = samples[audible[0] * size : (audible[-1] + 1) * size]
    loud = _levels(samples, size)
    active = float(np.sqrt(np.mean(loud[loud > loud.max() * 0.1] ** 2)))
    return Recording(_pcm(samples * (SPEECH_LEVEL / active)), rate)


def joined(first: Recording, pause_s: float, second: Recording) -> Recording:
    """Two recordings with silence between them, at the first one's rate."""
    rate = first.sample_rate
    return Recording(first.pcm + bytes(int(pause_s * rate) * 2) + second.at(rate).pcm, rate)


def cough(seconds: float, seed: int, sample_rate: int = 16_000) -> Recording:
    """A cough: a hard burst of noise with a throat's resonances, and a weaker one behind it."""
    count = int(seconds * sample_rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    at_hz = np.fft.rfftfreq(count, 1 / sample_rate)
    throat = sum(np.exp(-(((at_hz - centre) / width) ** 2)) for centre, width in _RESONANCES)
    noise = np.fft.irfft(spectrum * throat, count)
    at_s = np.arange(count) / sample_rate
    second = np.clip(at_s - 0.55 * seconds, 0, None)
    shape = np.minimum(at_s / 0.008, 1.0) * np.exp(-at_s / (seconds * 0.2))
    shape += 0.5 * np.minimum(second / 0.008, 1.0) * np.exp(-second / (seconds * 0.2))
    burst = noise * shape
    return Recording(_pcm(burst / np.abs(burst).max() * 0.7), sample_rate)


def pink_noise(sample_rate: int, seed: int) -> bytes:
    """A loop of pink noise NOISE_BELOW_DB under the speech."""
    count = _NOISE_S * sample_rate
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    spectrum[: int(60 * _NOISE_S)] = 0  # nothing under 60 Hz, which no ear and no line hears
    noise = np.fft.irfft(spectrum, count)
    return _pcm(noise / np.sqrt(np.mean(noise**2)) * SPEECH_LEVEL * 10 ** (-NOISE_BELOW_DB / 20))


def add_noise(line: CarrierCodec, noise: bytes) -> None:
    """Has all that the caller sends on this line come with noise, speech and silence alike."""
    plain: Callable[..., Any] = line.audio
    position = 0

    def noisy(payload: bytes, *, timestamp_ms: int) -> Any:
        nonlocal position
        pcm = g711.decode(payload, line.encoding)
        if position + len(pcm) > len(noise):
            position = 0
        mixed = _samples(pcm) + _samples(noise[position : position + len(pcm)])
        position += len(pcm)
        return plain(g711.encode(_pcm(mixed), line.encoding), timestamp_ms=timestamp_ms)

    line.audio = noisy


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / _FULL_SCALE


def _pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2").tobytes()


def _levels(samples: Samples, size: int) -> Samples:
    whole = samples[: samples.size // size * size].reshape(-1, size)
    return np.sqrt(np.mean(whole**2, axis=1))
