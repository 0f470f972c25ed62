"""Puts numbered audio in order, for carriers that do not promise it (Telnyx).

What comes in order passes at once. What comes early waits for what is missing, at most for `window` later ones: a lost
message delays the audio behind it by that much, once.
"""

from typing import Final

WINDOW: Final = 5  # 100 ms of 20 ms messages
RESTART: Final = 50  # a number so far behind is not late, the count began anew


class ReorderBuffer:
    """The audio of one stream by its numbers.

    Args:
        window: how many messages may wait for a missing one.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._next: int | None = None
        self._waiting: dict[int, bytes] = {}
        self.late = 0
        """Messages thrown away, because what follows them had been passed on."""

    def put(self, number: int, payload: bytes) -> list[bytes]:
        """What can be passed on now, in order."""
        if self._next is None or self._next - number > RESTART:
            self._next = number
            self._waiting.clear()
        if number < self._next:
            self.late += 1
            return []
        if number == self._next and not self._waiting:  # the usual case
            self._next += 1
            return [payload]
        self._waiting[number] = payload
        return self._passed_on(keep=self._window)

    def flush(self) -> list[bytes]:
        """Everything that waits, in order; for the end of the stream."""
        return self._passed_on(keep=0)

    def _passed_on(self, *, keep: int) -> list[bytes]:
        found: list[bytes] = []
        while self._waiting:
            if self._next not in self._waiting:
                if len(self._waiting) <= keep:
                    break
                self._next = min(self._waiting)
            found.append(self._waiting.pop(self._next))
            self._next += 1
        return found
