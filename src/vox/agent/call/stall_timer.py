"""Notices that a model stops in the middle of a sentence, so that its words are spoken as far as they go."""

import asyncio
from collections.abc import Callable
from typing import Final

STALL_S: Final = 0.8
"""A model that says nothing for so long has stopped."""
STALL_CHECK_S: Final = 0.1


class StallTimer:
    """Calls `release` once nothing has come for `STALL_S`, and again soon where it says that there may be more."""

    def __init__(self, release: Callable[[], bool]) -> None:
        self._release = release
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """Something came: the time begins anew."""
        self._wait(STALL_S)

    def cancel(self) -> None:
        """Nothing is to be released any more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._fire)

    def _fire(self) -> None:
        if not self._release():
            self._wait(STALL_CHECK_S)
