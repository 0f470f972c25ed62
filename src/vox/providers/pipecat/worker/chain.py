"""One Pipecat service between a source and a sink: the least of Pipecat in which a service runs.

What comes out of the service is seen at once and in order, because source and sink have no queues of their own.
"""

# pyright: reportUnknownMemberType=false
# Pipecat is not installed where types are checked (library.py), so that what its classes hand down has no type.

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from vox.providers.pipecat.worker import library

CLOSE_TIMEOUT_S = 5.0
NS_PER_S = 1_000_000_000
_AGE_NS = 3600 * NS_PER_S


class Marker(library.ControlFrame):
    """Travels behind a request, and comes out when the service has done with it."""


class RequestClock(library.BaseClock):
    """Pipecat's time, which stands still within a request: a word's time then counts from the beginning of its sentence."""

    def __init__(self) -> None:
        self._requests = 0

    def get_time(self) -> int:
        """Nanoseconds."""
        return self._requests * _AGE_NS

    def start(self) -> None:
        """Nothing to start."""

    def next_request(self) -> None:
        """A new request begins."""
        self._requests += 1

    def since_request_s(self, presentation_ns: int) -> float:
        """Seconds from the beginning of the request to that time."""
        return max(0.0, (presentation_ns - self.get_time()) / NS_PER_S)


class _Source(library.FrameProcessor):
    """Stands before the service, and sees the errors that come back."""

    def __init__(self, on_frame: Callable[[Any], None]) -> None:
        super().__init__(enable_direct_mode=True)
        self._on_frame = on_frame

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Hands errors over, and everything on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, library.ErrorFrame):
            self._on_frame(frame)
        await self.push_frame(frame, direction)


class _Sink(library.FrameProcessor):
    """Stands behind the service, and sees what it makes."""

    def __init__(self, on_frame: Callable[[Any], None]) -> None:
        super().__init__(enable_direct_mode=True)
        self._on_frame = on_frame

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Hands frames over, and on; audio goes no further, because nothing here plays it."""
        await super().process_frame(frame, direction)
        if direction is library.FrameDirection.DOWNSTREAM:
            self._on_frame(frame)
        if not isinstance(frame, library.AudioRawFrame):
            await self.push_frame(frame, direction)


class Chain:
    """A running pipeline of one service.

    Args:
        service: the service, which is the chain's from now on.
        sample_rate: of the audio, in and out, in Hz.
        on_frame: gets each frame that comes out of the service, results and errors alike.
        on_end: is called when the pipeline ends by itself.
    """

    def __init__(
        self, service: Any, sample_rate: int, on_frame: Callable[[Any], None], on_end: Callable[[], None]
    ) -> None:
        self.clock = RequestClock()
        self._started = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._on_end = on_end
        self._worker: Any = library.PipelineWorker(
            library.Pipeline([_Source(on_frame), service, _Sink(on_frame)]),
            params=library.PipelineParams(
                audio_in_sample_rate=sample_rate,
                audio_out_sample_rate=sample_rate,
                enable_usage_metrics=True,
                send_initial_empty_metrics=False,
            ),
            cancel_on_idle_timeout=False,
            check_dangling_tasks=False,
            clock=self.clock,
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        self._worker.add_event_handler("on_pipeline_started", self._begun)
        self._worker.add_event_handler("on_pipeline_finished", self._over)

    async def open(self) -> None:
        """Starts the service and returns when it is up; the caller sets the deadline."""
        runner = library.WorkerRunner(
            handle_sigint=False, check_dangling_tasks=False
        )  # one for all would keep every worker
        await runner.add_workers(self._worker)
        self._running = asyncio.create_task(runner.run())
        await self._started.wait()

    async def queue(self, *frames: Any) -> None:
        """Gives frames to the service."""
        for frame in frames:
            await self._worker.queue_frame(frame)

    async def close(self) -> None:
        """Ends the service, by force where it does not end in time."""
        self._on_end = _nothing
        if self._running is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._worker.cancel()
                await asyncio.wait((self._running,))
        self._running.cancel()
        await asyncio.wait((self._running,), timeout=CLOSE_TIMEOUT_S)

    async def _begun(self, _worker: Any, _frame: Any) -> None:
        self._started.set()

    async def _over(self, _worker: Any, _frame: Any) -> None:
        self._on_end()


def _nothing() -> None:
    return
