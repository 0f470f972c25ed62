"""Recognition without keys or network: Whisper where it can run, else pocketsphinx; each call keeps the one it began with.

Whisper needs its library, its weights and room on the machine. Weights that arrive while the server runs are taken up for new calls.
When as many calls talk as Whisper can serve, further ones are heard by pocketsphinx, which costs a tenth, or are refused.
"""

import importlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Literal, Self

from pydantic import Field

from vox.errors import VoxError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.machine import cores, free_memory
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.stt import pocketsphinx, whisper
from vox.providers.stt._capacity import Capacity, Cost
from vox.providers.stt._workers import SAMPLE_RATE
from vox.providers.stt.contract import SpeechHints, SttStream, Transcript
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Gauge
from vox.runtime.tasks import periodic

LOOK_S: Final = 2.0
RETRY_S: Final = 60.0
MIN_CORES: Final = 2
MIN_FREE_BYTES: Final = 600_000_000
"""A worker takes 212 MB with tiny; the rest is for calls."""
MAX_WORKERS: Final = 4

CALLS = Counter("vox_stt_calls_total", "Calls by the recogniser they got", ("driver",))
CALLS_LIMIT = Gauge("vox_stt_calls_limit", "Calls that Whisper can serve at a time; 0 while it is not in use")
REAL_TIME_FACTOR = Gauge("vox_stt_real_time_factor", "CPU seconds that Whisper takes for a second of speech")

_log = get_logger(__name__)


class Config(DriverConfig):
    """Options of offline recognition."""

    model: str = Field(default="whisper-tiny.en", description="Whisper's, as for `whisper`")
    second_model: str = Field(default="whisper-base", description="As for `whisper`; empty: none")
    language: str = Field(default="", description="BCP-47; empty: the call's")
    workers: int = Field(default=0, ge=0, le=64, description="Whisper's processes; 0: half of the cores, at most 4")
    partial_interval_s: float = Field(default=0.5, ge=0, le=10, description="Speech between two interim texts; 0: none")
    when_busy: Literal["light", "refuse"] = Field(
        default="light", description="What a call gets that Whisper has no room for: pocketsphinx, or a refusal"
    )
    min_confidence: float = Field(default=0.35, ge=0, le=1, description="Of pocketsphinx")


class OfflineRecognition:
    """Whisper and pocketsphinx as one recogniser.

    Args:
        config: the options.
        deps: what drivers are given.
        machine: cores and free memory, in bytes.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, config: Config, deps: Deps, machine: "Callable[[], tuple[int, int]]") -> None:
        self._config = config
        self._deps = deps
        self._machine = machine
        self._store = ModelStore(models_folder(deps.environment))
        self._stack = AsyncExitStack()
        self._light = pocketsphinx.PocketSphinx(pocketsphinx.Config(min_confidence=config.min_confidence))
        self._whisper: whisper.Whisper | None = None
        self._why_light = ""
        self._calls = 0
        self._workers = config.workers or max(1, min(MAX_WORKERS, machine()[0] // 2))
        self._capacity = Capacity(min(self._workers, machine()[0]))

    async def __aenter__(self) -> Self:
        try:
            await self._stack.enter_async_context(self._light)
            try:
                await self._look()
            except VoxError as error:
                self._note(str(error))
            await self._stack.enter_async_context(periodic(LOOK_S, self._look, "offline recognition", retry_s=RETRY_S))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def current(self) -> str:
        """The driver of a new call."""
        ready = self._whisper is not None and self._whisper.is_up and self._capacity.admits(self._calls)
        return "whisper" if ready else "pocketsphinx"

    @property
    def has_room(self) -> bool:
        """False where Whisper is full and further calls are to be refused."""
        return self._config.when_busy == "light" or self._whisper is None or self._capacity.admits(self._calls)

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> SttStream:
        """A stream for one call, of the driver that this call gets."""
        driver = self.current
        self._deps.metrics.counter(CALLS, driver).inc()
        if self._whisper is None or driver != "whisper":
            return self._light.open_stream(on_partial, language=language)
        self._calls += 1
        return _CountedStream(self._whisper.open_stream(on_partial, language=language), self._closed)

    async def check(self) -> None:
        """Returns where a new call would be heard.

        Raises:
            DependencyError: neither recogniser has a worker process that runs (recognizer_down).
        """
        try:
            await (self._whisper or self._light).check()
        except VoxError:
            await self._light.check()

    async def _look(self) -> None:
        """Takes Whisper up once everything it needs is there."""
        if self._whisper is not None:
            return
        options = {
            "model": self._config.model,
            "second_model": self._config.second_model,
            "language": self._config.language,
            "workers": self._workers,
            "partial_interval_s": self._config.partial_interval_s,
        }
        config = whisper.Config.model_validate(options)
        importlib.invalidate_caches()  # the library may have been installed since
        if why := whisper.missing(config, self._store):
            self._note(why.args[0])
            return
        available, free = self._machine()
        if available < MIN_CORES or free < MIN_FREE_BYTES:
            self._note(f"{available} core(s) and {free // 1_000_000} MB of free memory are too little for Whisper")
            return
        self._whisper = await self._stack.enter_async_context(
            whisper.Whisper(config, self._store, on_cost=self._observe)
        )
        self._tell_capacity()
        _log.info("speech recognition", driver="whisper", model=self._config.model, calls=self._capacity.calls)

    def _note(self, why: str) -> None:
        if why != self._why_light:
            self._why_light = why
            _log.info("speech recognition", driver="pocketsphinx", why=why)

    def _observe(self, cost: Cost) -> None:
        self._capacity.observe(cost)
        self._tell_capacity()

    def _tell_capacity(self) -> None:
        self._deps.metrics.gauge(CALLS_LIMIT).set(self._capacity.calls)
        self._deps.metrics.gauge(REAL_TIME_FACTOR).set(self._capacity.factor)

    def _closed(self) -> None:
        self._calls -= 1


class _CountedStream:
    """A stream that says when it ends."""

    def __init__(self, stream: SttStream, on_closed: Callable[[], None]) -> None:
        self._stream = stream
        self._on_closed: Callable[[], None] | None = on_closed

    def start(self, hints: SpeechHints | None) -> None:
        """As the stream's."""
        self._stream.start(hints)

    def push(self, pcm: bytes) -> None:
        """As the stream's."""
        self._stream.push(pcm)

    def pause(self) -> None:
        """As the stream's."""
        self._stream.pause()

    async def finish(self) -> Transcript:
        """As the stream's."""
        return await self._stream.finish()

    def cancel(self) -> None:
        """As the stream's."""
        self._stream.cancel()

    async def aclose(self) -> None:
        """As the stream's, and gives the place back."""
        if self._on_closed is not None:
            self._on_closed()
            self._on_closed = None
        await self._stream.aclose()


def create(config: Config, deps: Deps) -> OfflineRecognition:
    """The driver."""
    return OfflineRecognition(config, deps, this_machine)


def this_machine() -> tuple[int, int]:
    """Cores that this process may use, and memory that is free, in bytes."""
    return cores(), free_memory()
