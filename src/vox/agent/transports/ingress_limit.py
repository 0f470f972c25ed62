"""How much one connection may send: enough for any microphone, too little to keep a server busy.

A message costs its length and a little more for being one; what is no audio costs much more, because it may begin a turn:
a model is asked, a voice made, and a millisecond of everybody's time is gone. Who sends beyond the allowance is closed, because audio that
comes faster than anybody speaks is no call, and everybody else's frames wait while it is read.
"""

BYTES_PER_SECOND = 1 << 19
"""48 kHz stereo as base64 needs half of it."""
BURST_BYTES = 4 << 20
"""A recording of two minutes at 16 kHz, sent at once."""
MESSAGE_BYTES = 128
EVENT_BYTES = 1 << 16
"""For a text, a key, a mark: 64 at once, then eight a second."""


class IngressBudget:
    """One connection's budget, refilled as time passes; `now` in seconds of any clock."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float) -> None:
        self._left = float(BURST_BYTES)
        self._at = now

    def spend(self, size: int, now: float) -> bool:
        """Whether a message of so many bytes (or characters) is still within the budget."""
        left = self._left + (now - self._at) * BYTES_PER_SECOND - size - MESSAGE_BYTES
        self._at = now
        self._left = min(left, BURST_BYTES)
        return left >= 0
