"""The echo of a telephone line: the caller's side carries what the agent said, later and quieter."""

import audioop
from collections import deque

TICK_S = 0.02


class LineEcho:
    """One call's echo.

    Args:
        level_db: of the echo against what the agent said.
        delay_s: until it comes back.
    """

    def __init__(self, *, level_db: float = -12.0, delay_s: float = 0.16) -> None:
        self._factor = 10 ** (level_db / 20)
        self._line: deque[bytes] = deque()
        self._ticks = round(delay_s / TICK_S)

    def mixed(self, spoken: bytes, heard: bytes) -> bytes:
        """A frame of the caller with what comes back of the agent; both s16le of one length."""
        self._line.append(heard)
        if len(self._line) <= self._ticks:
            return spoken
        return audioop.add(spoken, audioop.mul(self._line.popleft(), 2, self._factor), 2)
