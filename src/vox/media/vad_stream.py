"""The streams of voice activity, and the scheduler in which those of one kind and sample rate are scored together.

A stream collects bytes and queues itself when a window is whole; its scheduler takes one window of each queued stream per run.
Everything here runs on the event loop but `SileroBatch.score`, so streams may open, close and change at any time: the slot
of a stream that closes while a run is in flight is not given away before the run has landed.
"""

import asyncio
import audioop
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vox.errors import UsageError
from vox.media.levels import FULL_SCALE
from vox.media.resample import Resampler
from vox.media.silero import Scores, SileroBatch
from vox.media.speech_gate import Slots, SpeechGate, VadParams
from vox.media.ticker import Ticker
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Histogram, Metrics

BATCH_SIZE = Histogram(
    "vox_vad_batch_size",
    "Windows scored by one run of the Silero model.",
    buckets=(1, 2, 4, 8, 16, 32, 48, 64),
)
INFERENCE_SECONDS = Histogram(
    "vox_vad_inference_seconds",
    "Time from handing a batch of windows to the Silero worker until its scores are back on the event loop.",
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128),
)
WINDOWS_DROPPED = Counter(
    "vox_vad_windows_dropped_total",
    "Windows of caller audio thrown away unheard, because scoring fell behind; decisions stay live.",
)
WINDOWS_SKIPPED = Counter("vox_vad_windows_skipped_total", "Windows of digital silence that needed no model.")
RUNS_FAILED = Counter(
    "vox_vad_runs_failed_total", "Runs of the Silero model that raised an error; their windows are lost."
)

# Digital silence: up to one and a half steps of G.711 around zero (A-law has no zero; its silence is ±8).
SILENCE_PEAK = 12
# So many silent windows are still scored, so that the model's state and the smoothed volume have settled at silence.
SILENT_WINDOWS_SCORED = 8

# A voice is told before it counts as speech, and its end before that counts as over: four and two windows of Silero in a row.
VOICE_START_S = 0.13
VOICE_STOP_S = 0.07

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpeechEdge:
    """Speech began (`is_speaking`) or ended.

    `at_s` is the end of the window that decided, in seconds of audio pushed to the stream; the speech itself began about
    `start_s` (or ended about `stop_s`) earlier.
    """

    is_speaking: bool
    at_s: float


class VadStream:
    """One caller's audio; made by `VoiceActivity.open`.

    `is_speaking` is the present verdict, `is_voice` the early sign of it; `slot`, `is_waiting` and `silent_windows` belong to the scheduler.
    `on_behind` is asked when a push comes to a stream that is behind: whether its audio waits elsewhere from now on, so that
    nothing has to be dropped.
    """

    __slots__ = (
        "_at",
        "_backlog_bytes",
        "_buffer",
        "_on_edge",
        "_on_voice",
        "_params",
        "_position",
        "_resampler",
        "_scheduler",
        "_window_bytes",
        "is_open",
        "is_speaking",
        "is_voice",
        "is_waiting",
        "on_behind",
        "silent_windows",
        "slot",
    )  # fmt: skip

    def __init__(
        self,
        scheduler: "BatchScheduler",
        params: VadParams,
        on_edge: Callable[[SpeechEdge], None],
        resampler: Resampler | None,
        backlog_s: float,
        on_voice: Callable[[bool], None] | None = None,
    ) -> None:
        self.is_speaking = self.is_voice = False
        self.on_behind: Callable[[], bool] | None = None
        self._on_voice = on_voice
        self._scheduler = scheduler
        self._params = params
        self._on_edge = on_edge
        self._resampler = resampler
        self._window_bytes = scheduler.window_samples * 2
        self._backlog_bytes = max(round(backlog_s * scheduler.sample_rate) * 2, self._window_bytes)
        self._buffer = bytearray()
        self._position = 0  # samples taken or dropped, at the scheduler's rate
        self._at = 0  # position at the end of the window taken last
        self.silent_windows = 0  # windows of digital silence in a row
        self.is_waiting = False  # in the scheduler's queue, or in a run
        self.is_open = True
        self.slot = scheduler.enter(params)

    def push(self, pcm: bytes) -> None:
        """Adds s16le samples, any number; ignored after `close()`.

        When the stream is already `max_backlog_s` behind and `on_behind` does not help, all but its newest window are dropped and
        counted first.
        """
        if not self.is_open:
            return
        if self._resampler is not None:
            pcm = self._resampler.process(pcm)
        buffer = self._buffer
        if len(buffer) > self._backlog_bytes and not (self.on_behind is not None and self.on_behind()):
            self._drop()
        buffer += pcm
        if not self.is_waiting and len(buffer) >= self._window_bytes:
            self.is_waiting = True
            self._scheduler.pending.append(self)

    def update(self, params: VadParams) -> None:
        """Changes thresholds and times; verdict and audio stay. The kind cannot change (UsageError `invalid_vad`)."""
        if params.kind != self._params.kind:
            raise UsageError(
                f"a voice activity stream of kind {self._params.kind} cannot become {params.kind}",
                code="invalid_vad",
                hint="close the stream and open another",
            )
        self._params = params
        if self.is_open:
            self._scheduler.set_params(self.slot, params)

    def close(self) -> None:
        """Ends the stream: no edge follows, also when one of its windows is being scored."""
        if self.is_open:
            self.is_open = False
            self._scheduler.exit(self.slot)
            self._buffer.clear()

    def _drop(self) -> None:
        windows = len(self._buffer) // self._window_bytes - 1
        del self._buffer[: windows * self._window_bytes]
        self._position += windows * self._scheduler.window_samples
        self._scheduler.dropped.inc(windows)

    @property
    def is_behind(self) -> bool:
        """Whether more waits to be scored than `max_backlog_s`."""
        return len(self._buffer) > self._backlog_bytes

    @property
    def has_window(self) -> bool:
        """Whether a whole window waits to be scored."""
        return len(self._buffer) >= self._window_bytes

    def take(self) -> bytes | None:
        """The next window, or None when there is no whole one. Called by the scheduler."""
        size = self._window_bytes
        buffer = self._buffer
        if len(buffer) < size:
            return None
        window = bytes(buffer[:size])
        del buffer[:size]
        self._position += self._scheduler.window_samples
        self._at = self._position
        return window

    def tell(self, is_speaking: bool) -> None:
        """Passes a decision on. Called by the scheduler."""
        self.is_speaking = is_speaking
        try:
            self._on_edge(SpeechEdge(is_speaking, self._at / self._scheduler.sample_rate))
        except Exception:  # noqa: BLE001  one call's callback must not silence the others
            _log.exception("speech_edge_callback_failed")

    def tell_voice(self, is_voice: bool) -> None:
        """Passes an early sign on. Called by the scheduler."""
        self.is_voice = is_voice
        if self._on_voice is not None:
            try:
                self._on_voice(is_voice)
            except Exception:  # noqa: BLE001  one call's callback must not silence the others
                _log.exception("voice_edge_callback_failed")


class BatchScheduler:
    """The streams of one kind and sample rate, whose windows are scored together."""

    def __init__(
        self,
        sample_rate: int,
        window_samples: int,
        model: SileroBatch | None,
        worker: ThreadPoolExecutor,
        ticker: Ticker,
        metrics: Metrics,
        max_batch: int,
        count: Callable[[int], None],
    ) -> None:
        self.sample_rate = sample_rate
        self.window_samples = window_samples
        self.gate = SpeechGate(window_samples / sample_rate)
        self._voice_gate = SpeechGate(window_samples / sample_rate)
        self.pending: deque[VadStream] = deque()
        self.flight: asyncio.Future[Scores] | None = None
        self.dropped = metrics.counter(WINDOWS_DROPPED)
        self._skipped = metrics.counter(WINDOWS_SKIPPED)
        self._failed = metrics.counter(RUNS_FAILED)
        self._batch_size = metrics.histogram(BATCH_SIZE)
        self._seconds = metrics.histogram(INFERENCE_SECONDS)
        self._model = model
        self._worker = worker
        self._clock = ticker.clock
        self._max_batch = max_batch
        self._count = count
        self._slots = 0
        self._failing = False
        self._free: list[int] = []
        self._retired: list[int] = []  # closed while a run was in flight, which may still write to them
        self._fresh: list[int] = []

    def enter(self, params: VadParams) -> int:
        """Gives a new stream its slot."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._slots
            self._slots += 1
        self.gate.reset(slot, params)
        self._voice_gate.reset(slot, _early(params))
        if self._model is not None:
            self._fresh.append(slot)
        return slot

    def set_params(self, slot: int, params: VadParams) -> None:
        """Changes the parameters of a stream."""
        self.gate.set_params(slot, params)
        self._voice_gate.set_params(slot, _early(params))

    def exit(self, slot: int) -> None:
        """Takes a closed stream's slot back."""
        (self._free if self.flight is None else self._retired).append(slot)
        if slot in self._fresh:
            self._fresh.remove(slot)
        self._count(-1)

    def tick(self) -> None:
        """Scores the waiting windows; Silero only when its last run is done."""
        if self._model is not None:
            if self.pending and self.flight is None:
                self._run()
            return
        while self.pending:  # a window of each stream at a time, until none is left
            self._run()

    def _run(self) -> None:
        streams, windows = self._collect()
        if not streams:
            return
        slots = np.array([stream.slot for stream in streams], np.intp)
        samples = np.frombuffer(b"".join(windows), np.int16).reshape(len(streams), self.window_samples)
        if self._model is None:
            self._decide(streams, slots, self._energy(slots, samples))
            return
        fresh, self._fresh = self._fresh, []
        started = self._clock.now()
        self.flight = asyncio.get_running_loop().run_in_executor(self._worker, self._model.score, slots, fresh, samples)
        self.flight.add_done_callback(lambda flight: self._landed(flight, streams, slots, started))

    def _collect(self) -> tuple[list[VadStream], list[bytes]]:
        """One window of each of the longest waiting streams, at most a batch."""
        streams: list[VadStream] = []
        windows: list[bytes] = []
        pending = self.pending
        while pending and len(streams) < self._max_batch:
            stream = pending.popleft()
            window = self._audible_window(stream) if self._model is not None else stream.take()
            if window is None:
                stream.is_waiting = False
            else:
                streams.append(stream)
                windows.append(window)
        return streams, windows

    def _audible_window(self, stream: VadStream) -> bytes | None:
        """The next window that needs the model: windows of lasting digital silence are taken for what they are."""
        while (window := stream.take()) is not None:
            if audioop.max(window, 2) > SILENCE_PEAK:
                stream.silent_windows = 0
                return window
            stream.silent_windows += 1
            if stream.silent_windows <= SILENT_WINDOWS_SCORED or stream.is_speaking:
                return window
            self._skipped.inc()
        return None

    def _energy(self, slots: Slots, samples: NDArray[np.int16]) -> Scores:
        audio = samples * np.float32(1 / FULL_SCALE)
        rms = np.sqrt(np.einsum("ij,ij->i", audio, audio) / np.float32(self.window_samples))
        return Scores(self.gate.energy_confidence(slots, rms), rms)

    def _landed(self, flight: asyncio.Future[Scores], streams: list[VadStream], slots: Slots, started: float) -> None:
        self.flight = None
        self._batch_size.observe(len(streams))
        self._seconds.observe(self._clock.now() - started)
        error = asyncio.CancelledError() if flight.cancelled() else flight.exception()
        if error is None:
            self._decide(streams, slots, flight.result())
        else:
            self._failed.inc()
            if not self._failing:  # a model that fails once often fails 200 times a second
                _log.error("vad_run_failed", error=repr(error))
            self._requeue(streams)
        self._failing = error is not None
        self._free += self._retired
        self._retired.clear()
        if len(self.pending) >= self._max_batch and self.flight is None:
            self._run()

    def _decide(self, streams: list[VadStream], slots: Slots, scores: Scores) -> None:
        voices = self._voice_gate.step(slots, scores.confidence, scores.rms)
        changed = self.gate.step(slots, scores.confidence, scores.rms)
        self._requeue(streams)
        for place in cast("list[int]", voices.tolist()):
            stream = streams[place]
            if stream.is_open:
                stream.tell_voice(not stream.is_voice)
        for place in cast("list[int]", changed.tolist()):
            stream = streams[place]
            if stream.is_open:
                stream.tell(not stream.is_speaking)

    def _requeue(self, streams: list[VadStream]) -> None:
        pending = self.pending
        for stream in streams:
            if stream.has_window:
                pending.append(stream)
            else:
                stream.is_waiting = False


def _early(params: VadParams) -> VadParams:
    return replace(params, start_s=min(params.start_s, VOICE_START_S), stop_s=min(params.stop_s, VOICE_STOP_S))
