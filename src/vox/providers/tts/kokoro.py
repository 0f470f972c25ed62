"""A natural voice without a key: Kokoro-82M, spoken by worker processes at about half a core-second per second of speech.

The event loop only passes on finished audio: phonemes, model, level and sample rate are the worker's work (`_kokoro_worker.py`).
What was spoken is kept (`_phrase_cache.py`), so a greeting or a flow's fixed answers cost nothing from the second time on, or
from the first where `prepare` was told of them.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.tts._kokoro_files import KokoroFiles
from vox.providers.tts._kokoro_frames import Cancel, Finished, Measure, Ready, Say, Spoken, from_worker
from vox.providers.tts._kokoro_load import LoadMeter
from vox.providers.tts._kokoro_voices import language_of, voice_for
from vox.providers.tts._phrase_cache import Phrase, PhraseCache
from vox.providers.tts.contract import SpeechChunk, SpokenWord
from vox.providers.workers.process import WorkerProcess
from vox.runtime.logging import get_logger
from vox.runtime.tasks import supervised

MODELS = ("kokoro-82m", "kokoro-voices")
"""The model whose files this driver needs, and the one with further voices."""

MAX_TEXT = 2000
"""Characters of one request; the rest is not spoken. It bounds what waits between worker and listener: 3 minutes, 8 MB."""
MAX_PREPARED = 500
"""Sentences that wait to be prepared; further ones are spoken when they come up."""

_CHUNK_S = 0.25
_READY_POLL_S = 1.0
_UNSPEAKABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
_log = get_logger(__name__)

_Key = tuple[str, float, str]
_Message = Spoken | Finished | VoxError


class Config(DriverConfig):
    """Options of Kokoro."""

    voice: str = Field(default="af_heart", description="A voice's name; its first letter is its language")
    speed: float = Field(default=1.0, ge=0.5, le=2, description="1 is natural")
    folder: Path | None = Field(
        default=None, description="Folder with model.onnx, vocab.json and *.bin voices; empty: the installed model"
    )
    sample_rate: int = Field(
        default=24_000, ge=8_000, le=48_000, description="Of the audio, in Hz; 24000 is the model's"
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes with one thread and 350 MB each")
    cache_mb: int = Field(default=32, ge=0, le=4096, description="Audio of spoken sentences to keep; 32 is 11 minutes")
    max_syntheses: int = Field(default=16, ge=1, le=1000, description="Sentences at a time; further ones are refused")
    timeout_s: float = Field(default=20.0, gt=0, le=300, description="Longest wait for the next audio of a sentence")
    open_timeout_s: float = Field(default=50.0, gt=0, le=300, description="Longest time for loading the model")


class Kokoro:
    """A pool of processes that speak."""

    def __init__(self, config: Config, deps: Deps) -> None:
        self.sample_rate = config.sample_rate
        self.load = LoadMeter()
        self.workers = config.workers
        self._config = config
        self._store = ModelStore(models_folder(deps.environment))
        self._voices: frozenset[str] = frozenset()
        self._workers: list[_Worker] = []
        self._cache = PhraseCache(config.cache_mb * 1_000_000)
        self._to_prepare: deque[_Key] = deque(maxlen=MAX_PREPARED)
        self._has_more = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        files = await asyncio.to_thread(self._find)
        self._voices = frozenset(files.voices)
        self._check(self._config.voice)
        arguments = [files.encode(), str(self.sample_rate), self._config.voice]
        self._workers = [_Worker(arguments, self.load) for _ in range(self._config.workers)]
        try:
            for worker in self._workers:
                await self._stack.enter_async_context(worker)
            async with asyncio.timeout(self._config.open_timeout_s):
                for worker in self._workers:
                    await worker.process.ready.wait()
            await self._stack.enter_async_context(supervised(self._prepare_all, "prepare phrases"))
        except TimeoutError:
            await self._stack.aclose()
            raise DependencyError(
                "the workers of Kokoro do not come up",
                code="provider_timeout",
                hint="their own words are on stderr; `vox models verify` checks the files",
            ) from None
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def is_installed(self) -> bool:
        """Whether the files are there; quick enough for the event loop."""
        if self._config.folder is not None:
            return KokoroFiles.in_folder(self._config.folder) is not None
        return self._store.files(MODELS[0]) is not None

    @property
    def is_up(self) -> bool:
        """Whether a worker takes work."""
        return any(worker.process.ready.is_set() for worker in self._workers)

    @property
    def running(self) -> int:
        """Sentences that are waited for."""
        return sum(not job.order.is_background for worker in self._workers for job in worker.jobs.values())

    def speaks(self, language: str | None) -> bool:
        """Whether there is a voice for this language."""
        return voice_for(language, self._config.voice) in self._voices

    def has_voice(self, voice: str) -> bool:
        """Whether there is a voice of this name whose language can be spoken."""
        return voice in self._voices and language_of(voice) is not None

    def measure(self) -> None:
        """Asks idle workers how quick the machine is now; `load` has the answer a second or two later."""
        for worker in self._workers:
            if not worker.jobs:
                worker.process.send(Measure())

    async def check(self) -> None:
        """Returns where at least one worker process runs.

        Raises:
            DependencyError: none does (tts_worker_down).
        """
        if not self.is_up:
            raise _down()

    def prepare(self, texts: Iterable[str], *, voice: str | None = None, language: str | None = None) -> None:
        """Speaks sentences into the cache, whenever there is nothing else to do."""
        name = self._voice(voice, language)
        if name in self._voices and self._config.cache_mb:
            keys = [(name, self._config.speed, spoken) for text in texts if (spoken := _spoken_text(text))]
            for key in keys[: MAX_PREPARED - len(self._to_prepare)]:
                self._to_prepare.append(key)
            self._has_more.set()

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence, its first clause first. Closing the generator ends the model's run within 100 ms."""
        name = self._voice(voice, language)
        self._check(name)
        spoken = _spoken_text(text)
        if not spoken:
            return
        key = (name, self._config.speed, spoken)
        if (known := self._cache.get(key)) is not None:
            for chunk in self._chunks(known.pcm, known.words, 0.0):
                yield chunk
            return
        if self.running >= self._config.max_syntheses:
            raise DependencyError(
                "Kokoro has too many sentences to speak at a time",
                code="tts_overloaded",
                hint="raise tts_options.workers, or use the provider 'offline', which limits the calls",
                retryable=True,
            )
        at_s = 0.0
        async for piece in self._pieces(key, is_background=False):
            for chunk in self._chunks(piece.pcm, [SpokenWord(*word) for word in piece.words], at_s):
                yield chunk
            at_s += len(piece.pcm) / 2 / self.sample_rate

    async def _pieces(self, key: _Key, *, is_background: bool) -> AsyncGenerator[Spoken, None]:
        """What a worker makes of a text, piece by piece; what is complete is kept."""
        name, speed, text = key
        up = [worker for worker in self._workers if worker.process.ready.is_set()]
        worker = min(up, key=lambda worker: len(worker.jobs), default=None)
        if worker is None:
            raise _down()
        job = worker.begin(text, name, speed, is_background=is_background)
        pcm = bytearray()
        words: list[SpokenWord] = []
        try:
            while not isinstance(message := await self._next(job, is_background=is_background), Finished):
                pcm += message.pcm
                words += [SpokenWord(*word) for word in message.words]
                yield message
        finally:
            worker.end(job)
        if message.error:
            raise DependencyError(f"Kokoro failed: {message.error}", code="provider_failed")
        self._cache.put(key, Phrase(bytes(pcm), tuple(words)))

    async def _next(self, job: "_Job", *, is_background: bool) -> Spoken | Finished:
        try:
            async with asyncio.timeout(None if is_background else self._config.timeout_s):
                message = await job.messages.get()
        except TimeoutError:
            raise DependencyError(
                "Kokoro did not speak in time",
                code="provider_timeout",
                hint="raise tts_options.workers",
                retryable=True,
            ) from None
        if isinstance(message, VoxError):
            raise message
        return message

    def _chunks(self, pcm: bytes, words: Iterable[SpokenWord], at_s: float) -> Iterator[SpeechChunk]:
        """Audio in pieces, each with the words that begin in it."""
        size = int(_CHUNK_S * self.sample_rate) * 2
        pending = deque(words)
        for start in range(0, len(pcm), size):
            end_s = at_s + (start + size) / 2 / self.sample_rate
            is_last = start + size >= len(pcm)
            begun: list[SpokenWord] = []
            while pending and (is_last or pending[0].at_s < end_s):
                begun.append(pending.popleft())
            yield SpeechChunk(pcm[start : start + size], tuple(begun))

    async def _prepare_all(self) -> None:
        """Speaks what `prepare` was told of, a sentence at a time."""
        while True:
            self._has_more.clear()
            while self._to_prepare:
                key = self._to_prepare.popleft()
                if key in self._cache:
                    continue
                if not self.is_up:
                    self._to_prepare.append(key)
                    await asyncio.sleep(_READY_POLL_S)
                    continue
                with suppress(DependencyError):
                    async for _ in self._pieces(key, is_background=True):
                        pass
            await self._has_more.wait()

    def _find(self) -> KokoroFiles:
        """The files, whose hashes are right where they are those of the store."""
        if self._config.folder is not None:
            if found := KokoroFiles.in_folder(self._config.folder):
                return found
            raise UsageError(
                f"the folder {self._config.folder} has not the files of Kokoro",
                code="provider_not_installed",
                hint="it needs a .onnx file, vocab.json and at least one voice (.bin)",
            )
        paths = [path for model in MODELS for path in (self._store.files(model) or {}).values()]
        if damaged := [name for model in MODELS for name in self._store.damaged(model)]:
            raise UsageError(
                f"files of Kokoro are damaged: {', '.join(damaged)}",
                code="provider_not_installed",
                hint=f"run `vox models install {MODELS[0]}`",
            )
        if found := KokoroFiles.of(paths):
            return found
        raise UsageError(
            "the tts provider 'kokoro' needs the model kokoro-82m, which is not installed",
            code="provider_not_installed",
            hint=f"run `vox models install {MODELS[0]}`",
        )

    def _voice(self, voice: str | None, language: str | None) -> str:
        """The voice to speak with; where none here speaks the language, the configured one."""
        if voice:
            return voice
        found = voice_for(language, self._config.voice)
        return found if found in self._voices else self._config.voice

    def _check(self, voice: str) -> None:
        if not self.has_voice(voice):
            known = sorted(name for name in self._voices if language_of(name))
            raise UsageError(
                f"Kokoro has no voice {voice!r} here",
                code="unknown_voice",
                hint=f"known: {', '.join(known)}; `vox models install {MODELS[1]}` brings more",
            )


class _Job:
    """One text at a worker; its messages are bounded by `MAX_TEXT`."""

    def __init__(self, order: Say) -> None:
        self.order = order
        self.messages: asyncio.Queue[_Message] = asyncio.Queue()


class _Worker:
    """One worker process with the texts that are at it; `async with` runs it."""

    def __init__(self, arguments: list[str], load: LoadMeter) -> None:
        self.jobs: dict[int, _Job] = {}
        self.process = WorkerProcess(
            "vox.providers.tts._kokoro_worker", arguments, on_message=self._take, on_down=self._fail_all
        )
        self._load = load
        self._last = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.process.run(), name="kokoro worker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.close()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def begin(self, text: str, voice: str, speed: float, *, is_background: bool) -> _Job:
        """Asks for a text."""
        self._last += 1
        job = self.jobs[self._last] = _Job(Say(self._last, text, voice, speed, is_background))
        self.process.send(job.order)
        return job

    def end(self, job: _Job) -> None:
        """The text is spoken, or of no more interest."""
        if self.jobs.pop(job.order.number, None) is not None:
            self.process.send(Cancel(job.order.number))

    def _take(self, body: bytes) -> None:
        message = from_worker.decode(body)
        if isinstance(message, Ready):
            self._load.measured(message.real_time_factor)
            self.process.mark_ready()
            return
        job = self.jobs.get(message.number)
        if isinstance(message, Finished):
            self.jobs.pop(message.number, None)
        if job is not None:
            if isinstance(message, Spoken):
                self._load.spoken(message.elapsed_s, message.audio_s)
            job.messages.put_nowait(message)

    def _fail_all(self) -> None:
        for job in self.jobs.values():
            job.messages.put_nowait(_down())
        self.jobs.clear()


def create(config: Config, deps: Deps) -> Kokoro:
    """The driver."""
    return Kokoro(config, deps)


def _spoken_text(text: str) -> str:
    """The text without what cannot be spoken, character for character, so that the words' places stay right."""
    return _UNSPEAKABLE.sub(" ", text[:MAX_TEXT]).rstrip()


def _down() -> DependencyError:
    return DependencyError(
        "the process that speaks died or is not up yet", code="tts_worker_down", retryable=True, retry_after_s=1.0
    )
