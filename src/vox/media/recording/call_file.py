"""The file of one call's recording: takes what happened in batches, writes what is settled, and never holds more than seconds.

Everything here blocks and belongs into a thread. A batch names times of the call's clock; what it lacks is silence, so a batch
that was left out leaves the rest in its place.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from vox.media import g711
from vox.media.recording import mixing, wav
from vox.media.recording.tracks import SETTLED_S, AgentTrack, CallerTrack
from vox.media.resample import Resampler
from vox.protocols.media_stream import Encoding

PRIVATE_FILE: Final = 0o600
MOST_HELD: Final = 10
"""Batches, of a second each, that wait for another process to close the file."""
PIECE_S: Final = 10.0
"""The longest stretch that is written at once: a side that was silent for hours must not be silence in memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened since the batch before it.

    Attributes:
        until: the time of the call's clock at which the batch ends.
        caller: audio that arrived, s16le at `caller_rate`, and `caller_at` when.
        agent: wire audio that was sent, or how many samples of it were taken back when the far side was told to throw away what
            it had not played; and `agent_at` when.
        caller_rate: of the caller's audio in Hz; 0 where none has come yet.
    """

    until: float
    caller: Sequence[bytes] = ()
    caller_at: Sequence[float] = ()
    agent: Sequence[bytes | int] = ()
    agent_at: Sequence[float] = ()
    caller_rate: int = 0


class CallFile:
    """Writes one recording as a WAV file.

    Args:
        path: of the file, which must not exist yet, unless it `is_continued`; its folder is made.
        began: the time of the call's clock at which the recording begins.
        sample_rate: of the recording in Hz.
        layout: one channel, or one for each side.
        agent_rate: of the agent's wire audio in Hz.
        agent_encoding: of the agent's wire audio.
        agent_delay_s: how much later than it was sent the agent's audio leaves, where a carrier demands large messages.
        lock: takes the open file for this process, where other processes may look for files without a writer.
        is_continued: whether another process has written its beginning.
    """

    def __init__(
        self,
        path: Path,
        *,
        began: float,
        sample_rate: int,
        layout: mixing.Layout,
        agent_rate: int,
        agent_encoding: Encoding,
        agent_delay_s: float = 0.0,
        lock: Callable[[BinaryIO], bool] = lambda _: True,
        is_continued: bool = False,
    ) -> None:
        self._path = path
        self._began = began
        self._sample_rate = sample_rate
        self._layout: mixing.Layout = layout
        self._encoding: Encoding = agent_encoding
        self._agent_delay = round(agent_delay_s * agent_rate)
        self._lock = lock
        self._is_continued = is_continued
        self._held: list[Batch] = []
        self._caller: CallerTrack | None = None
        self._caller_resampler: Resampler | None = None
        self._agent = AgentTrack(agent_rate)
        self._agent_resampler = Resampler(agent_rate, sample_rate)
        self._sides = (bytearray(), bytearray())
        self._written = 0  # samples of each side
        self._file: BinaryIO | None = None

    @property
    def left_out_s(self) -> float:
        """Seconds of the caller's audio that were sent too far ahead of the clock to be kept."""
        return self._caller.left_out / self._caller.sample_rate if self._caller is not None else 0.0

    @property
    def is_foreign(self) -> bool:
        """Whether the file is still that of another process, which is not to be touched."""
        return self._is_continued

    def open(self) -> None:
        """Makes the file with its header, or opens the one that is continued; raises OSError, and UsageError where that is none."""
        if self._is_continued:
            self._continue()
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(self._path, flags, PRIVATE_FILE), "r+b", buffering=0)
        self._lock(self._file)
        self._write(wav.header(self._sample_rate, mixing.channels(self._layout)))

    def _continue(self) -> None:
        """Goes on behind what is there, once no other process writes it; the time between is silence."""
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(self._path, flags), "r+b", buffering=0)
        if not self._lock(self._file):
            self._file.close()
            self._file = None
            return
        self._is_continued = False
        self._written = wav.samples(self._file, self._sample_rate, mixing.channels(self._layout))
        rate = self._agent.sample_rate
        self._agent = AgentTrack(rate, begins=self._written * rate // self._sample_rate)

    def write(self, batch: Batch) -> None:
        """Writes what is settled with this batch; raises OSError, after which only `close` helps."""
        if not self._is_mine(batch):
            return
        self._take_in(batch)
        self._give_out(max(0.0, batch.until - self._began - SETTLED_S), batch.until - self._began)

    def finish(self, batch: Batch) -> None:
        """Writes everything up to the end of the last batch; raises OSError."""
        if not self._is_mine(None):
            raise OSError("another process still writes the recording")
        self._take_in(batch)
        length_s = max(0.0, batch.until - self._began)
        self._give_out(max(0.0, length_s - SETTLED_S), length_s)
        self._give_piece(length_s, length_s, is_last=True)

    def close(self) -> float:
        """Completes the header and has everything on the disk; returns the length in seconds, also of a file that broke off."""
        file, self._file = self._file, None
        if file is None:
            return 0.0
        with file:
            length_s = wav.repair(file)
            os.fsync(file.fileno())
        return length_s

    def _is_mine(self, batch: Batch | None) -> bool:
        """Whether the file is this process's; until the one before has closed it, batches wait here."""
        if self._is_continued:
            self._continue()
        if self._is_continued:
            if batch is not None:
                self._held.append(batch)
            if len(self._held) > MOST_HELD:
                raise OSError("another process still writes the recording")
            return False
        held, self._held = self._held, []
        for earlier in held:
            self._take_in(earlier)
        return True

    def _take_in(self, batch: Batch) -> None:
        began = self._began
        if batch.caller_rate and self._caller is None:
            begins = self._written * batch.caller_rate // self._sample_rate
            self._caller = CallerTrack(batch.caller_rate, begins=begins)
            self._caller_resampler = Resampler(batch.caller_rate, self._sample_rate)
        if self._caller is not None:
            caller, rate = self._caller, self._caller.sample_rate
            for at, pcm in zip(batch.caller_at, batch.caller, strict=True):
                caller.arrive(round((at - began) * rate), pcm)
        agent, rate = self._agent, self._agent.sample_rate
        for at, what in zip(batch.agent_at, batch.agent, strict=True):
            position = round((at - began) * rate)
            if isinstance(what, int):
                agent.clear(position, what)
            else:
                agent.send(position + self._agent_delay, g711.decode(what, self._encoding))

    def _give_out(self, until_s: float, now_s: float) -> None:
        """Writes both sides up to `until_s`, in pieces."""
        given_s = self._written / self._sample_rate
        while (given_s := given_s + PIECE_S) < until_s:
            self._give_piece(given_s, now_s)
        self._give_piece(until_s, now_s)

    def _give_piece(self, until_s: float, now_s: float, *, is_last: bool = False) -> None:
        caller, agent = self._sides
        if self._caller is not None and self._caller_resampler is not None:
            rate = self._caller.sample_rate
            pcm = self._caller.take(round(until_s * rate), round(now_s * rate), is_last=is_last)
            caller += self._caller_resampler.process(pcm, last=is_last)
        pcm = self._agent.take(round(until_s * self._agent.sample_rate))
        agent += self._agent_resampler.process(pcm, last=is_last)
        end = round(until_s * self._sample_rate)
        if is_last:
            count = max(0, end - self._written)
            caller += bytes(max(0, 2 * count - len(caller)))
            agent += bytes(max(0, 2 * count - len(agent)))
        elif self._caller is None:
            caller += bytes(max(0, len(agent) - len(caller)))
            count = len(agent) >> 1
        else:
            count = min(len(caller), len(agent)) >> 1
        if count:
            self._write(mixing.joined(bytes(caller[: 2 * count]), bytes(agent[: 2 * count]), self._layout))
            del caller[: 2 * count], agent[: 2 * count]
            self._written += count

    def _write(self, data: bytes) -> None:
        file = self._file
        if file is None:
            raise OSError("the recording is not open")
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
