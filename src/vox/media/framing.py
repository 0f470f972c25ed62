"""Cuts a stream of odd chunks into frames of one size: the 20 ms grid behind every transport."""

from vox.errors import UsageError


class Grid:
    """Collects bytes and hands them out in frames of `frame_bytes`.

    A push yields at most `max_frames` frames. When a peer sends more at once (after a network stall, say), the oldest
    frames of that push are dropped and counted in `dropped_frames`, so that a burst costs bounded memory and delay.
    """

    def __init__(self, frame_bytes: int, max_frames: int) -> None:
        if frame_bytes < 1 or max_frames < 1:
            raise UsageError(
                f"a grid of {max_frames} frames of {frame_bytes} bytes cannot hold audio",
                code="invalid_frame_size",
                hint="frame_bytes and max_frames must be at least 1",
            )
        self._frame_bytes = frame_bytes
        self._max_frames = max_frames
        self._rest = b""
        self.dropped_frames = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame; always less than a frame."""
        return len(self._rest)

    def push(self, data: bytes) -> list[bytes]:
        """Adds bytes and returns the frames that are now complete, oldest first."""
        size = self._frame_bytes
        if not self._rest:
            if len(data) == size:  # what almost every peer sends: exactly a frame
                return [data]
        else:
            data = self._rest + data
        whole = len(data) // size
        self._rest = data[whole * size :]
        first = 0
        if whole > self._max_frames:
            first = whole - self._max_frames
            self.dropped_frames += first
        return [data[index * size : (index + 1) * size] for index in range(first, whole)]

    def flush(self, silence: bytes) -> bytes | None:
        """Returns the unfinished frame filled up with `silence` (one silent sample), or None when there is none."""
        if not self._rest:
            return None
        frame = padded(self._rest, self._frame_bytes, silence)
        self._rest = b""
        return frame


def padded(audio: bytes, size: int, silence: bytes) -> bytes:
    """`audio` filled up with whole silent samples to `size` bytes."""
    missing = size - len(audio)
    return audio + (silence * (missing // len(silence) + 1))[:missing] if missing > 0 else audio
