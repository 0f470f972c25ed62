"""Readiness: named checks that run at once, each with its own deadline.

`/health` never comes here: it answers without touching a dependency. `/ready` is public, so a failure is told by kind,
never with the text of a foreign error, which may hold a connection string; that text goes to the log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vox.errors import UsageError, VoxError
from vox.runtime.logging import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Check:
    probe: Callable[[], Awaitable[None]]
    timeout_s: float


class Checks:
    """The dependencies a part needs to do its work, by name."""

    def __init__(self) -> None:
        self._checks: dict[str, _Check] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What is checked."""
        return tuple(self._checks)

    def add(self, name: str, check: Callable[[], Awaitable[None]], timeout_s: float = 2.0) -> None:
        """Adds a coroutine function that returns when the dependency is well and raises when it is not."""
        if name in self._checks:
            raise UsageError(
                f"health check {name!r} is added twice", code="duplicate_check", hint="choose another name"
            )
        self._checks[name] = _Check(check, timeout_s)

    async def run(self) -> dict[str, str | None]:
        """Runs all checks concurrently; None means well, a string says what failed."""
        names = list(self._checks)
        verdicts = await asyncio.gather(*(_verdict(name, self._checks[name]) for name in names))
        return dict(zip(names, verdicts, strict=True))


async def _verdict(name: str, check: _Check) -> str | None:
    try:
        async with asyncio.timeout(check.timeout_s):
            await check.probe()
    except TimeoutError:
        return f"no answer within {check.timeout_s:g} s"
    except VoxError as error:
        _log.warning("readiness check failed", check=name, code=error.code, error=str(error))
        return error.code
    except Exception as error:  # noqa: BLE001  a check's top: whatever it raises means not ready
        _log.warning("readiness check failed", check=name, error=str(error))
        return type(error).__name__
    return None
