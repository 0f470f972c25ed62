"""How many calls a recogniser can serve, from what its texts cost: CPU seconds per second of speech. Pure."""

from dataclasses import dataclass
from typing import Final

SHARE: Final = 0.7
"""Of the cores that recognition may use, how much it may fill; the rest is for the moments when all talk at once."""
TALK_SHARE: Final = 0.5
"""How much of a call its caller talks."""
FIRST_FACTOR: Final = 0.25
"""CPU seconds per second of speech before anything was measured: Whisper tiny with interim texts, on a core of 2024."""
MAX_WAIT_S: Final = 1.5
"""A text that comes later than this after the end of the speech shows that the machine is busy with other things."""
MIN_AUDIO_S: Final = 1.0
"""Shorter speech costs as much as this does."""
SMOOTHING: Final = 0.2


@dataclass(frozen=True, slots=True)
class Cost:
    """What one utterance cost, in seconds: of audio, of one core, and of waiting for its text."""

    audio_s: float
    cpu_s: float
    wait_s: float


class Capacity:
    """Follows what texts cost.

    Args:
        cores: that recognition may use.
    """

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self.factor = FIRST_FACTOR
        self.wait_s = 0.0

    def observe(self, cost: Cost) -> None:
        """Takes what one utterance cost."""
        factor = cost.cpu_s / max(MIN_AUDIO_S, cost.audio_s)
        self.factor += SMOOTHING * (factor - self.factor)
        self.wait_s += SMOOTHING * (cost.wait_s - self.wait_s)

    @property
    def calls(self) -> int:
        """How many calls there may be at a time; at least one."""
        return max(1, int(self._cores * SHARE / (self.factor * TALK_SHARE)))

    def admits(self, calls: int) -> bool:
        """Whether one more call may join so many."""
        return calls == 0 or (calls < self.calls and self.wait_s <= MAX_WAIT_S)
