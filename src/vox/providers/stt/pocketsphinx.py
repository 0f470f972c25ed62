"""Offline recognition with pocketsphinx in worker processes: no key, no network, English.

With a grammar (an agent driven by a flow gives one for every turn) it is quick and exact; free text is for trying things
out. All decoding happens in the workers (`_pocketsphinx_worker.py`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import UsageError
from vox.providers.contract import Deps
from vox.providers.stt._workers import SAMPLE_RATE, Engine, Stream, WorkerOptions, WorkerPool
from vox.providers.stt.contract import Transcript


class Config(WorkerOptions):
    """Options of pocketsphinx."""

    workers: int = Field(default=1, ge=1, le=64, description="Processes; one serves about 100 calls with a grammar")
    min_confidence: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="What a grammar heard with less counts as not understood; 0 takes everything",
    )


class PocketSphinx:
    """A pool of recogniser processes."""

    sample_rate = SAMPLE_RATE

    def __init__(self, config: Config) -> None:
        engine = Engine("pocketsphinx", "vox.providers.stt._pocketsphinx_worker", (str(config.min_confidence),), "en")
        self._pool = WorkerPool(engine, config)

    async def __aenter__(self) -> Self:
        if find_spec("pocketsphinx") is None:
            raise UsageError(
                "the stt provider 'pocketsphinx' needs 'pocketsphinx', which is not installed",
                code="provider_not_installed",
                hint="run `make setup`, or `pip install '.[offline]'` in a checkout of Vox",
            )
        await self._pool.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> Stream:
        """A stream for one call; with a grammar, interim transcripts come at pauses only."""
        return self._pool.open_stream(on_partial)

    async def check(self) -> None:
        """Returns where at least one worker process runs.

        Raises:
            DependencyError: none does (recognizer_down).
        """
        await self._pool.check()


def create(config: Config, deps: Deps) -> PocketSphinx:
    """The driver."""
    return PocketSphinx(config)
