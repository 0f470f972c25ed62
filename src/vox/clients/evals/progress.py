"""How far a run is: one line that is redrawn on a terminal, and a line for each scenario that is over everywhere else."""

import shutil
from typing import Final, TextIO

from vox.clients.evals.runner import EvalResult

_BAR: Final = 20
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Writes to a stream; on a terminal the bar stands below the lines of what is over.

    Args:
        total: how many scenarios run.
        out: where the lines go.
        is_verbose: whether the lines of scenarios that passed say what was checked.
    """

    def __init__(self, total: int, out: TextIO, *, is_verbose: bool = False) -> None:
        self._total = total
        self._out = out
        self._is_verbose = is_verbose
        self._is_terminal = out.isatty()
        self._running: list[str] = []
        self._done = self._failed = 0

    def began(self, name: str) -> None:
        """A scenario begins."""
        self._running.append(name)
        self._draw()

    def ended(self, result: EvalResult) -> None:
        """A scenario is over."""
        self._running.remove(result.name)
        self._done += 1
        self._failed += not result.passed
        lines = [
            f"{'passed' if result.passed else 'FAILED'}  {result.name} ({result.transport}, {result.duration_s:.1f} s)"
        ]
        shown = [str(check) for check in result.checks] if self._is_verbose and result.passed else result.failures
        lines += [f"        {line}" for line in shown]
        self._out.write((_CLEAR if self._is_terminal else "") + "\n".join(lines) + "\n")
        self._draw()

    def close(self) -> None:
        """Takes the bar away."""
        if self._is_terminal:
            self._out.write(_CLEAR)
        self._out.flush()

    def _draw(self) -> None:
        if self._is_terminal:
            full = _BAR * self._done // self._total
            bar = f"[{'#' * full}{'-' * (_BAR - full)}] {self._done}/{self._total}"
            failed = f", {self._failed} failed" if self._failed else ""
            names = f"  {', '.join(self._running)}" if self._running else ""
            width = shutil.get_terminal_size().columns - 1
            self._out.write(f"{_CLEAR}{bar}{failed}{names}"[: width + len(_CLEAR)])
        self._out.flush()
