"""Keeps the last stretch of audio, so that what was said just before speech was detected is not lost."""

from collections import deque


class PreRoll:
    """The newest `max_bytes` bytes of a stream; older ones fall out. Appending is O(1) amortised.

    For s16le use an even `max_bytes` and whole samples, or `take` may start in the middle of a sample.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def __len__(self) -> int:
        return min(self._size, self._max_bytes)

    def append(self, pcm: bytes) -> None:
        """Adds audio; whatever is then older than the newest `max_bytes` is forgotten."""
        if not pcm:
            return
        chunks = self._chunks
        chunks.append(pcm)
        self._size += len(pcm)
        while self._size - len(chunks[0]) >= self._max_bytes:
            self._size -= len(chunks.popleft())
            if not chunks:  # max_bytes is 0
                return

    def take(self) -> bytes:
        """Returns what is held, oldest first, and starts anew."""
        held = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        excess = len(held) - self._max_bytes
        return held[excess:] if excess > 0 else held
