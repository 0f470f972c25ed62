"""Offline recognition with pocketsphinx in worker processes: no key, no network, English.

With a grammar (an agent driven by a flow gives one for every turn) it is quick and exact; free text is for trying things
out. All decoding happens in the workers (`_pocketsphinx_worker.py`); here audio goes out in pieces of 100 ms, and when the
caller falls silent the text is asked for at once, so that it is there when the turn ends.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from types import TracebackType
from typing import Self

import msgspec
from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.stt._pocketsphinx_frames import (
    Audio,
    Begin,
    Decode,
    Decoded,
    Partial,
    Ready,
    Reset,
    ToWorker,
    Unframer,
    frame,
    from_worker,
)
from vox.providers.stt._utterance import Utterance
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.logging import get_logger

SAMPLE_RATE = 16_000
PIECE_BYTES = 3200  # 100 ms
MAX_BACKLOG = 16 * 1024 * 1024
"""Bytes that a worker may leave unread before it counts as stuck."""

_READ_BYTES = 65_536
_CLOSE_TIMEOUT_S = 3.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0

_log = get_logger(__name__)


class Config(DriverConfig):
    """Options of pocketsphinx."""

    workers: int = Field(default=1, ge=1, le=64, description="Processes; one serves about 100 calls with a grammar")
    min_confidence: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="What a grammar heard with less counts as not understood; 0 takes everything",
    )
    max_utterance_s: float = Field(default=30.0, gt=0, le=120, description="Longer utterances are cut")
    max_utterances: int = Field(default=200, ge=1, le=10_000, description="At a time and worker; more are refused")
    open_timeout_s: float = Field(default=30.0, gt=0, le=300, description="Longest time for loading the models")
    timeout_s: float = Field(default=20.0, gt=0, le=300, description="Longest wait for a transcript")


class PocketSphinx:
    """A pool of recogniser processes."""

    sample_rate = SAMPLE_RATE

    def __init__(self, config: Config) -> None:
        self._config = config
        self._workers: list[_Worker] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        if find_spec("pocketsphinx") is None:
            raise UsageError(
                "the stt provider 'pocketsphinx' needs 'pocketsphinx', which is not installed",
                code="provider_not_installed",
                hint="run `make setup`, or `pip install '.[offline]'` in a checkout of Vox",
            )
        self._workers = [_Worker(self._config) for _ in range(self._config.workers)]
        self._tasks = [asyncio.create_task(worker.run()) for worker in self._workers]
        try:
            async with asyncio.timeout(self._config.open_timeout_s):
                for worker in self._workers:
                    await worker.ready.wait()
        except BaseException as error:
            await self._close()
            if isinstance(error, TimeoutError):
                raise DependencyError(
                    "the workers of pocketsphinx do not come up",
                    code="provider_timeout",
                    hint="`vox doctor` says whether pocketsphinx works here; their own words are on stderr",
                ) from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Stream":
        """A stream for one call; interim transcripts come only without a grammar."""
        return Stream(self._config, self._choose, on_partial)

    async def check(self) -> None:
        """Returns where at least one worker process runs.

        Raises:
            DependencyError: none does (recognizer_down).
        """
        if self._choose() is None:
            raise DependencyError("no recognition worker is running", code="recognizer_down")

    async def _close(self) -> None:
        for worker in self._workers:
            worker.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _choose(self) -> "_Worker | None":
        """The worker with the fewest utterances among those that are up."""
        up = [worker for worker in self._workers if worker.ready.is_set()]
        return min(up, key=lambda worker: len(worker.utterances), default=None)


class Stream:
    """One call's utterances, each with one worker."""

    def __init__(
        self, config: Config, choose: "Callable[[], _Worker | None]", on_partial: Callable[[Transcript], None]
    ) -> None:
        self._config = config
        self._choose = choose
        self._on_partial = on_partial
        self._order: _Order | None = None
        self._utterance = Utterance(SAMPLE_RATE, config.max_utterance_s)
        self._sent = 0

    def start(self, hints: SpeechHints | None) -> None:
        """A new utterance, with the grammar of what is expected."""
        self.cancel()
        self._order = _Order(self._choose(), self._config, hints.grammar if hints else None, self._on_partial)

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
        self._order.ask(is_final=False)

    async def finish(self) -> Transcript:
        """The text; the one asked for at the last pause if there was only silence since."""
        order = self._order
        if order is None:
            return Transcript("")
        try:
            if not order.request or self._utterance.has_resumed(check_all=True):
                self._flush()
                order.ask(is_final=True)
            return await order.answer()
        finally:
            if self._order is order:
                self.cancel()

    def cancel(self) -> None:
        """Throws the utterance away."""
        if self._order is not None:
            self._order.end()
            self._order = None
        self._utterance = Utterance(SAMPLE_RATE, self._config.max_utterance_s)
        self._sent = 0

    async def aclose(self) -> None:
        """Ends the stream."""
        self.cancel()

    def _flush(self) -> None:
        if self._order is not None and self._sent < len(self._utterance.audio):
            self._order.send_audio(bytes(self._utterance.audio[self._sent :]))
            self._sent = len(self._utterance.audio)


def create(config: Config, deps: Deps) -> PocketSphinx:
    """The driver."""
    return PocketSphinx(config)


class _Order:
    """One utterance at a worker, or the reason why it is at none."""

    def __init__(
        self,
        worker: "_Worker | None",
        config: Config,
        grammar: str | None,
        on_partial: Callable[[Transcript], None],
    ) -> None:
        self.request = 0
        self._worker = worker
        self._config = config
        self._on_partial = on_partial
        self._answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._number = -1
        if worker is None:
            self.fail(_down())
        elif len(worker.utterances) >= config.max_utterances:
            self.fail(
                DependencyError(
                    "pocketsphinx has too many utterances at a time",
                    code="stt_overloaded",
                    hint="raise stt_options.workers",
                    retryable=True,
                )
            )
        else:
            self._number = worker.add(self)
            worker.send(Begin(self._number, grammar))

    def send_audio(self, pcm: bytes) -> None:
        """Sends audio to the worker."""
        if self._worker is not None and self._number >= 0:
            self._worker.send(Audio(self._number, pcm))

    def ask(self, *, is_final: bool) -> None:
        """Asks for the text of all the audio so far; an earlier answer is of no more interest."""
        self.request += 1
        if self._worker is not None and self._number >= 0:
            if self._answer.done():
                self._answer = asyncio.get_running_loop().create_future()
            self._worker.send(Decode(self._number, self.request, is_final))

    async def answer(self) -> Transcript:
        """What the worker says to the last `ask`."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await self._answer
        except TimeoutError:
            raise DependencyError(
                "pocketsphinx did not answer in time", code="provider_timeout", hint="raise stt_options.workers"
            ) from None

    def heard(self, message: Decoded | Partial) -> None:
        """Takes the worker's message."""
        if isinstance(message, Partial):
            self._on_partial(Transcript(message.text, is_final=False))
        elif message.request == self.request and not self._answer.done():
            if message.error:
                error = DependencyError(f"pocketsphinx failed: {message.error}", code="provider_failed")
                self._answer.set_exception(error)
                self._answer.exception()  # there may be no task that asks
            else:
                self._answer.set_result(Transcript(message.text, confidence=message.confidence, language="en"))

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
    """One worker process and its successors."""

    def __init__(self, config: Config) -> None:
        self.ready = asyncio.Event()
        self.utterances: dict[int, _Order] = {}
        self._config = config
        self._process: Process | None = None
        self._closing = asyncio.Event()
        self._last = 0

    def add(self, order: _Order) -> int:
        """Notes an utterance and gives it its number."""
        self._last += 1
        self.utterances[self._last] = order
        return self._last

    def remove(self, number: int) -> None:
        """Forgets an utterance."""
        self.utterances.pop(number, None)

    def send(self, message: ToWorker) -> None:
        """Sends without waiting; a worker that has stopped reading is ended."""
        if self._process is None or self._process.stdin is None or self._process.stdin.is_closing():
            return
        self._process.stdin.write(frame(message))
        if self._process.stdin.transport.get_write_buffer_size() > MAX_BACKLOG:
            _log.error("recogniser worker is stuck", pid=self._process.pid)
            self._kill()

    def close(self) -> None:
        """Asks the process to end, after which `run` returns."""
        self._closing.set()
        self.ready.clear()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def run(self) -> None:
        """Keeps a process up until `close`; a dead one is replaced, at once the first time, then ever later."""
        pause_s = 0.0
        while not self._closing.is_set():
            came_up = await self._run_process()
            self.ready.clear()
            for order in list(self.utterances.values()):
                order.fail(_down())
            self.utterances.clear()
            if self._closing.is_set():
                return
            pause_s = _FIRST_PAUSE_S if came_up else min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
            _log.warning("recogniser worker died", restart_in_s=pause_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._closing.wait()

    async def _run_process(self) -> bool:
        """Runs one process to its end; whether it came up."""
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "vox.providers.stt._pocketsphinx_worker"),
                str(self._config.min_confidence),
                stdin=PIPE,
                stdout=PIPE,
            )
        except OSError as error:
            _log.warning("recogniser worker does not start", error=str(error))
            return False
        if self._closing.is_set():
            self.close()
        try:
            await self._read(process)
        finally:
            await self._reap(process)
        return self.ready.is_set()

    async def _read(self, process: Process) -> None:
        if process.stdout is None:
            return
        unframer = Unframer()
        while data := await process.stdout.read(_READ_BYTES):
            try:
                for body in unframer.feed(data):
                    self._take(from_worker.decode(body))
            except (ValueError, msgspec.DecodeError) as error:
                _log.error("recogniser worker is not understood", error=str(error))
                return

    def _take(self, message: Ready | Partial | Decoded) -> None:
        if isinstance(message, Ready):
            if not self._closing.is_set():
                self.ready.set()
        elif order := self.utterances.get(message.utterance):
            order.heard(message)

    async def _reap(self, process: Process) -> None:
        """Waits for the end of the process, and makes it end when it does not."""
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            self._kill()
            await process.wait()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()


def _down() -> DependencyError:
    return DependencyError(
        "the recogniser's process died or is not up yet", code="stt_worker_down", retryable=True, retry_after_s=1.0
    )
