"""How late the event loop is: the first sign of a process that carries more calls than it can. Pure; the worker feeds it."""

from collections import deque
from typing import Final

EVERY_S: Final = 0.1
WINDOW: Final = 600
"""Measurements that count: the last minute."""


class LoopLag:
    """The delays of a timer over the last minute."""

    def __init__(self) -> None:
        self._lags: deque[float] = deque(maxlen=WINDOW)

    def woke(self, late_s: float) -> None:
        """The timer came so late."""
        self._lags.append(max(0.0, late_s))

    @property
    def p95_ms(self) -> float:
        """The delay that 95 of 100 wake-ups stay below, in milliseconds; 0 before the first."""
        if not self._lags:
            return 0.0
        ordered = sorted(self._lags)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1000
