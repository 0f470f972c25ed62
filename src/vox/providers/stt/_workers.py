"""A recogniser that runs in worker processes: the pool of processes, and one call's stream of utterances.

Audio goes out in pieces of 100 ms, and when the caller falls silent the text is asked for at once, so that it is there when the
turn ends. A process that dies is replaced; what it was working on fails. The other side is `_worker_process.py`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from vox.errors import DependencyError
from vox.providers.contract import DriverConfig
from vox.providers.stt._capacity import Cost
from vox.providers.stt._utterance import Utterance
from vox.providers.stt._worker_frames import (
    Audio,
    Begin,
    Decode,
    Decoded,
    Partial,
    Ready,
    Reset,
    from_worker,
)
from vox.providers.stt.contract import Alternative, SpeechHints, Transcript
from vox.providers.workers.process import WorkerProcess

SAMPLE_RATE = 16_000
PIECE_BYTES = 3200  # 100 ms


class WorkerOptions(DriverConfig):
    """Options of every recogniser in worker processes."""

    workers: int = Field(default=1, ge=1, le=64, description="Processes; each uses up to one core")
    max_utterance_s: float = Field(default=30.0, gt=0, le=120, description="Longer utterances are cut")
    max_utterances: int = Field(default=200, ge=1, le=10_000, description="At a time and worker; more are refused")
    open_timeout_s: float = Field(default=30.0, gt=0, le=300, description="Longest time for loading the models")
    timeout_s: float = Field(default=20.0, gt=0, le=300, description="Longest wait for a transcript")


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs in the workers.

    Attributes:
        name: as the configuration names the driver.
        module: is run with `python -m`.
        arguments: of the module.
        language: of its transcripts, where it knows only one.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    language: str = ""


class WorkerPool:
    """Worker processes of one engine, opened and closed together.

    Args:
        engine: what runs in them.
        config: how many, and their limits.
        on_cost: is told what each finished utterance cost, where the engine measures it.
    """

    def __init__(self, engine: Engine, config: WorkerOptions, *, on_cost: Callable[[Cost], None] | None = None) -> None:
        self.engine = engine
        self.config = config
        self.on_cost = on_cost
        self._workers: list[_Worker] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Starts the processes and waits until each has loaded its models.

        Raises:
            DependencyError: one does not come up (provider_timeout).
        """
        self._workers = [_Worker(self.engine) for _ in range(self.config.workers)]
        self._tasks = [asyncio.create_task(worker.run()) for worker in self._workers]
        try:
            async with asyncio.timeout(self.config.open_timeout_s):
                for worker in self._workers:
                    await worker.ready.wait()
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise DependencyError(
                    f"the workers of {self.engine.name} do not come up",
                    code="provider_timeout",
                    hint=f"`vox doctor` says whether {self.engine.name} works here; their own words are on stderr",
                ) from None
            raise

    async def close(self) -> None:
        """Ends the processes."""
        for worker in self._workers:
            worker.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Stream":
        """A stream for one call."""
        return Stream(self, on_partial, language)

    async def check(self) -> None:
        """Returns where at least one worker process runs.

        Raises:
            DependencyError: none does (recognizer_down).
        """
        if self.choose() is None:
            raise DependencyError("no recognition worker is running", code="recognizer_down")

    def choose(self) -> "_Worker | None":
        """The worker with the fewest utterances among those that are up."""
        up = [worker for worker in self._workers if worker.ready.is_set()]
        return min(up, key=lambda worker: len(worker.utterances), default=None)


class Stream:
    """One call's utterances, each with one worker."""

    def __init__(self, pool: WorkerPool, on_partial: Callable[[Transcript], None], language: str | None) -> None:
        self._pool = pool
        self._on_partial = on_partial
        self._language = language
        self._order: _Order | None = None
        self._utterance = Utterance(SAMPLE_RATE, pool.config.max_utterance_s)
        self._sent = 0

    def start(self, hints: SpeechHints | None) -> None:
        """A new utterance, with what is expected."""
        self.cancel()
        self._order = _Order(self._pool, hints or SpeechHints(), self._language, self._on_partial)

    def push(self, pcm: bytes) -> None:
        """Passes the audio on in pieces of 100 ms; beyond `max_utterance_s` it is dropped."""
        self._utterance.push(pcm)
        if len(self._utterance.audio) - self._sent >= PIECE_BYTES:
            self._flush()

    def pause(self) -> None:
        """Asks for the text of what there is."""
        if self._order is None or (self._order.request and not self._utterance.has_resumed(check_all=True)):
            return
        self._flush()
        self._utterance.pause()
        self._order.ask(is_final=False, tells=True)

    async def finish(self) -> Transcript:
        """The text; the one asked for at the last pause if there was only silence since."""
        order = self._order
        if order is None:
            return Transcript("")
        try:
            order.tells = False
            if not order.request or self._utterance.has_resumed(check_all=True):
                self._flush()
                order.ask(is_final=True)
            return await order.answer(len(self._utterance.audio) / 2 / SAMPLE_RATE)
        finally:
            if self._order is order:
                self.cancel()

    def cancel(self) -> None:
        """Throws the utterance away."""
        if self._order is not None:
            self._order.end()
            self._order = None
        self._utterance = Utterance(SAMPLE_RATE, self._pool.config.max_utterance_s)
        self._sent = 0

    async def aclose(self) -> None:
        """Ends the stream."""
        self.cancel()

    def _flush(self) -> None:
        if self._order is not None and self._sent < len(self._utterance.audio):
            self._order.send_audio(bytes(self._utterance.audio[self._sent :]))
            self._sent = len(self._utterance.audio)


class _Order:
    """One utterance at a worker, or the reason why it is at none."""

    def __init__(
        self,
        pool: WorkerPool,
        hints: SpeechHints,
        language: str | None,
        on_partial: Callable[[Transcript], None],
    ) -> None:
        self.request = 0
        self.tells = False
        self._worker = worker = pool.choose()
        self._engine = pool.engine
        self._timeout_s = pool.config.timeout_s
        self._on_cost = pool.on_cost
        self._on_partial = on_partial
        self._answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._cpu_s = 0.0
        self._number = -1
        if worker is None:
            self.fail(_down())
        elif len(worker.utterances) >= pool.config.max_utterances:
            self.fail(
                DependencyError(
                    f"{self._engine.name} has too many utterances at a time",
                    code="stt_overloaded",
                    hint="raise stt_options.workers",
                    retryable=True,
                )
            )
        else:
            self._number = worker.add(self)
            worker.send(Begin(self._number, hints.grammar, hints.phrases, language or ""))

    def send_audio(self, pcm: bytes) -> None:
        """Sends audio to the worker."""
        if self._worker is not None and self._number >= 0:
            self._worker.send(Audio(self._number, pcm))

    def ask(self, *, is_final: bool, tells: bool = False) -> None:
        """Asks for the text of all the audio so far, to be told as it comes; an earlier answer is of no more interest."""
        self.request += 1
        self.tells = tells
        if self._worker is not None and self._number >= 0:
            if self._answer.done():
                self._answer = asyncio.get_running_loop().create_future()
            self._worker.send(Decode(self._number, self.request, is_final))

    async def answer(self, audio_s: float) -> Transcript:
        """What the worker says to the last `ask`, which is about so much audio."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        try:
            async with asyncio.timeout(self._timeout_s):
                transcript = await self._answer
        except TimeoutError:
            raise DependencyError(
                f"{self._engine.name} did not answer in time", code="provider_timeout", hint="raise stt_options.workers"
            ) from None
        if self._on_cost is not None and self._cpu_s:
            self._on_cost(Cost(audio_s, self._cpu_s, loop.time() - since))
        return transcript

    def heard(self, message: Decoded | Partial) -> None:
        """Takes the worker's message."""
        if isinstance(message, Partial):
            self._on_partial(Transcript(message.text, is_final=False))
        elif message.request == self.request and not self._answer.done():
            if message.error:
                error = DependencyError(f"{self._engine.name} failed: {message.error}", code="provider_failed")
                self._answer.set_exception(error)
                self._answer.exception()  # looked at, so that asyncio does not report an utterance that is never finished
            else:
                self._cpu_s = message.cpu_s
                language = message.language or self._engine.language or None
                others = tuple(Alternative(text, confidence) for text, confidence in message.alternatives)
                self._answer.set_result(
                    Transcript(message.text, confidence=message.confidence, language=language, alternatives=others)
                )
                if self.tells:
                    self._on_partial(Transcript(message.text, is_final=False, at_pause=True))

    def fail(self, error: DependencyError) -> None:
        """The utterance will get no text."""
        self._number = -1
        if self._answer.done():
            self._answer = asyncio.get_running_loop().create_future()
        self._answer.set_exception(error)
        self._answer.exception()  # looked at, so that asyncio does not report an utterance that is never finished

    def end(self) -> None:
        """The utterance is over."""
        if self._worker is not None and self._number >= 0:
            self._worker.remove(self._number)
            self._worker.send(Reset(self._number))
            self._number = -1


class _Worker:
    """One worker process with the utterances that are at it."""

    def __init__(self, engine: Engine) -> None:
        self.utterances: dict[int, _Order] = {}
        self._last = 0
        self._process = WorkerProcess(engine.module, engine.arguments, on_message=self._take, on_down=self._fail_all)
        self.ready = self._process.ready
        self.send = self._process.send
        self.close = self._process.close
        self.run = self._process.run

    def add(self, order: _Order) -> int:
        """Notes an utterance and gives it its number."""
        self._last += 1
        self.utterances[self._last] = order
        return self._last

    def remove(self, number: int) -> None:
        """Forgets an utterance."""
        self.utterances.pop(number, None)

    def _take(self, body: bytes) -> None:
        message = from_worker.decode(body)
        if isinstance(message, Ready):
            self._process.mark_ready()
        elif order := self.utterances.get(message.utterance):
            order.heard(message)

    def _fail_all(self) -> None:
        for order in list(self.utterances.values()):
            order.fail(_down())
        self.utterances.clear()


def _down() -> DependencyError:
    return DependencyError(
        "the recogniser's process died or is not up yet", code="stt_worker_down", retryable=True, retry_after_s=1.0
    )
