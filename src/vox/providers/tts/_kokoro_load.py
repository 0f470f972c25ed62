"""How many calls can be spoken to at a time, from how long speech takes on this machine now. Pure."""

from dataclasses import dataclass
from typing import Literal

SHARE_OF_TALK = 0.5
"""Share of a call's time in which the agent speaks."""
FULL_SHARE = 0.9
"""Share of a worker's time that may be planned; the rest is for clauses that come at the same moment."""
SLOWEST = 1.0
"""Seconds per second of speech from which on even one voice would stutter."""
MEMORY_S = 20.0
"""Seconds of speech over which the measurement is averaged."""

Reason = Literal["slow", "full", "busy"]


@dataclass(slots=True)
class LoadMeter:
    """Measures seconds of work per second of speech, averaged over the last `MEMORY_S` of speech."""

    real_time_factor: float = 0.0
    _weight_s: float = 0.0

    def measured(self, factor: float) -> None:
        """A fresh measurement of an idle worker, which counts more than what was."""
        self.real_time_factor, self._weight_s = factor, 2.0

    def spoken(self, elapsed_s: float, audio_s: float) -> None:
        """A piece of speech and how long it took."""
        if audio_s <= 0.0:
            return
        kept = max(0.0, min(self._weight_s, MEMORY_S - audio_s))
        self.real_time_factor = (self.real_time_factor * kept + elapsed_s) / (kept + audio_s)
        self._weight_s = kept + audio_s

    def capacity(self, workers: int) -> int:
        """Calls that can be spoken to at a time; at least one, unless the machine is too slow for any."""
        if self.real_time_factor <= 0.0 or self.real_time_factor > SLOWEST:
            return 0
        return max(1, int(workers * FULL_SHARE / (self.real_time_factor * SHARE_OF_TALK)))

    def why_full(self, workers: int, calls: int, running: int) -> Reason | None:
        """Why one more call would be one too many; None where it would not.

        Args:
            workers: that speak.
            calls: that have this voice already.
            running: sentences being spoken or waiting.
        """
        capacity = self.capacity(workers)
        if not capacity:
            return "slow"
        if calls >= capacity:
            return "full"
        return "busy" if running > workers else None
