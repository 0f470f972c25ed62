"""Which piece of which text a worker speaks next. Pure.

Texts are spoken by turns, piece by piece: first the one whose listener runs out of audio first. A text that has just come has
none, so its first clause goes before another text's third sentence. What is only prepared waits for all of them.
"""

from dataclasses import dataclass, field

from vox.providers.tts._kokoro_frames import Say
from vox.providers.tts._kokoro_text import Run


@dataclass(slots=True)
class Job:
    """A text on its way; `runs` is None until it is planned."""

    order: Say
    since: float
    runs: list[Run] | None = None
    next_run: int = 0
    audio_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all of it is spoken."""
        return self.runs is not None and self.next_run >= len(self.runs)

    @property
    def runs_out_at(self) -> tuple[bool, float]:
        """When the listener has heard all there is; what is only prepared comes behind that."""
        return self.order.is_background, self.since + self.audio_s


@dataclass(slots=True)
class SpeechQueue:
    """The texts that a worker has been asked for."""

    jobs: dict[int, Job] = field(default_factory=dict[int, Job])

    def add(self, order: Say, now: float) -> None:
        """Notes a text."""
        self.jobs[order.number] = Job(order, now)

    def remove(self, number: int) -> None:
        """Forgets a text."""
        self.jobs.pop(number, None)

    def next(self) -> Job | None:
        """The text to go on with."""
        return min(self.jobs.values(), key=lambda job: job.runs_out_at, default=None)
