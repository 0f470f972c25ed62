"""A restart of the whole fleet, one worker after another, that stops by itself where the new program is worse than the old.

The next worker is restarted only when the one before is ready and somewhere there is a free slot. What a restart is, a command
says; with the units of `deploy/systemd` the worker before goes on in a scope of its own, so nothing is waited for there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from vox.errors import DependencyError
from vox.fleet.operations.reports import Counts, Row, WorkerReport
from vox.runtime.clock import Clock

POLL_S: Final = 0.5
LEAST_FAILURES: Final = 3
"""Fewer say nothing."""
FACTOR: Final = 2.0
ALLOWANCE: Final = 0.05
"""By so much the share of failures may be higher than twice what it was."""


class Asks(Protocol):
    """How the roller learns about workers."""

    async def rows(self, addresses: Sequence[str]) -> list[Row]:
        """What each says of itself."""
        ...

    async def is_ready(self, address: str) -> bool:
        """Whether it takes calls."""
        ...

    async def counts(self, addresses: Sequence[str]) -> list[Counts]:
        """What each has counted."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take, in seconds.

    Args:
        room_s: until there is a free slot.
        ready_s: from the restart until the worker is ready.
        watch_s: how long a restarted worker's failures are watched.
    """

    room_s: float = 600.0
    ready_s: float = 180.0
    watch_s: float = 10.0


def has_room(rows: Sequence[Row], restarted: str) -> bool:
    """Whether calls find a worker while this one is restarted: another has a free slot, or nothing is known of slots."""
    others = [row.report for row in rows if row.address != restarted and row.report is not None]
    if not others:
        return len(rows) == 1
    return any(each.free > 0 or not each.worker_max for each in others)


def is_successor(before: WorkerReport | None, after: WorkerReport | None) -> bool:
    """Whether another process answers than before; where processes are not told apart, it is believed."""
    if after is None:
        return False
    if before is None:
        return True
    known = before.worker_pid is not None and after.worker_pid is not None
    return not known or (before.worker_pid, before.generation) != (after.worker_pid, after.generation)


def has_risen(before: Counts, after: Counts) -> bool:
    """Whether clearly more calls fail than before."""
    if after.failures < LEAST_FAILURES:
        return False
    return _share(after) > FACTOR * _share(before) + ALLOWANCE


class Roller:
    """Restarts workers in turn.

    Args:
        asks: about workers.
        restart: restarts one; raises where that fails.
        clock: for the deadlines.
        patience: how long each step may take.
        report: takes a line of progress.
    """

    def __init__(
        self,
        asks: Asks,
        restart: Callable[[str], Awaitable[None]],
        clock: Clock,
        patience: Patience,
        report: Callable[[str], None],
    ) -> None:
        self._asks = asks
        self._restart = restart
        self._clock = clock
        self._patience = patience
        self._report = report

    async def roll(self, addresses: Sequence[str]) -> None:
        """Restarts all of them.

        Raises:
            DependencyError: one cannot be restarted or is not ready in time (worker_not_ready), there is no free slot in time
                (no_room), or more calls fail than before (errors_rise). Those behind it run on as they were.
        """
        counted = await self._asks.counts(addresses)
        usual = Counts(sum(each.calls for each in counted), sum(each.failures for each in counted))
        for number, address in enumerate(addresses, 1):
            place = f"{number}/{len(addresses)} {address}"
            before = await self._room(addresses, address, place)
            self._report(f"{place}: restarting" + (f", {before.worker_calls} calls go on" if before else ""))
            began = self._clock.now()
            await self._restart(address)
            after = await self._ready(address, before, place)
            self._report(
                f"{place}: ready after {self._clock.now() - began:.1f} s"
                + (f", process {after.worker_pid}" if after.worker_pid else "")
            )
            await self._watch(address, usual, place, is_last=number == len(addresses))

    async def _room(self, addresses: Sequence[str], address: str, place: str) -> WorkerReport | None:
        deadline = self._clock.now() + self._patience.room_s
        is_shown = False
        while True:
            rows = await self._asks.rows(addresses)
            if has_room(rows, address):
                return next(row.report for row in rows if row.address == address)
            if self._clock.now() >= deadline:
                raise DependencyError(
                    f"{place}: no other worker has had a free slot for {self._patience.room_s:g} s",
                    code="no_room",
                    hint="restart when there are fewer calls, or add a worker; it has not been touched",
                )
            if not is_shown:
                self._report(f"{place}: waiting for a free slot elsewhere")
                is_shown = True
            await asyncio.sleep(POLL_S)

    async def _ready(self, address: str, before: WorkerReport | None, place: str) -> WorkerReport:
        deadline = self._clock.now() + self._patience.ready_s
        while True:
            (row,) = await self._asks.rows([address])
            if row.report and is_successor(before, row.report) and await self._asks.is_ready(address):
                return row.report
            if self._clock.now() >= deadline:
                raise DependencyError(
                    f"{place}: not ready {self._patience.ready_s:g} s after its restart",
                    code="worker_not_ready",
                    hint="see its log; the workers behind it run on as they were",
                )
            await asyncio.sleep(POLL_S)

    async def _watch(self, address: str, usual: Counts, place: str, *, is_last: bool) -> None:
        """Looks at what fails in the new process before the next one is touched; behind the last one once."""
        deadline = self._clock.now() + (0.0 if is_last else self._patience.watch_s)
        while True:
            (now,) = await self._asks.counts([address])
            if has_risen(usual, now):
                raise DependencyError(
                    f"{place}: {now.failures:g} failures in {now.calls:g} calls since its restart,"
                    f" {usual.failures:g} in {usual.calls:g} calls before",
                    code="errors_rise",
                    hint="the workers behind it run on as they were; go back to the version before, or see its log",
                )
            if self._clock.now() >= deadline:
                return
            await asyncio.sleep(POLL_S)


def _share(counts: Counts) -> float:
    return counts.failures / max(counts.calls, 1.0)
