"""A unit of work for the database, and its outcome for the task that awaits it.

Outcomes return to a loop in one hop for the whole batch, in the order of their commits: first `then`, which brings memory up to
date, and only after it the awaiting caller.
"""

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from vox.runtime.logging import get_logger
from vox.stores.time_limits import Interruption

Mode = Literal["write", "read", "slow", "alone"]

_log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class WorkItem:
    """A unit of work, the task that waits for it, and its outcome.

    Args:
        work: the unit; it may be run more than once until it is committed.
        mode: `slow` reads on threads of its own; `alone` gets a connection without a transaction, while nothing else is written.
        future: belongs to `loop`, or is a concurrent future where `loop` is None.
        then: told the value right after the commit.
        interruption: ends the statement that runs, while one runs that can be ended.
    """

    work: Callable[[Connection], Any]
    mode: Mode
    future: "asyncio.Future[Any] | concurrent.futures.Future[Any]"
    loop: asyncio.AbstractEventLoop | None = None
    then: Callable[[Any], object] | None = None
    interruption: Interruption | None = None
    value: Any = None
    error: BaseException | None = None

    @property
    def is_abandoned(self) -> bool:
        """Whether no task waits any more; then it need not begin."""
        return self.future.done()

    def give_up(self) -> None:
        """Ends what runs of it; called when no task waits any more."""
        if self.interruption is not None:
            self.interruption.interrupt()


def deliver(done: Iterable[WorkItem]) -> None:
    """Hands outcomes to the loops they belong to; called on the database's threads."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[WorkItem]] = {}
    for pending in done:
        by_loop.setdefault(pending.loop, []).append(pending)
    for loop, those in by_loop.items():
        if loop is None:
            _settle(those)
            continue
        try:
            loop.call_soon_threadsafe(_settle, those)
        except RuntimeError:  # the loop is closed: no task waits, but memory must still learn what is committed
            for pending in those:
                _tell(pending)


def _settle(those: list[WorkItem]) -> None:
    for pending in those:
        _tell(pending)
        if pending.future.done():
            continue
        if pending.error is None:
            pending.future.set_result(pending.value)
        else:
            pending.future.set_exception(pending.error)


def _tell(pending: WorkItem) -> None:
    if pending.error is not None or pending.then is None:
        return
    try:
        pending.then(pending.value)
    except Exception as error:  # noqa: BLE001  the top of a commit's consequences: the caller is told
        _log.exception("committed, but what follows failed")
        pending.error = error
