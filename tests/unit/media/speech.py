"""Recorded speech for the tests, and everything that is not speech.

`tests/fakes/speech.ulaw` is 8 kHz µ-law: 1.0 s of faint noise, flite's "Do you have a table for two people on Friday
evening" (SPEECH_FROM_S to SPEECH_UNTIL_S, no pause longer than 0.07 s), and 1.2 s of faint noise.
"""

from pathlib import Path

import numpy as np

from vox.media.g711 import mulaw_decode
from vox.media.resample import resample

SPEECH_FROM_S = 1.0
SPEECH_UNTIL_S = 3.66
_PATH = Path(__file__).parents[2] / "fakes" / "speech.ulaw"


def recording(sample_rate):
    return resample(mulaw_decode(_PATH.read_bytes()), 8000, sample_rate)


def silence(sample_rate, seconds):
    return bytes(2 * round(sample_rate * seconds))


def noise(sample_rate, seconds, *, amplitude=1000, seed=1):
    samples = np.random.default_rng(seed).normal(0, amplitude, round(sample_rate * seconds))
    return np.clip(samples, -32768, 32767).astype(np.int16).tobytes()


def sine(sample_rate, seconds, *, hz=440.0, amplitude=8000):
    time = np.arange(round(sample_rate * seconds)) / sample_rate
    return (np.sin(2 * np.pi * hz * time) * amplitude).astype(np.int16).tobytes()


def chunks(pcm, size):
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]
