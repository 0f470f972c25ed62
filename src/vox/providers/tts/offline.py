"""Speech without a key: the natural voice where there is room for it, the light one where there is not.

Each call is given one of the two when it begins and keeps it. The natural voice (Kokoro) takes half a core-second per second
of speech, so it is for as many calls as the machine is measured to hold; espeak-ng, a hundred times cheaper, speaks in the
others, and in all of them until the model is installed, which may happen while the server runs.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Literal, Self, cast

from pydantic import Field

from vox.errors import VoxError
from vox.media.resample import Resampler
from vox.providers import registry
from vox.providers.contract import Checkable, Deps, DriverConfig
from vox.providers.machine import cores, free_memory
from vox.providers.tts._kokoro_voices import language_of
from vox.providers.tts.contract import CallVoice, SpeechChunk, TextToSpeech
from vox.providers.tts.kokoro import Kokoro
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Gauge, Metrics, NullMetrics
from vox.runtime.tasks import supervised

CALLS = Counter("vox_tts_calls_total", "Calls by the offline voice that they were given, and why", ("driver", "reason"))
CALLS_LIMIT = Gauge("vox_tts_calls_limit", "Calls that Kokoro can speak in at a time; 0 while it is not in use")
REAL_TIME_FACTOR = Gauge("vox_tts_real_time_factor", "Seconds that Kokoro takes for a second of speech")

NATURAL = "kokoro"
MIN_CORES = 2
"""On a single core the speech of one call would be at the cost of the others' audio."""
MAX_WORKERS = 4
MAX_PREPARED_LISTS = 64

_POLL_S = 5.0
_RETRY_S = 60.0
_MEASURE_AGAIN_S = 30.0
_log = get_logger(__name__)

Reason = Literal[
    "room", "off", "no_model", "no_cores", "no_memory", "starting", "failed", "down", "language", "slow", "full", "busy"
]
"""Why a call was given its voice; `room` is the natural one's."""

OVERLOAD = frozenset({"slow", "full", "busy"})
REMEDIES: dict[str, str] = {
    "no_model": "run `vox models install kokoro-82m`",
    "no_cores": "the natural voice needs two cores",
    "no_memory": "the natural voice needs tts_options.min_free_memory_mb of free memory for each of its processes",
    "failed": "`vox models verify` checks the files",
}


class Config(DriverConfig):
    """Options of the offline voices."""

    voice: str = Field(default="af_heart", description="The natural voice, one of Kokoro's")
    speed: float = Field(default=1.0, ge=0.5, le=2, description="Of the natural voice; 1 is natural")
    workers: int = Field(default=0, ge=0, le=64, description="Kokoro's processes; 0: half of the cores, at most 4")
    natural: dict[str, Any] = Field(default_factory=dict, description="Further options of the provider kokoro")
    light_provider: Literal["espeak", "flite"] = Field(default="espeak", description="What speaks in the other calls")
    light: dict[str, Any] = Field(default_factory=dict, description="Options of the light provider")
    use_natural: bool = Field(default=True, description="Whether calls may have the natural voice")
    max_natural_calls: int = Field(default=0, ge=0, le=1000, description="At a time; 0: as many as measured to fit")
    when_busy: Literal["light", "refuse"] = Field(
        default="light", description="What happens to calls beyond that: the light voice, or no call"
    )
    min_free_memory_mb: int = Field(
        default=600, ge=0, description="Free memory per process without which Kokoro is not started"
    )


class Offline:
    """Two synthesisers, of which each call gets one.

    Args:
        config: the options.
        metrics: where calls are counted.
        natural: Kokoro; opened where there is room for it.
        light: what speaks in the other calls.
        machine: cores and free memory, in bytes.
    """

    def __init__(
        self,
        config: Config,
        metrics: Metrics | NullMetrics,
        natural: Kokoro,
        light: TextToSpeech,
        machine: Callable[[], tuple[int, int]] = lambda: (cores(), free_memory()),
    ) -> None:
        self.sample_rate = natural.sample_rate
        self._natural = natural
        self._light = light
        self._machine = machine
        self._config = config
        self._metrics = metrics
        self._why_not: Reason | None = "starting"
        self._is_in_use: bool | None = None
        self._calls = 0
        self._to_prepare: list[tuple[tuple[str, ...], str | None, str | None]] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._stack.enter_async_context(self._light)
            if self._config.use_natural:
                await self._stack.enter_async_context(supervised(self._keep_natural, "natural voice"))
            else:
                self._why_not = "off"
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def check(self) -> None:
        """Returns where the light voice works; the natural one is not needed for calls."""
        if isinstance(self._light, Checkable):
            await self._light.check()

    @property
    def current(self) -> str:
        """The name of the driver that a new call would get."""
        return NATURAL if self._reason(None) == "room" else self._config.light_provider

    @property
    def has_room(self) -> bool:
        """Whether one more call can come in; always, unless the configuration has calls refused that get no natural voice."""
        return self._config.when_busy == "light" or self._reason(None) not in OVERLOAD

    def open_call(self, *, language: str | None = None) -> CallVoice:
        """The voice of a call that begins."""
        reason = self._reason(language)
        is_natural = reason == "room"
        driver = NATURAL if is_natural else self._config.light_provider
        self._metrics.counter(CALLS, driver, reason).inc()
        _log.info("voice chosen", driver=driver, reason=reason, **self._load())
        if not is_natural:
            return CallVoice(_Light(self._light, self._config), lambda: None)
        self._calls += 1
        is_open = True

        def close() -> None:
            nonlocal is_open
            if is_open:
                is_open = False
                self._calls -= 1

        return CallVoice(_Natural(self._natural), close)

    def prepare(self, texts: Iterable[str], *, voice: str | None = None, language: str | None = None) -> None:
        """Has the natural voice speak these sentences when it is there and idle."""
        entry = (tuple(texts), voice if _is_natural(voice) else None, language)
        if len(self._to_prepare) < MAX_PREPARED_LISTS:
            self._to_prepare.append(entry)
        if self._why_not is None:
            self._natural.prepare(entry[0], voice=entry[1], language=entry[2])

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence that belongs to no call."""
        chosen = self.open_call(language=language)
        resampler = Resampler(chosen.tts.sample_rate, self.sample_rate)
        speech = chosen.tts.synthesize(text, voice=voice, language=language)
        try:
            async for chunk in speech:
                if pcm := resampler.process(chunk.pcm):
                    yield SpeechChunk(pcm, chunk.words)
            if rest := resampler.process(b"", last=True):
                yield SpeechChunk(rest)
        finally:
            chosen.close()
            await speech.aclose()

    def _reason(self, language: str | None) -> Reason:
        """Why a call that begins now gets the light voice; `room` where it gets the natural one."""
        if self._why_not is not None:
            return self._why_not
        natural = self._natural
        if not natural.is_up:
            return "down"
        if not natural.speaks(language):
            return "language"
        if 0 < self._config.max_natural_calls <= self._calls:
            return "full"
        return natural.load.why_full(natural.workers, self._calls, natural.running) or "room"

    def _load(self) -> dict[str, object]:
        return {"natural_calls": self._calls, "real_time_factor": round(self._natural.load.real_time_factor, 2)}

    async def _keep_natural(self) -> None:
        """Starts the natural voice as soon as it can be, ends it with the driver, and measures anew what was too slow."""
        while (reason := self._missing()) is not None:
            self._say_why_not(reason)
            await asyncio.sleep(_POLL_S)
        try:
            async with self._natural:
                self._why_not = None
                self._tell_capacity()
                for texts, voice, language in self._to_prepare:
                    self._natural.prepare(texts, voice=voice, language=language)
                while True:
                    self._tell_capacity()
                    await asyncio.sleep(_MEASURE_AGAIN_S)
                    if not self._calls and not self._capacity():
                        self._natural.measure()
        except VoxError as error:
            self._say_why_not("failed", error=str(error), remedy=error.hint)
            await asyncio.sleep(_RETRY_S)
            raise
        finally:
            self._metrics.gauge(CALLS_LIMIT).set(0)
            self._is_in_use = None
            if self._why_not is None:
                self._why_not = "starting"

    def _capacity(self) -> int:
        return self._natural.load.capacity(self._natural.workers)

    def _tell_capacity(self) -> None:
        """Sets the gauges, and logs when the natural voice comes into use or goes out of it."""
        is_in_use = self._capacity() > 0
        if is_in_use != self._is_in_use:
            self._is_in_use = is_in_use
            driver, reason = (NATURAL, "room") if is_in_use else (self._config.light_provider, "slow")
            _log.info("speech synthesis", driver=driver, reason=reason, calls=self._capacity(), **self._load())
        self._metrics.gauge(CALLS_LIMIT).set(self._capacity())
        self._metrics.gauge(REAL_TIME_FACTOR).set(self._natural.load.real_time_factor)

    def _missing(self) -> Reason | None:
        if not self._natural.is_installed():
            return "no_model"
        available, free = self._machine()
        if available < MIN_CORES:
            return "no_cores"
        needed = self._config.min_free_memory_mb * 1_000_000 * self._natural.workers
        return "no_memory" if free < needed else None

    def _say_why_not(self, reason: Reason, *, error: str = "", remedy: str | None = None) -> None:
        """Logs a reason once."""
        if self._why_not != reason:
            self._why_not = reason
            hint = remedy or REMEDIES.get(reason, "")
            fields = {"error": error} if error else {}
            _log.info("speech synthesis", driver=self._config.light_provider, reason=reason, remedy=hint, **fields)


class _Natural:
    """Kokoro as one call sees it; a name that is none of its voices counts as no name."""

    def __init__(self, driver: Kokoro) -> None:
        self.sample_rate = driver.sample_rate
        self._driver = driver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The driver is closed by its owner."""

    def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks with the driver."""
        own = voice if voice and self._driver.has_voice(voice) else None
        return self._driver.synthesize(text, voice=own, language=language)


class _Light:
    """The light driver as one call sees it; a name of Kokoro's only says the language."""

    def __init__(self, driver: TextToSpeech, config: Config) -> None:
        self.sample_rate = driver.sample_rate
        self._driver = driver
        self._config = config

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The driver is closed by its owner."""

    def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks with the driver."""
        is_natural = _is_natural(voice)
        if language is None:
            spoken = language_of(voice if voice and is_natural else self._config.voice)
            language = spoken.tag if spoken and not spoken.tag.startswith("en") else None
        return self._driver.synthesize(text, voice=None if is_natural else voice, language=language)


def create(config: Config, deps: Deps) -> Offline:
    """The driver."""
    workers = config.workers or max(1, min(MAX_WORKERS, cores() // 2))
    options = {"voice": config.voice, "speed": config.speed, "workers": workers, **config.natural}
    natural = cast("Kokoro", registry.create("tts", NATURAL, options, deps))
    light = cast("TextToSpeech", registry.create("tts", config.light_provider, config.light, deps))
    return Offline(config, deps.metrics, natural, light)


def _is_natural(voice: str | None) -> bool:
    """Whether a voice's name is one of Kokoro's: a letter for the language, one for the sex, and a name."""
    return voice is not None and voice[2:3] == "_"
