"""Telephone key tones inside the audio: made for carriers whose stream has no message for digits, and heard again.

A key is one low and one high frequency at once (ITU-T Q.23). Heard is what Q.24 asks of a receiver: tones of 40 ms with
gaps of 40 ms, frequencies up to 1.5 % off, levels of the two tones up to 8 dB apart. Speech is no key, because both
tones together must carry most of the energy of two overlapping 20 ms blocks in a row.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vox.errors import UsageError
from vox.media.levels import FULL_SCALE

LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS = ("123A", "456B", "789C", "*0#D")  # by low, then high frequency

BLOCK_S = 0.02
_OFF = (0.99, 1.0, 1.01)  # each frequency is sought at these places, so that 1.5 % off costs little
_LEAST_SHARE = 0.85  # of a block's energy in the two tones; at 0.7 a synthetic voice pressed nine keys in seven minutes
_MOST_TWIST = 10 ** (8 / 10)  # 8 dB between the two tones, as power
_LEAST_RMS = 0.004  # -48 dBFS
_BLOCKS = 2  # in a row, to begin and to end a key
_CLOSEST_TO_NYQUIST = 2.2

Floats = NDArray[np.float32]


def tone(digits: str, sample_rate: int, *, tone_s: float = 0.1, gap_s: float = 0.1, level: float = 0.25) -> bytes:
    """The s16le audio of some keys, each followed by a gap.

    Args:
        digits: 0-9, *, #, A-D (also lower case).
        sample_rate: Hz.
        tone_s: seconds of each tone; receivers want at least 0.04.
        gap_s: seconds of silence after each tone; receivers want at least 0.04.
        level: amplitude of each of the two frequencies, 0 to 0.5 of full scale.

    Raises:
        UsageError: `invalid_digit` for anything that is no key.
    """
    time = np.arange(round(tone_s * sample_rate)) / sample_rate
    gap = bytes(2 * round(gap_s * sample_rate))
    pieces: list[bytes] = []
    for digit in digits:
        low, high = _frequencies(digit)
        wave = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
        pieces += [(wave * (level * (FULL_SCALE - 1))).astype(np.int16).tobytes(), gap]
    return b"".join(pieces)


class DtmfDetector:
    """Hears keys in one s16le mono stream, however it is cut into pieces.

    Args:
        sample_rate: Hz, at least 8000.

    Raises:
        UsageError: `invalid_sample_rate` when the rate is too low for the highest tone.
    """

    def __init__(self, sample_rate: int) -> None:
        if sample_rate < HIGH_HZ[-1] * _CLOSEST_TO_NYQUIST:
            raise UsageError(
                f"a sample rate of {sample_rate} Hz cannot carry key tones",
                code="invalid_sample_rate",
                hint="pass at least 4000 samples per second",
            )
        self._block = round(BLOCK_S * sample_rate)
        self._hop = self._block // 2
        self._waves = _waves(sample_rate, self._block)
        self._buffer = bytearray()
        self._key = ""  # being pressed
        self._candidate = ""
        self._count = 0

    def push(self, pcm: bytes) -> str:
        """Adds audio and returns the keys whose press has been recognised in it, usually none."""
        buffer = self._buffer
        buffer += pcm
        hops = (len(buffer) // 2 - self._block) // self._hop + 1
        if hops < 1:
            return ""
        size = (self._block + (hops - 1) * self._hop) * 2
        samples = np.frombuffer(bytes(buffer[:size]), np.int16) * np.float32(1 / FULL_SCALE)
        del buffer[: hops * self._hop * 2]
        blocks: Floats = np.ndarray((hops, self._block), np.float32, buffer=samples, strides=(self._hop * 4, 4))
        return "".join(self._hear(key) for key in self._keys(blocks))

    def _keys(self, blocks: Floats) -> list[str]:
        """The key in each block, or nothing."""
        energy = np.einsum("ij,ij->i", blocks, blocks)
        floor = self._block * _LEAST_RMS**2
        if energy.max() < floor:
            return [""] * len(blocks)
        parts = (blocks @ self._waves).reshape(len(blocks), 2, len(_OFF), 8)
        # As shares of the block's energy: a pure tone at one of the frequencies has 1.
        shares = (parts**2).sum(axis=1).max(axis=1) * (2 / self._block) / np.maximum(energy, floor)[:, None]
        keys: list[str] = []
        for row in shares:
            low, high = int(row[:4].argmax()), int(row[4:].argmax())
            weak, strong = sorted((float(row[low]), float(row[4 + high])))
            heard = weak + strong >= _LEAST_SHARE and strong <= weak * _MOST_TWIST
            keys.append(KEYS[low][high] if heard else "")
        return keys

    def _hear(self, key: str) -> str:
        """Takes the next block's key; returns it when it has just become a press."""
        self._count = self._count + 1 if key == self._candidate else 1
        self._candidate = key
        if self._count < _BLOCKS or key == self._key:
            return ""
        self._key = key
        return key


def _frequencies(digit: str) -> tuple[float, float]:
    for low, row in zip(LOW_HZ, KEYS, strict=True):
        place = row.find(digit.upper())
        if place >= 0:
            return low, HIGH_HZ[place]
    raise UsageError(
        f"{digit!r} is not a telephone key", code="invalid_digit", hint="use 0-9, *, # and A-D, without spaces"
    )


@lru_cache(maxsize=8)
def _waves(sample_rate: int, block: int) -> Floats:
    """Cosines, then sines: one column for each place at which each frequency is sought."""
    hertz = np.outer(_OFF, LOW_HZ + HIGH_HZ).ravel()
    angles = 2 * np.pi * np.arange(block)[:, None] * hertz / sample_rate
    return np.ascontiguousarray(np.concatenate([np.cos(angles), np.sin(angles)], axis=1), np.float32)
