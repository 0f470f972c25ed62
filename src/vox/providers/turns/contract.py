"""Whether a caller has finished: a model that hears it in the audio of the turn, melody and pace included."""

from types import TracebackType
from typing import Protocol, Self


class TurnEnd(Protocol):
    """A model shared by all calls.

    Attributes:
        context_s: how much of the end of a turn it listens to, in seconds.
    """

    context_s: float

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    async def probability(self, pcm: bytes, sample_rate: int) -> float | None:
        """How likely the turn is over behind this audio, s16le mono up to the pause; None where it cannot tell now.

        The caller sets the deadline.
        """
        ...
