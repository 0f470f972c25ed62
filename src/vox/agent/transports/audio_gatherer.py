"""Gathers frames of 20 ms into the larger messages that a carrier demands (Exotel).

Marks keep their place behind the audio. When no frame has come for `IDLE_S`, the agent has stopped speaking: what is
gathered leaves, and the codec fills it up with silence.
"""

import asyncio
from collections.abc import Callable
from typing import Final

FRAME_S: Final = 0.02
IDLE_S: Final = 0.06  # three frames: a pause in the agent's speech, not a late frame


class AudioGatherer:
    """The way out of one call.

    Args:
        min_bytes: what one message must hold.
        send_audio: sends one message of audio.
        send_mark: sends a mark.
    """

    def __init__(self, min_bytes: int, send_audio: Callable[[bytes], None], send_mark: Callable[[str], None]) -> None:
        self._min_bytes = min_bytes
        self._send_audio = send_audio
        self._send_mark = send_mark
        self._gathered = bytearray()
        self._marks: list[str] = []
        self._last_frame_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def delay_s(self, bytes_per_second: int) -> float:
        """How long the first of the gathered frames waits, in audio of this rate."""
        return max(0.0, self._min_bytes / bytes_per_second - FRAME_S)

    def audio(self, frame: bytes) -> None:
        """One more frame."""
        self._gathered += frame
        if len(self._gathered) >= self._min_bytes:
            self.flush()
            return
        loop = asyncio.get_running_loop()
        self._last_frame_at = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(IDLE_S, self._look)

    def mark(self, name: str) -> None:
        """A mark behind the frames so far."""
        if self._gathered:
            self._marks.append(name)
        else:
            self._send_mark(name)

    def flush(self) -> None:
        """Sends what is gathered."""
        gathered, marks = bytes(self._gathered), self._marks
        self.clear()
        if gathered:
            self._send_audio(gathered)
        for name in marks:
            self._send_mark(name)

    def clear(self) -> None:
        """Throws away what is gathered; also at the end of the call."""
        self._gathered.clear()
        self._marks = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._last_frame_at + IDLE_S
        if loop.time() >= due - 1e-6:
            self._timer = None
            self.flush()
        else:
            self._timer = loop.call_at(due, self._look)
