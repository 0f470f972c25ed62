"""Progress of a long command: one line that changes on a terminal, a line for every tenth elsewhere; on standard error."""

import sys
from typing import Final, TextIO

WIDTH: Final = 30


class ProgressLine:
    """Shows how far a command is; any thread may tell it.

    Args:
        out: standard error where it is not given.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty()
        self._last: tuple[str, int] = ("", -1)
        self._is_open = False

    def show(self, what: str, done: int, total: int) -> None:
        """Shows a step.

        Args:
            what: is being done.
            done: how much of it is done.
            total: how much there is; more may turn up.
        """
        share = min(1.0, done / total) if total > 0 else 1.0
        step = int(share * (100 if self._is_terminal else 10))
        if (what, step) == self._last:
            return
        if what != self._last[0]:
            self.end()
        self._last = (what, step)
        if self._is_terminal:
            bar = ("█" * round(share * WIDTH)).ljust(WIDTH, "░")
            self._out.write(f"\r\x1b[K{what:<14} {bar} {share:4.0%}  {done:,} of {total:,}")
            self._is_open = True
        else:
            self._out.write(f"{what}: {share:.0%}, {done:,} of {total:,}\n")
        self._out.flush()

    def end(self) -> None:
        """Leaves the line."""
        if self._is_open:
            self._out.write("\n")
            self._out.flush()
            self._is_open = False
