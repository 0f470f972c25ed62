"""Whether what is heard is what was sent: the agent's own voice, back from the far end of a line.

An echo that a telephone line makes is the sent audio itself, quieter and later. Its correlation with a stretch of what was sent is
close to one; that of another voice seldom exceeds 0.6, even where both hold a vowel at the same pitch.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 8000
"""Both sides are compared at this rate, in Hz."""
WINDOW_S: Final = 0.3
"""So much of what was heard last is compared, or what there is of it."""
MIN_LIKENESS: Final = 0.75
_MIN_WINDOW_S: Final = 0.06
_BLOCK: Final = 80
_ONSET: Final = 0.01
"""Of the loudest block's energy: quieter ones before a sound do not belong to it, and what was silent in them is not known."""
_QUIET: Final = 1e-4
"""Root mean square, of full scale: what is quieter is no echo that matters."""

Samples = NDArray[np.float32]


def is_echo(heard: bytes, heard_rate: int, sent: bytes, sent_rate: int) -> bool:
    """Whether the end of `heard` is a copy of some stretch of `sent`; both are s16le mono."""
    return likeness(heard, heard_rate, sent, sent_rate) >= MIN_LIKENESS


def likeness(heard: bytes, heard_rate: int, sent: bytes, sent_rate: int) -> float:
    """The highest correlation of the end of `heard` with any stretch of `sent`, in 0..1; 0 at rates that are no multiple of 8000."""
    if heard_rate % RATE or sent_rate % RATE:
        return 0.0
    sought = _from_onset(_samples(heard, heard_rate)[-round(WINDOW_S * RATE) :])
    size = len(sought)
    if size < _MIN_WINDOW_S * RATE or not sent:
        return 0.0
    silence = np.zeros(size, np.float32)
    among = np.concatenate([silence, _samples(sent, sent_rate), silence])
    energy = float(np.dot(sought, sought))
    if energy < _QUIET**2 * size:
        return 0.0
    length = 1 << (len(among) + size - 1).bit_length()
    product = np.fft.rfft(among, length) * np.conj(np.fft.rfft(sought, length))
    correlation = np.fft.irfft(product, length)[: len(among) - size + 1]
    sums = np.concatenate([[0.0], np.cumsum(np.square(among, dtype=np.float64))])
    energies = np.maximum(sums[size:] - sums[:-size], _QUIET**2 * size)
    return float(np.abs(correlation / np.sqrt(energies * energy)).max())


def _from_onset(samples: Samples) -> Samples:
    """The sound without the silence before it."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if not len(blocks):
        return samples
    energies = np.square(blocks).sum(axis=1)
    return samples[int(np.argmax(energies >= _ONSET * energies.max())) * _BLOCK :]


def _samples(pcm: bytes, rate: int) -> Samples:
    samples: Samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32) / np.float32(32_768)
    factor = rate // RATE
    if factor > 1:
        samples = samples[: len(samples) // factor * factor].reshape(-1, factor).mean(axis=1)
    return (samples - samples.mean()).astype(np.float32) if len(samples) else samples
