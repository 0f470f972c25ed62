"""How fast one client may ask: a bucket that fills at a rate. Pure."""


class Allowance:
    """A token bucket.

    Args:
        rate: per second.
        burst: at once.
        now: on the clock.
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Takes one, or says that there is none."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
