"""Offline recognition with Whisper by CTranslate2 in worker processes: no key, no network once the weights are there.

What the agent expects to hear goes along as a prompt. The whole utterance is decoded when the caller falls silent, and again
twice a second while they speak, for interim texts. All decoding happens in the workers (`_whisper_worker.py`).
"""

import asyncio
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.stt._capacity import Cost
from vox.providers.stt._workers import SAMPLE_RATE, Engine, Stream, WorkerOptions, WorkerPool
from vox.providers.stt.contract import Transcript

LIBRARY = "ctranslate2"


class Config(WorkerOptions):
    """Options of Whisper."""

    model: str = Field(
        default="whisper-tiny.en",
        description="A model of `vox models list`, or the folder of one converted for CTranslate2",
    )
    second_model: str = Field(
        default="",
        description="A larger model of `vox models list` that hears doubtful speech again, once it is installed",
    )
    language: str = Field(default="", description="BCP-47; empty: the call's, else it is found out (models of many)")
    workers: int = Field(default=1, ge=1, le=64, description="Processes; each uses up to one core")
    max_utterance_s: float = Field(default=60.0, gt=0, le=120, description="Longer utterances are cut")
    max_utterances: int = Field(default=32, ge=1, le=10_000, description="At a time and worker; more are refused")
    partial_interval_s: float = Field(
        default=0.5, ge=0, le=10, description="Speech between two interim texts; 0 for none, which halves the work"
    )


class Whisper:
    """A pool of recogniser processes."""

    sample_rate = SAMPLE_RATE

    def __init__(self, config: Config, store: ModelStore, *, on_cost: Callable[[Cost], None] | None = None) -> None:
        self._config = config
        self._store = store
        self._on_cost = on_cost
        self._pool: WorkerPool | None = None

    async def __aenter__(self) -> Self:
        """Checks the weights' hashes and starts the workers.

        Raises:
            UsageError: provider_not_installed, model_not_installed.
            DependencyError: model_damaged; provider_timeout where a worker does not come up.
        """
        if why := missing(self._config, self._store):
            raise why
        damaged = await asyncio.to_thread(self._store.damaged, self._config.model)
        if damaged:
            raise DependencyError(
                f"the model {self._config.model} is damaged: {', '.join(damaged)}",
                code="model_damaged",
                hint=f"`vox models install {self._config.model}` fetches it again",
            )
        arguments = (
            str(_folder(self._config, self._store)),
            self._config.language,
            str(self._config.partial_interval_s),
            self._config.second_model,
            str(self._store.folder),
        )
        engine = Engine("whisper", "vox.providers.stt._whisper_worker", arguments)
        self._pool = WorkerPool(engine, self._config, on_cost=self._on_cost)
        await self._pool.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await self._pool.close()

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> Stream:
        """A stream for one call."""
        return self._opened.open_stream(on_partial, language=language)

    async def check(self) -> None:
        """Returns where at least one worker process runs.

        Raises:
            DependencyError: none does (recognizer_down).
        """
        await self._opened.check()

    @property
    def is_up(self) -> bool:
        """Whether a worker process runs."""
        return self._pool is not None and self._pool.choose() is not None

    @property
    def _opened(self) -> WorkerPool:
        if self._pool is None:
            raise UsageError("the recogniser is used before it is open", code="not_open")
        return self._pool


def create(config: Config, deps: Deps) -> Whisper:
    """The driver."""
    return Whisper(config, ModelStore(models_folder(deps.environment)))


def missing(config: Config, store: ModelStore) -> UsageError | None:
    """What Whisper lacks on this machine, as the error that says how to get it; None where it can run."""
    if find_spec(LIBRARY) is None:
        return UsageError(
            f"the stt provider 'whisper' needs {LIBRARY!r}, which is not installed",
            code="provider_not_installed",
            hint="run `make setup`, or `pip install '.[offline]'` in a checkout of Vox",
        )
    if _folder(config, store) is None:
        return UsageError(
            f"the model {config.model!r} is not installed",
            code="model_not_installed",
            hint=f"`vox models install {config.model}`; `vox models list` shows what there is",
        )
    return None


def _folder(config: Config, store: ModelStore) -> Path | None:
    """Where the model lies: in the store, or where the configuration says."""
    files: Mapping[str, Path] | None = store.files(config.model)
    if files is not None:
        return files["model.bin"].parent
    named = Path(config.model)
    return named if named.is_absolute() and (named / "model.bin").is_file() else None
