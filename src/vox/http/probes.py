"""Readiness for every part: the life cycle first, then named checks, at once and each with its deadline.

A probe without checks would promise what nothing tests, so it cannot be built. Each part puts the result into its own body.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vox.errors import UsageError
from vox.http.routing import Endpoint, Reply
from vox.runtime.health import Checks
from vox.runtime.lifecycle import Lifecycle, State


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether new work may come.

    Args:
        state: of the life cycle.
        retry_after_s: when to ask again, where the server is draining or not started; None where checks decide.
        checks: what each named check found; None is well. Empty where the life cycle decides.
    """

    state: State
    retry_after_s: float | None = None
    checks: Mapping[str, str | None] = field(default_factory=dict[str, str | None])

    @property
    def is_ready(self) -> bool:
        """Whether the server accepts work and every check is well."""
        return self.retry_after_s is None and not self.failed

    @property
    def failed(self) -> dict[str, str]:
        """The checks that failed, and why."""
        return {name: why for name, why in self.checks.items() if why is not None}


class ReadinessProbe:
    """Answers `/ready`.

    Args:
        lifecycle: of the part.
        checks: its dependencies, at least one.
        opens_on_demand: whether a server that has not started yet is opened by the checks, rather than reported as starting.

    Raises:
        UsageError: there are no checks (no_readiness_checks).
    """

    def __init__(self, lifecycle: Lifecycle, checks: Checks, *, opens_on_demand: bool = False) -> None:
        if not checks.names:
            raise UsageError(
                "a readiness probe needs at least one named check",
                code="no_readiness_checks",
                hint="add what the part cannot work without to its Checks",
            )
        self._lifecycle = lifecycle
        self._checks = checks
        self._opens_on_demand = opens_on_demand

    async def ask(self) -> Readiness:
        """Runs the checks, unless the life cycle says already that no work may come."""
        lifecycle = self._lifecycle
        is_starting = self._opens_on_demand and lifecycle.state is State.STARTING
        if not lifecycle.is_accepting and not is_starting:
            return Readiness(lifecycle.state, lifecycle.retry_after_s)
        return Readiness(lifecycle.state, checks=await self._checks.run())


def ready_endpoint(probe: ReadinessProbe, encode: Callable[[Any, Readiness], Reply]) -> Endpoint:
    """The endpoint of `/ready`.

    Args:
        probe: decides.
        encode: puts the result of a call into the part's body.
    """

    async def ready(call: Any) -> Reply:
        """Whether new work may come; names each check that fails."""
        return encode(call, await probe.ask())

    return ready
