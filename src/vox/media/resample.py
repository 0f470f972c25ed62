"""Changes the sample rate: of live audio with 3 ms delay, of a whole clip with the best filter.

Live audio goes through a polyphase filter of our own (numpy). soxr's streams hand their output over in blocks: 20 ms frames
from 8 to 16 kHz come out up to 114 ms late, from 48 to 16 kHz up to 37 ms, at every quality with a usable filter; its
variable-rate mode needs 15 to 30 ms. A conversation cannot afford that. The filter: Kaiser-windowed sinc of 48 zero crossings,
flat to 3.4 kHz and 60 dB down at 4 kHz for a lower rate of 8 kHz, and in proportion for others. Its products are dot products,
never matrix products: those may wait for threads of BLAS, and all calls with them (up to half a second on a busy machine).
"""

from functools import lru_cache
from math import gcd
from typing import Any, cast

import numpy as np
import soxr
from numpy.typing import NDArray

from vox.errors import UsageError

ZERO_CROSSINGS = 24  # on each side; the delay is as many samples of the lower rate, 3 ms at 8 kHz
_CUTOFF = 0.925  # of the lower rate's half: 3.7 kHz of 4
_KAISER_BETA = 5.65  # 60 dB
_FEW_PHASES = 8  # up to here a product per phase is quicker than gathering a row of coefficients per output
_BLOCK = 1024  # outputs made at once: a minute in one message would need a gigabyte and cost ten times as much
_SANE_HZ = range(1000, 384_001)

Floats = NDArray[np.float32]


class Resampler:
    """Converts one live stream of s16le mono audio.

    Samples may be split into calls anywhere, also in the middle of one. Equal rates pass through untouched.

    Args:
        from_hz: rate of the input.
        to_hz: rate of the output.

    Raises:
        UsageError: `invalid_sample_rate` for rates outside 1 to 384 kHz.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        _check(from_hz, to_hz)
        self._passes_through = from_hz == to_hz
        shared = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // shared, from_hz // shared
        self._filter = _polyphase(self._up, self._down)
        self._half = self._filter.shape[1] // 2
        self._odd = b""
        self._tail: Floats = np.zeros(0, np.float32)
        self._restart()

    def process(self, pcm: bytes, *, last: bool = False) -> bytes:
        """The output that the input so far allows; `last` adds what the filter's delay holds back and starts anew.

        All calls of a stream together return `ceil(samples * to_hz / from_hz)` samples.
        """
        if self._passes_through:
            return pcm
        if self._odd or len(pcm) & 1:
            pcm = self._odd + pcm
            whole = len(pcm) & ~1
            self._odd, pcm = pcm[whole:], pcm[:whole]
        new = np.frombuffer(pcm, np.int16)
        self._taken += len(new)
        if last:
            new = np.concatenate([new, np.zeros(self._half, np.int16)])
        audio = np.concatenate([self._tail, new], dtype=np.float32)
        taps, up, down = self._filter.shape[1], self._up, self._down
        room = len(audio) - taps  # the last place at which a window still fits
        count = max(((room + 1) * up - self._time + down - 1) // down, 0)
        if last:
            count = min(count, -(-self._taken * up // down) - self._given)
        self._given += count
        output = self._convolve(audio, count) if count > 0 else b""
        if last:
            self._restart()
            return output
        self._time += count * down
        consumed = min(self._time // up, len(audio))
        self._time -= consumed * up
        self._tail = audio[consumed:]
        return output

    def _convolve(self, audio: Floats, count: int) -> bytes:
        output = np.empty(count, np.float32)
        for first in range(0, count, _BLOCK):
            self._fill(output[first : first + _BLOCK], audio, self._time + first * self._down)
        np.rint(output, out=output)
        return np.clip(output, -32768, 32767).astype(np.int16).tobytes()

    def _fill(self, output: Floats, audio: Floats, begin: int) -> None:
        """Makes the outputs from the one at `begin` on (in 1/up input samples) until `output` is full."""
        taps, up, down = self._filter.shape[1], self._up, self._down
        count = len(output)
        if up > _FEW_PHASES:
            times = begin + down * np.arange(count)
            windows = _windows(audio, 0, len(audio) - taps + 1, 1, taps)[times // up]
            np.vecdot(windows, self._filter[times % up], out=output)
            return
        for first in range(min(up, count)):
            time = begin + first * down
            rows = (count - first - 1) // up + 1
            # Every `up`-th output has the same phase, and its input lies `down` samples further on.
            windows = _windows(audio, time // up, rows, down, taps)
            np.vecdot(windows, self._filter[time % up], out=output[first::up])

    def _restart(self) -> None:
        self._tail = np.zeros(self._half - 1, np.float32)
        self._odd = b""
        self._time = 0  # of the next output, in 1/up input samples from the beginning of the tail
        self._taken = 0  # input samples
        self._given = 0  # output samples


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Converts a whole clip of s16le mono audio at soxr's high quality.

    Raises:
        UsageError: `invalid_sample_rate` for rates outside 1 to 384 kHz; `odd_audio_length` for half a sample.
    """
    _check(from_hz, to_hz)
    if len(pcm) & 1:
        raise UsageError(
            f"16-bit audio of {len(pcm)} bytes ends in half a sample",
            code="odd_audio_length",
            hint="pass whole samples of two bytes",
        )
    if from_hz == to_hz or not pcm:
        return pcm
    converted = cast("Any", soxr).resample(np.frombuffer(pcm, np.int16), from_hz, to_hz, quality="HQ")
    return cast("NDArray[np.int16]", converted).tobytes()


def _windows(audio: Floats, first: int, rows: int, step: int, taps: int) -> Floats:
    """Views of `taps` samples each, `step` samples apart (what `as_strided` makes, at a tenth of its price)."""
    size = audio.itemsize
    return np.ndarray((rows, taps), np.float32, buffer=audio, offset=first * size, strides=(step * size, size))


@lru_cache(maxsize=32)
def _polyphase(up: int, down: int) -> Floats:
    """One row of coefficients for each of the `up` phases; row `p` makes the output that lies `p / up` after a sample."""
    narrow = max(up, down) / up  # of the lower rate, in input samples
    half = int(np.ceil(ZERO_CROSSINGS * narrow))
    offsets = np.arange(1 - half, half + 1) - np.arange(up)[:, None] / up  # input sample minus output time
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(1.0 - (offsets / half) ** 2, 0.0))) / np.i0(_KAISER_BETA)
    rows = np.sinc(_CUTOFF * offsets / narrow) * window
    rows /= rows.sum(axis=1, keepdims=True)  # a constant stays the same constant in every phase
    return np.ascontiguousarray(rows, np.float32)


def _check(*rates: int) -> None:
    for rate in rates:
        if rate not in _SANE_HZ:
            raise UsageError(
                f"a sample rate of {rate} Hz is not audio",
                code="invalid_sample_rate",
                hint="pass samples per second between 1000 and 384000",
            )
