"""Smart Turn v3 (BSD-2-Clause, 23 languages): hears on this machine whether a caller has finished, in about 80 ms of one core.

The model is installed by `vox models install smart-turn`. Without it nothing is judged, and turns end by silence; it is taken up
while the server runs.
"""

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vox.errors import UsageError
from vox.media.resample import resample
from vox.providers.contract import Deps, DriverConfig
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.stt._whisper_features import SAMPLE_RATE, spectrogram
from vox.runtime.logging import get_logger

MODEL: Final = "smart-turn"
FILE: Final = "model.onnx"
CONTEXT_S: Final = 8.0
"""What the model was made for; a shorter turn stands at the end of silence."""
WAITING_PER_WORKER: Final = 4
"""Turns that may wait for a judgement; more would get it too late."""

_VARIANCE: Final = 1e-7
_log = get_logger(__name__)


class Config(DriverConfig):
    """Options of Smart Turn."""

    file: str = Field(default="", description="The model as an ONNX file; empty: the installed model `smart-turn`")
    workers: int = Field(default=1, ge=1, le=64, description="Turns that are judged at a time, each on one core")


class SmartTurn:
    """Judges turns in threads of its own."""

    context_s = CONTEXT_S

    def __init__(self, config: Config, store: ModelStore) -> None:
        self._config = config
        self._store = store
        self._session: Any = None
        self._is_missing = False
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="smart-turn")
        self._running = 0

    async def __aenter__(self) -> Self:
        try:
            await self._load()
        except BaseException:
            self._threads.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def probability(self, pcm: bytes, sample_rate: int) -> float | None:
        """How likely the turn is over; None without the model, and where too many wait."""
        if self._running >= self._config.workers * WAITING_PER_WORKER:
            return None
        if self._session is None and not await self._load():
            return None
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._judge, pcm, sample_rate)
        finally:
            self._running -= 1

    async def _load(self) -> bool:
        path = self._path()
        if path is None:
            if not self._is_missing:
                self._is_missing = True
                _log.warning(
                    "turns end by silence, because the turn model is not installed",
                    remedy=f"vox models install {MODEL}",
                )
            return False
        self._session = await asyncio.get_running_loop().run_in_executor(self._threads, _session, path)
        _log.info("turn model loaded", file=path.name)
        return True

    def _path(self) -> Path | None:
        if self._config.file:
            return Path(self._config.file)
        files = self._store.files(MODEL)
        return files[FILE] if files is not None else None

    def _judge(self, pcm: bytes, sample_rate: int) -> float:
        output = self._session.run(None, {"input_features": features(pcm, sample_rate)[None]})[0]
        return float(output.reshape(-1)[0])


def features(pcm: bytes, sample_rate: int) -> NDArray[np.float32]:
    """What the model is given of a turn: the spectrogram of its last 8 s at the level of one, silence before a shorter one."""
    length = round(CONTEXT_S * SAMPLE_RATE)
    pcm = pcm[: len(pcm) & ~1]
    wide = pcm if sample_rate == SAMPLE_RATE else resample(pcm, sample_rate, SAMPLE_RATE)
    samples = np.frombuffer(wide, "<i2").astype(np.float32)[-length:] / 32_768
    padded = np.zeros(length, np.float32)
    padded[length - len(samples) :] = samples
    levelled = (padded - padded.mean()) / np.sqrt(padded.var() + _VARIANCE)
    return spectrogram(levelled.astype(np.float32))


def _session(path: Path) -> Any:
    try:
        runtime: Any = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own for each kind of broken file
        raise UsageError(
            f"the turn model {path} cannot be used: {error}",
            code="turn_model_unusable",
            hint=f"`vox models install {MODEL}` installs one, or set turn_detection to `words`",
        ) from error


def create(config: Config, deps: Deps) -> SmartTurn:
    """The driver."""
    return SmartTurn(config, ModelStore(models_folder(deps.environment)))
