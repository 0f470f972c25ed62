"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from vox.runtime.clock import Clock

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock(Clock):
    """Implements `vox.runtime.clock.Clock`; both of its clocks move together, by `advance` only."""

    def __init__(self, now_s: float = 1000.0, wall: datetime = EPOCH) -> None:
        self._now_s = now_s
        self._wall = wall

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return self._now_s

    def wall(self) -> datetime:
        """The present time in UTC."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Moves both clocks forward; time never goes back."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._now_s += seconds
        self._wall += timedelta(seconds=seconds)
