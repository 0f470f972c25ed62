"""How many, how often: connections per address, refused tokens, and typing per channel. Pure; everything is bounded by what is connected."""

from collections import deque
from typing import Final

MAX_ADDRESSES: Final = 100_000
"""Addresses whose refused tokens are remembered; the oldest is forgotten first."""


class AuthFailures:
    """Refused tokens by address within a sliding period.

    Args:
        limit: how many send an address away.
        period_s: the period.
    """

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit = limit
        self._period_s = period_s
        self._times: dict[str, deque[float]] = {}

    def add(self, address: str, now: float) -> None:
        """A token of this address was refused."""
        times = self._times.pop(address, None) or deque(maxlen=self._limit)
        times.append(now)
        self._times[address] = times
        if len(self._times) > MAX_ADDRESSES:
            del self._times[next(iter(self._times))]

    def is_too_many(self, address: str, now: float) -> bool:
        """Whether an address has had its chances."""
        times = self._times.get(address)
        return times is not None and len(times) == self._limit and now - times[0] < self._period_s

    def sweep(self, now: float) -> None:
        """Forgets what is over."""
        for address in [one for one, times in self._times.items() if now - times[-1] >= self._period_s]:
            del self._times[address]


class TypingPauses:
    """One typing_start per user and channel in an interval.

    Args:
        interval_s: the interval.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._until: dict[tuple[int, str, int], float] = {}

    def take(self, user_id: int, kind: str, channel_id: int, now: float) -> bool:
        """Whether a user may be shown as typing there now; if so, not again for the interval."""
        key = (user_id, kind, channel_id)
        if self._until.get(key, now) > now:
            return False
        self._until[key] = now + self._interval_s
        return True

    def sweep(self, now: float) -> None:
        """Forgets what is over."""
        if self._until:
            self._until = {key: until for key, until in self._until.items() if until > now}
