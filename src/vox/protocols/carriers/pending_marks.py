"""Marks on their way, for carriers that forget them when they clear (Plivo, Vonage).

The event `MarkReached` promises an answer for audio that was thrown away too; these carriers acknowledge only the
clear itself, so our side remembers what it asked for.
"""

from vox.protocols.media_stream import MarkReached, StreamEvent


class PendingMarks:
    """Names of marks sent and not yet answered, oldest first; beyond `limit` the oldest is forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent: dict[str, bool] = {}  # name -> whether a clear was sent after it

    def sent(self, name: str) -> None:
        """A mark goes out."""
        self._sent[name] = False
        if len(self._sent) > self._limit:
            del self._sent[next(iter(self._sent))]

    def reached(self, name: str) -> None:
        """The carrier answered a mark."""
        self._sent.pop(name, None)

    def clearing(self) -> None:
        """A clear goes out: what is pending now will not be played."""
        self._sent = dict.fromkeys(self._sent, True)

    def cleared(self) -> list[StreamEvent]:
        """The carrier acknowledged a clear: the marks it threw away."""
        thrown = [name for name, is_void in self._sent.items() if is_void]
        for name in thrown:
            del self._sent[name]
        return [MarkReached(name) for name in thrown]
