"""One call's recording as the call sees it: it notes what was heard and sent, and hands a second of it at a time to a thread.

What runs for each frame is two appends and a comparison. Nothing here fails or waits: a recording that cannot go on ends, and the
call goes on without it.
"""

from collections.abc import Callable
from itertools import count
from typing import Final, Protocol

from vox.media import g711
from vox.media.recording.call_file import Batch
from vox.protocols.media_stream import Encoding
from vox.runtime.clock import Clock

FLUSH_S: Final = 1.0
MOST_OUTSTANDING: Final = 30
"""Batches of one call that may wait for the disk; what comes then is left out, and is silence in the recording."""
_GOLDEN: Final = 0.618034
_numbers = count()


class Writer(Protocol):
    """What takes the batches of one call, in threads of its own; none of it waits."""

    def write(self, batch: Batch) -> None:
        """Writes a batch behind those before it."""
        ...

    def finish(self, batch: Batch | None) -> None:
        """Writes the last batch and completes the file; None where the recording had broken off."""
        ...

    def leave(self, batch: Batch | None, on_left: Callable[[], None]) -> None:
        """Writes the last batch and leaves the file to another process; `on_left` is called on the loop then."""
        ...

    def left_out(self, seconds: float) -> None:
        """Takes note that so much of the call is missing."""
        ...

    @property
    def outstanding(self) -> int:
        """How many batches wait."""
        ...

    @property
    def is_broken(self) -> bool:
        """Whether writing has failed for good."""
        ...


class Recorder:
    """Notes one call's audio. Made by `Recordings.begin`.

    Args:
        writer: takes the batches.
        clock: the call's.
        agent_encoding: of the agent's wire audio.
        on_closed: called once, with this recorder.
        part: the name of its file, by which another process finds it.
    """

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        agent_encoding: Encoding,
        on_closed: Callable[["Recorder"], None],
        *,
        part: str = "",
    ) -> None:
        self.part = part
        self._writer = writer
        self._now = clock.now
        self._on_closed = on_closed
        self._silent_sample = g711.silence(agent_encoding)
        self._sample_bytes = g711.sample_bytes(agent_encoding)
        self._caller_rate = 0
        self._caller: list[bytes] = []
        self._caller_at: list[float] = []
        self._agent: list[bytes | int] = []
        self._agent_at: list[float] = []
        self._is_paused = self._is_closed = False
        self._last_flush = self._now()
        # Calls that began together must not all be written together.
        self._flush_at = self._last_flush + FLUSH_S * (0.5 + next(_numbers) * _GOLDEN % 1.0)

    @property
    def is_paused(self) -> bool:
        """Whether silence is recorded instead of the call."""
        return self._is_paused

    @property
    def is_recording(self) -> bool:
        """Whether the recording goes on, paused or not."""
        return not self._is_closed and not self._writer.is_broken

    def listen(self, sample_rate: int) -> None:
        """The caller's audio will come at this rate."""
        self._caller_rate = sample_rate

    def heard(self, pcm: bytes) -> None:
        """Audio of the caller arrived, s16le at the rate of `listen`."""
        now = self._now()
        if now >= self._flush_at:
            self._flush(now)
        self._caller.append(bytes(len(pcm)) if self._is_paused else pcm)
        self._caller_at.append(now)

    def sent(self, frame: bytes) -> None:
        """Audio of the agent went out, as it stands on the wire."""
        now = self._now()
        if now >= self._flush_at:
            self._flush(now)
        self._agent.append(self._silence(len(frame)) if self._is_paused else frame)
        self._agent_at.append(now)

    def cleared(self, taken_back: int = 0) -> None:
        """The far side was told to throw away what it has not played; so many wire bytes of it will be sent again."""
        self._agent.append(taken_back // self._sample_bytes)
        self._agent_at.append(self._now())

    def pause(self) -> None:
        """Records silence from now on, so that the rest stays in its place."""
        self._is_paused = True

    def resume(self) -> None:
        """Records the call again."""
        self._is_paused = False

    def close(self) -> None:
        """Ends the recording here; idempotent."""
        if not self._is_closed:
            self._writer.finish(self._last_batch())
            self._on_closed(self)

    def leave(self, on_left: Callable[[], None]) -> None:
        """Ends the recording in this process, for another one to go on with the file once `on_left` was called."""
        if self._is_closed:
            on_left()
        else:
            self._writer.leave(self._last_batch(), on_left)
            self._on_closed(self)

    def _last_batch(self) -> Batch | None:
        self._is_closed = True
        self._flush_at = float("inf")
        return None if self._writer.is_broken else self._batch(self._now())

    def _flush(self, now: float) -> None:
        """Hands on what came so far, before what came now: after a long silence that lets the writer write it in pieces."""
        batch = self._batch(now)
        writer = self._writer
        if not self.is_recording:
            self._flush_at = now + FLUSH_S
        elif writer.outstanding >= MOST_OUTSTANDING:
            writer.left_out(now - self._last_flush)
        else:
            writer.write(batch)
        self._last_flush, self._flush_at = now, now + FLUSH_S

    def _batch(self, now: float) -> Batch:
        batch = Batch(now, self._caller, self._caller_at, self._agent, self._agent_at, self._caller_rate)
        self._caller, self._caller_at, self._agent, self._agent_at = [], [], [], []
        return batch

    def _silence(self, size: int) -> bytes:
        return self._silent_sample * (size // self._sample_bytes)
