"""When a call ends by itself: after its longest duration, and when the other side has gone silent.

The duration counts from the first audio of the caller, so a client that only types has no end. Silence means no message at
all, while the agent has nothing to say either.
"""

import asyncio
from collections.abc import Callable

from vox.runtime.clock import Clock


class CallLimits:
    """The two timers of one call; all times in seconds, 0 turns a limit off.

    Args:
        clock: the loop's time.
        max_duration_s: longest call.
        max_silence_s: longest time without a message.
        is_busy: whether the agent is speaking.
        on_end: is told why the call should end, `too_long` or `silent_peer`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_duration_s: float,
        max_silence_s: float,
        is_busy: Callable[[], bool],
        on_end: Callable[[str], None],
    ) -> None:
        self.heard_at = clock.now()
        self.has_audio = False
        self._clock = clock
        self._max_duration_s = max_duration_s
        self._max_silence_s = max_silence_s
        self._is_busy = is_busy
        self._on_end = on_end
        self._began_at: float | None = None
        self._duration: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def talked_s(self) -> float | None:
        """Seconds since the caller's first audio; None before it."""
        return None if self._began_at is None else self._clock.now() - self._began_at

    def restore(self, talked_s: float | None) -> None:
        """Counts the time that the call has lasted elsewhere."""
        if talked_s is not None:
            self.has_audio = True
            self._arm(talked_s)

    def open(self) -> None:
        """The call begins."""
        if self._max_silence_s and not self._is_closed:
            self._silence = asyncio.get_running_loop().call_later(self._max_silence_s, self._check_silence)

    def first_audio(self) -> None:
        """The caller's first audio is there."""
        self.has_audio = True
        self._arm(0.0)

    def close(self) -> None:
        """Stops the timers; idempotent."""
        self._is_closed = True
        for timer in (self._duration, self._silence):
            if timer is not None:
                timer.cancel()

    def _arm(self, talked_s: float) -> None:
        self._began_at = self._clock.now() - talked_s
        if self._max_duration_s and self._duration is None and not self._is_closed:
            rest_s = max(0.0, self._max_duration_s - talked_s)
            self._duration = asyncio.get_running_loop().call_later(rest_s, self._on_end, "too_long")

    def _check_silence(self) -> None:
        now = self._clock.now()
        if self._is_busy():
            self.heard_at = now
        rest = self.heard_at + self._max_silence_s - now
        if rest <= 0:
            self._on_end("silent_peer")
        else:
            self._silence = asyncio.get_running_loop().call_later(rest, self._check_silence)
