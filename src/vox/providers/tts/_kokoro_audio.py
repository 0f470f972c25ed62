"""What is done to the audio of one run of Kokoro: silence cut off, level set, ends faded, a pause behind it. Pure.

The model puts a third of a second of silence before its speech and half a second after it. Both ends are faded to nothing, so
that a joint of two runs, or of two sentences, is never heard as a click.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAMPLE_RATE = 24_000
PEAK = 0.89
"""No sample is louder (-1 dBFS)."""

_WINDOW = SAMPLE_RATE // 100
_AUDIBLE = 0.0016  # -56 dBFS over 10 ms: the end of an f is about -50
_LEAD = int(0.015 * SAMPLE_RATE)
_TAIL = int(0.04 * SAMPLE_RATE)
_FADE_IN = int(0.005 * SAMPLE_RATE)
_FADE_OUT = int(0.02 * SAMPLE_RATE)
_PAUSES_S = {"": 0.0, ",": 0.12, ";": 0.18, ":": 0.18, ".": 0.3, "!": 0.3, "?": 0.3, "…": 0.35, "—": 0.18}


@dataclass(frozen=True, slots=True)
class Clip:
    """A finished run: samples in -1..1, and where in it the speech is, in seconds."""

    samples: Floats
    speech_begins_s: float
    speech_ends_s: float


def finish(raw: Floats, gain: float, mark: str) -> Clip:
    """The audio of a run as it is played.

    Args:
        raw: what the model gave, at `SAMPLE_RATE`.
        gain: the voice's; less where a sample would pass `PEAK`.
        mark: the punctuation that follows, which sets the pause.
    """
    first, last = _speech(raw)
    speech = raw[first:last].astype(np.float32)
    if not len(speech):
        return Clip(np.zeros(0, np.float32), 0.0, 0.0)
    loudest = float(np.abs(speech).max())
    speech *= min(gain, PEAK / loudest) if loudest else 0.0
    speech[:_FADE_IN] *= _ramp(min(_FADE_IN, len(speech)))
    speech[-_FADE_OUT:] *= _ramp(min(_FADE_OUT, len(speech)))[::-1]
    pause = np.zeros(int(_PAUSES_S.get(mark, 0.0) * SAMPLE_RATE), np.float32)
    ends = len(speech) / SAMPLE_RATE
    return Clip(np.concatenate([speech, pause]), min(_LEAD / SAMPLE_RATE, ends), ends)


def pcm(samples: Floats) -> bytes:
    """s16le."""
    return np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2").tobytes()


def active_dbfs(samples: Floats) -> float:
    """The level of the windows of 10 ms that are at most 30 dB below the loudest one: that of speech without its pauses."""
    windows = _levels(samples)
    if not len(windows) or windows.max() <= 0.0:
        return -120.0
    active = windows[windows >= windows.max() * 10 ** (-30 / 20)]
    return float(10 * np.log10(np.mean(active**2)))


def _speech(raw: Floats) -> tuple[int, int]:
    """First sample and end of what can be heard, with a little around it."""
    audible = np.flatnonzero(_levels(raw) > _AUDIBLE)
    if not len(audible):
        return 0, 0
    return (
        max(0, int(audible[0]) * _WINDOW - _LEAD),
        min(len(raw), (int(audible[-1]) + 1) * _WINDOW + _TAIL),
    )


def _levels(samples: Floats) -> Floats:
    """The root mean square of each window of 10 ms; the last may be shorter and is padded."""
    padded = np.pad(samples, (0, -len(samples) % _WINDOW)).reshape(-1, _WINDOW)
    return np.sqrt(np.mean(padded.astype(np.float64) ** 2, axis=1)).astype(np.float32)


def _ramp(length: int) -> Floats:
    """Half a cosine from 0 to 1."""
    return ((1 - np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))) / 2).astype(np.float32)
