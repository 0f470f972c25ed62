"""What the far end of a call does with the audio it is sent: plays it in real time from a queue.

Two models, both without a clock of their own. `PlayoutQueue` is a carrier's: it plays, reaches marks, clears.
`PlayoutDeadline` only knows whether a frame came too late for a buffer of 20 ms; the load generator keeps one per call.
"""

from collections import deque


class PlayoutQueue:
    """A carrier's playout buffer over s16le mono audio.

    Audio beyond `max_queued_s` is dropped and counted in `dropped_bytes`; a mark stays behind the audio it followed.
    """

    def __init__(self, sample_rate: int, *, max_queued_s: float = 300.0, max_marks: int = 10_000) -> None:
        self.dropped_bytes = 0
        self._max_bytes = int(max_queued_s * sample_rate) * 2
        self._max_marks = max_marks
        self._audio = bytearray()
        self._played_bytes = 0
        self._marks: deque[tuple[int, str]] = deque()

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be played."""
        return len(self._audio)

    def push(self, pcm: bytes) -> None:
        """Queues audio behind what is there."""
        room = max(0, self._max_bytes - len(self._audio))
        self.dropped_bytes += max(0, len(pcm) - room)
        self._audio += pcm[:room]

    def mark(self, name: str) -> None:
        """Asks to be told when everything queued so far was played; marks beyond the bound are dropped."""
        if len(self._marks) < self._max_marks:
            self._marks.append((self._played_bytes + len(self._audio), name))

    def play(self, size: int) -> tuple[bytes, list[str]]:
        """Plays the next `size` bytes, silence where the queue is dry; returns them and the marks now reached."""
        heard = bytes(self._audio[:size])
        del self._audio[:size]
        self._played_bytes += len(heard)
        reached = list[str]()
        while self._marks and self._marks[0][0] <= self._played_bytes:
            reached.append(self._marks.popleft()[1])
        return heard.ljust(size, b"\0"), reached

    def clear(self) -> list[str]:
        """Throws away what was not played; returns the marks that went with it."""
        self._audio.clear()
        thrown = [name for _, name in self._marks]
        self._marks.clear()
        return thrown


class PlayoutDeadline:
    """When the next frame of a reply has to be there, for a client that starts `buffer_s` after the first one.

    After an underrun the client plays the late frame as it comes, so the clock shifts by the lateness: one stall makes
    one late frame, and a server that falls steadily behind is late with every frame.
    """

    __slots__ = ("_buffer_s", "_due")

    def __init__(self, buffer_s: float = 0.020) -> None:
        self._buffer_s = buffer_s
        self._due = 0.0

    def restart(self) -> None:
        """The next frame is the first of a reply."""
        self._due = 0.0

    @property
    def ends_at(self) -> float:
        """When the audio that has arrived will have been played; 0 before the first frame."""
        return self._due

    def arrived(self, now: float, duration_s: float) -> float:
        """Notes a frame and returns how late it is in seconds; 0 or less is in time."""
        if not self._due:
            self._due = now + self._buffer_s
        lateness_s = now - self._due
        if lateness_s > 0:
            self._due = now
        self._due += duration_s
        return lateness_s
