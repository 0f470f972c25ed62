"""One call's outgoing audio: a bounded queue of wire bytes and the schedule by which its frames leave.

Schedules are counted in ticks of the pacer, so they are integers and cannot drift. `_due` is the tick from which the next
frame may be sent; None between replies. A track is stepped by the pacer (it has "joined") only while there is something
to do for it: an idle call costs nothing.
"""

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import Protocol

from vox.errors import UsageError
from vox.media.framing import padded
from vox.runtime.logging import get_logger
from vox.runtime.metrics import CounterChild

REPLAY_FRAMES = 15
"""Frames that a track can take back after they were sent: 0.3 s, more than the far side has left to play at a hold."""
HISTORY_FRAMES = 60
"""Frames that a track remembers after they were sent: 1.2 s, within which a line's echo of them comes back."""

_log = get_logger(__name__)


class Pace(Protocol):
    """What a track needs of its pacer."""

    phases: int
    lead_ticks: int
    underruns: CounterChild
    refused: CounterChild
    failed: CounterChild

    def present_index(self) -> int:
        """The number of the last tick due by now."""
        ...

    def join(self, track: "PlayoutTrack", index: int) -> int:
        """Steps the track from tick `index` on; returns its phase."""
        ...

    def leave(self, track: "PlayoutTrack", phase: int) -> None:
        """Stops stepping the track."""
        ...

    def count_immediate(self, frames: int) -> None:
        """Counts frames sent outside a tick."""
        ...


class PlayoutTrack:
    """Plays replies to one caller; made by `Pacer.open_track`.

    A reply is `reset()` or `clear()`, any number of `write()`, then `end()`. Positions are bytes of wire audio since the last
    `reset()`. All methods belong to the event loop's thread; callbacks may call any of them.
    """

    def __init__(
        self,
        pace: Pace,
        *,
        frame_bytes: int,
        silence: bytes,
        send: Callable[[bytes], None],
        on_drained: Callable[[], None],
        max_queued_bytes: int,
    ) -> None:
        if frame_bytes < 1 or not silence:
            raise UsageError(
                f"a track of {frame_bytes} bytes a frame and {len(silence)} bytes of silence cannot be played",
                code="invalid_frame_size",
                hint="pass the wire bytes of one frame and of one silent sample",
            )
        self._pace = pace
        self._frame_bytes = frame_bytes
        self._silence = silence
        self._send = send
        self._on_drained = on_drained
        self._max_queued_bytes = max_queued_bytes
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # bytes of the first chunk already sent
        self._queued = 0
        self._sent = 0
        self._replay: deque[bytes] = deque(maxlen=HISTORY_FRAMES)  # the last frames sent, whole ones
        self._marks: list[tuple[int, int, Callable[[], None]]] = []
        self._mark_number = 0
        self._due: int | None = None
        self._drain_at: int | None = None  # the tick at which the ended reply's last frame is over
        self._phase: int | None = None  # set while joined
        self._ended = False
        self._paused = False
        self._open = True
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_open(self) -> bool:
        """False after `close()` or after `send` raised."""
        return self._open

    @property
    def is_paused(self) -> bool:
        """Whether queued audio is held back."""
        return self._paused

    @property
    def sent_bytes(self) -> int:
        """Bytes of audio sent since the last `reset()`; padding does not count."""
        return self._sent

    def recent(self) -> bytes:
        """The last whole frames that were sent, `HISTORY_FRAMES` at most, since audio was last thrown away."""
        return b"".join(self._replay)

    @property
    def queued_bytes(self) -> int:
        """Bytes of audio written and not yet sent."""
        return self._queued

    @property
    def writable(self) -> bool:
        """Whether `write` will take audio."""
        return self._open and self._queued < self._max_queued_bytes

    def write(self, wire: bytes) -> bool:
        """Queues wire audio of any length; the first whole frame of a reply leaves before this returns.

        Returns False, and takes nothing, when the queue holds `max_queued_s` already or the track is closed: await
        `room()` and write again. The queue may exceed its bound by the last write. A write after `end()` goes on
        with the same reply.
        """
        if not self._open or self._queued >= self._max_queued_bytes:
            self._pace.refused.inc()
            return False
        if wire:
            self._chunks.append(wire)
            self._queued += len(wire)
        if self._ended:
            self._ended = False
            if self._drain_at is not None:
                self._drain_at = None
                self._leave()
        if self._phase is None:
            self._start()
        return True

    async def room(self) -> bool:
        """Waits until `write` takes audio (True) or the track is closed (False)."""
        while self._open and self._queued >= self._max_queued_bytes:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        return self._open

    def end(self) -> None:
        """Says that the reply is complete: a last partial frame is padded, and `on_drained` follows its last frame."""
        if not self._open or self._ended:
            return
        self._ended = True
        if self._phase is None:
            self._start()

    def pause(self) -> None:
        """Holds queued audio back from the next frame on; written audio is still taken."""
        self._paused = True
        if self._drain_at is None:
            self._leave()

    def rewind(self, position_bytes: int) -> int:
        """Takes back what was sent behind a position, while paused, to be sent again; returns the position reached.

        Goes back by whole frames, by `REPLAY_FRAMES` at most, never behind the position. What was to be called there was.
        """
        for _ in range(REPLAY_FRAMES):
            if not (self._paused and self._replay and self._sent - len(self._replay[-1]) >= position_bytes):
                break
            frame = self._replay.pop()
            if self._offset:
                self._chunks[0] = self._chunks[0][self._offset :]
                self._offset = 0
            self._chunks.appendleft(frame)
            self._queued += len(frame)
            self._sent -= len(frame)
            if self._drain_at is not None:
                self._drain_at = None
                self._leave()
        return self._sent

    def resume(self) -> None:
        """Goes on after `pause()`: the next frame leaves at once and starts a new schedule."""
        if not self._paused:
            return
        self._paused = False
        if self._drain_at is None:
            self._due = None
            self._start()

    def at(self, position_bytes: int, callback: Callable[[], None]) -> None:
        """Calls `callback` once that many bytes have been sent; at once when they already have.

        Positions that `clear()`, `reset()` or `close()` make unreachable are forgotten without a call.
        """
        if position_bytes <= self._sent:
            callback()
        elif self._open:
            self._mark_number += 1  # keeps marks at one position in order, and callbacks out of the comparison
            insort(self._marks, (position_bytes, self._mark_number, callback))

    def clear(self) -> None:
        """Throws away all audio not sent yet, ends the reply without `on_drained` and lifts a pause."""
        self._chunks.clear()
        self._replay.clear()
        self._offset = 0
        self._queued = 0
        self._marks.clear()
        self._due = None
        self._drain_at = None
        self._ended = False
        self._paused = False
        self._leave()
        self._wake()

    def reset(self) -> None:
        """Clears the track and counts positions from zero again."""
        self.clear()
        self._sent = 0

    def close(self) -> None:
        """Clears the track for good and wakes the tasks that wait for room."""
        self._open = False
        self.clear()

    def step(self, index: int) -> int:
        """Does what is due at tick `index`; returns the number of frames sent (0 or 1). Called by the pacer."""
        if self._drain_at is not None:
            if index >= self._drain_at:
                self._finish()
            return 0
        if self._due is None or self._due > index:
            return 0
        self._due = index + self._pace.phases
        self._send_frame()
        if self._phase is not None:
            self._settle()
        return 1

    def _start(self) -> None:
        """Sends what may leave at once and joins the pacer for the rest."""
        if self._paused or not self._open or (self._queued < self._frame_bytes and not self._ended):
            return
        pace = self._pace
        present = pace.present_index()
        if self._due is None:
            self._due = present - pace.lead_ticks
        elif self._queued and present - (self._due + pace.lead_ticks) > pace.phases:
            pace.underruns.inc()
            self._due = present - pace.lead_ticks
        frames = 0
        while self._may_send(present):
            self._due += pace.phases
            frames += 1
            self._send_frame()
        if frames:
            pace.count_immediate(frames)
        if self._phase is None:
            self._settle()

    def _settle(self) -> None:
        """After sending: joins or leaves the pacer, as there is more to do or not."""
        if not self._open or self._due is None or self._paused:
            self._leave()
        elif self._has_frame():
            if self._phase is None:
                self._phase = self._pace.join(self, self._due)
        elif self._ended:
            self._leave()
            self._drain_at = max(self._due + self._pace.lead_ticks, self._pace.present_index() + 1)
            self._phase = self._pace.join(self, self._drain_at)
        else:
            self._leave()

    def _finish(self) -> None:
        self._leave()
        self._due = None
        self._drain_at = None
        self._ended = False
        try:
            self._on_drained()
        except Exception:  # noqa: BLE001  the top of one call's callback: the other calls go on
            _log.exception("playout_drained_callback_failed")

    def _leave(self) -> None:
        if self._phase is not None:
            self._pace.leave(self, self._phase)
            self._phase = None

    def _may_send(self, present: int) -> bool:
        return self._due is not None and self._due <= present and self._has_frame() and not self._paused

    def _has_frame(self) -> bool:
        return self._queued >= self._frame_bytes or (self._ended and self._queued > 0)

    def _send_frame(self) -> None:
        size, before = self._frame_bytes, self._sent
        chunk = self._chunks[0]
        end = self._offset + size
        if end < len(chunk):
            frame = chunk[self._offset : end]
            self._offset = end
            self._queued -= size
            self._sent += size
        else:
            frame = self._gather(size)
        self._replay.append(frame if self._sent - before == size else frame[: self._sent - before])
        try:
            self._send(frame)
        except Exception:  # noqa: BLE001  the top of one call's transport: the other calls go on
            _log.exception("playout_send_failed")
            self._pace.failed.inc()
            self.close()
            return
        if self._waiting and self._queued < self._max_queued_bytes:
            self._wake()
        marks = self._marks
        while marks and marks[0][0] <= self._sent:
            callback = marks.pop(0)[2]
            try:
                callback()
            except Exception:  # noqa: BLE001  the top of one call's callback
                _log.exception("playout_mark_callback_failed")

    def _gather(self, size: int) -> bytes:
        """A frame that reaches the end of the first chunk, or beyond; padded when the queue ends inside it."""
        pieces: list[bytes] = []
        missing = min(size, self._queued)
        self._queued -= missing
        self._sent += missing
        while missing:
            chunk = self._chunks[0]
            piece = chunk[self._offset : self._offset + missing]
            pieces.append(piece)
            missing -= len(piece)
            self._offset += len(piece)
            if self._offset == len(chunk):
                self._chunks.popleft()
                self._offset = 0
        return padded(b"".join(pieces), size, self._silence)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
