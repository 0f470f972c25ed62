"""Decides from a confidence per window whether there is speech, for many streams in one call.

Confidence and volume must both be high for `start_s` before speech begins, and either low for `stop_s` before it ends;
one window to the contrary starts the count again. That is the machine Quiet → Starting → Speaking → Stopping with its
two middle states folded into a counter (`run`): the windows in a row that contradict the present verdict.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vox.media.levels import FULL_SCALE, LOUDEST_DB, QUIETEST_DB

VOLUME_SMOOTHING = 0.2  # share of the newest window; the same in Pipecat and in the original server
LOUDNESS_ABOVE = 0.5  # a min_volume above this is meant on the loudness scale: no speech has a linear RMS of 0.5
_FIRST_CAPACITY = 64

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class VadParams:
    """When speech counts as begun and ended.

    `confidence` is 0 to 1. `start_s` and `stop_s` are rounded to whole windows (32 ms silero, 10 ms energy), at least
    one. `min_volume` up to 0.5 is a smoothed linear RMS; above 0.5 it is a loudness (-110…-10 dBFS as 0…1). `threshold` is
    the RMS (0 to 1) at which the energy kind has full confidence.
    """

    confidence: float = 0.7
    start_s: float = 0.2
    stop_s: float = 0.2
    min_volume: float = 0.0
    kind: Literal["silero", "energy"] = "silero"
    threshold: float = 0.02


class SpeechGate:
    """The verdicts of many streams, one slot each, as arrays.

    Args:
        window_s: seconds of audio that one confidence stands for.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._speaking = np.zeros(_FIRST_CAPACITY, np.bool_)
        self._run = np.zeros(_FIRST_CAPACITY, np.int32)
        self._start = np.ones(_FIRST_CAPACITY, np.int32)
        self._stop = np.ones(_FIRST_CAPACITY, np.int32)
        self._confidence = np.zeros(_FIRST_CAPACITY, np.float32)
        self._min_volume = np.zeros(_FIRST_CAPACITY, np.float32)
        self._threshold = np.ones(_FIRST_CAPACITY, np.float32)
        self._volume = np.zeros(_FIRST_CAPACITY, np.float32)

    def reset(self, slot: int, params: VadParams) -> None:
        """Starts a stream in `slot` (grown on demand): quiet, nothing counted."""
        while slot >= len(self._run):
            self._grow()
        self._speaking[slot] = False
        self._run[slot] = 0
        self._volume[slot] = 0.0
        self.set_params(slot, params)

    def set_params(self, slot: int, params: VadParams) -> None:
        """Changes a stream's parameters; verdict and count stay."""
        self._start[slot] = max(1, round(params.start_s / self._window_s))
        self._stop[slot] = max(1, round(params.stop_s / self._window_s))
        self._confidence[slot] = params.confidence
        self._min_volume[slot] = params.min_volume
        self._threshold[slot] = max(params.threshold, 1.0 / FULL_SCALE)

    def is_speaking(self, slot: int) -> bool:
        """The present verdict."""
        return bool(self._speaking[slot])

    def energy_confidence(self, slots: Slots, rms: Floats) -> Floats:
        """The confidence of the energy kind: RMS as a share of the stream's threshold, at most 1."""
        return np.minimum(rms / self._threshold[slots], np.float32(1.0))

    def step(self, slots: Slots, confidence: Floats, rms: Floats) -> Slots:
        """Takes one window for each of some streams; returns the places in `slots` whose verdict has changed.

        Args:
            slots: different slots, shape [n].
            confidence: 0 to 1 that the window is speech, shape [n].
            rms: of the window, 0 to 1, shape [n].
        """
        speech = confidence >= self._confidence[slots]
        min_volume = self._min_volume[slots]
        if min_volume.any():
            volume = self._volume[slots]
            volume += np.float32(VOLUME_SMOOTHING) * (
                np.where(min_volume > LOUDNESS_ABOVE, _loudness(rms), rms) - volume
            )
            self._volume[slots] = volume
            speech &= volume >= min_volume
        speaking = self._speaking[slots]
        contradicts = speech != speaking
        run = (self._run[slots] + 1) * contradicts
        changed = contradicts & (run >= np.where(speaking, self._stop[slots], self._start[slots]))
        places = np.flatnonzero(changed)
        if len(places):
            run[places] = 0
            self._speaking[slots[places]] ^= True
        self._run[slots] = run
        return places

    def _grow(self) -> None:
        self._speaking = _doubled(self._speaking)
        self._run = _doubled(self._run)
        self._start = _doubled(self._start)
        self._stop = _doubled(self._stop)
        self._confidence = _doubled(self._confidence)
        self._min_volume = _doubled(self._min_volume)
        self._threshold = _doubled(self._threshold)
        self._volume = _doubled(self._volume)


def _loudness(rms: Floats) -> Floats:
    decibels = 20.0 * np.log10(np.maximum(rms, np.float32(1e-6)))
    return np.clip((decibels - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB), 0.0, 1.0).astype(np.float32)


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([array, np.zeros_like(array)])
