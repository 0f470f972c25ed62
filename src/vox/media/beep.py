"""Hears the beep behind a voicemail greeting: one steady tone, unlike speech, which is many, and keys, which are two. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vox.media.levels import FULL_SCALE

BLOCK_S: Final = 0.032
LOWEST_HZ, HIGHEST_HZ = 350.0, 2500.0
LEAST_S: Final = 0.12
"""Beeps last from 0.15 s to more than a second; a sung vowel wavers sooner."""
_LEAST_RMS: Final = 0.01
_LEAST_SHARE: Final = 0.85  # of a block's energy in one place of the spectrum
_DRIFT_BINS: Final = 1

Floats = NDArray[np.float32]


class BeepDetector:
    """Hears beeps in one s16le mono stream, however it is cut into pieces.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._block = round(BLOCK_S * sample_rate)
        self._window = np.hanning(self._block).astype(np.float32)
        hertz = np.fft.rfftfreq(self._block, 1 / sample_rate)
        self._low, self._high = (int(np.searchsorted(hertz, one)) for one in (LOWEST_HZ, HIGHEST_HZ))
        self._least = max(2, round(LEAST_S / BLOCK_S))
        self._buffer = bytearray()
        self._bin, self._count = 0, 0

    def push(self, pcm: bytes) -> bool:
        """Adds audio; whether a beep has just ended in it."""
        self._buffer += pcm
        size, has_ended = self._block * 2, False
        while len(self._buffer) >= size:
            samples = np.frombuffer(bytes(self._buffer[:size]), np.int16).astype(np.float32) / np.float32(FULL_SCALE)
            del self._buffer[:size]
            has_ended |= self._hear(self._tone(samples))
        return has_ended

    def _tone(self, samples: Floats) -> int:
        """Where in the spectrum the one tone of a block is; 0 where there is none."""
        if float(np.sqrt(np.mean(samples**2))) < _LEAST_RMS:
            return 0
        power = np.abs(np.fft.rfft(samples * self._window)) ** 2
        peak = int(power.argmax())
        share = float(power[max(0, peak - 2) : peak + 3].sum() / power.sum())
        return peak if self._low <= peak <= self._high and share >= _LEAST_SHARE else 0

    def _hear(self, tone: int) -> bool:
        if tone and self._count and abs(tone - self._bin) <= _DRIFT_BINS:
            self._count += 1
            return False
        was_beep = self._count >= self._least
        self._bin, self._count = tone, 1 if tone else 0
        return was_beep
