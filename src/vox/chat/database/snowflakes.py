"""Numbers for messages, audit entries and events: strictly ascending, and readable as a time.

    63          22 21      12 11       0
    +-------------+----------+----------+
    | Unix ms     | worker   | sequence |
    +-------------+----------+----------+

Before changing: the high bits must stay Unix milliseconds << 22, because clients and the seven-day cutoff of the event log read
the time from there. They fit a signed 64-bit integer until 2039-09-07.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from vox.errors import UsageError
from vox.runtime.clock import Clock

WORKERS: Final = 1024
"""How many processes may number at the same time."""

_TIME_SHIFT: Final = 22
_WORKER_SHIFT: Final = 12
_SEQUENCES: Final = 1 << _WORKER_SHIFT
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Snowflakes:
    """The numbers of one process; any thread may ask.

    A clock that goes back, and more than 4,096 numbers in one millisecond, make the numbers run ahead of the clock instead of
    repeating one.

    Args:
        clock: wall time.
        worker: 0 to 1023, no two processes at the same time with the same.
        after: the largest number already in use, so that a restart after a clock step still ascends.

    Raises:
        UsageError: `worker_out_of_range`.
    """

    def __init__(self, clock: Clock, worker: int = 0, after: int = 0) -> None:
        if not 0 <= worker < WORKERS:
            raise UsageError(f"The worker number {worker} is not in 0 to {WORKERS - 1}.", code="worker_out_of_range")
        self._clock = clock
        self._worker = worker << _WORKER_SHIFT
        self._last_ms = after >> _TIME_SHIFT
        self._sequence = _SEQUENCES - 1 if after else -1
        self._lock = Lock()

    def next(self, above: int = 0) -> int:
        """The next number, larger than every one before it, and than `above`: a number of another process, if need be."""
        now_ms = unix_ms(self._clock.wall())
        with self._lock:
            number = self._stepped(now_ms)
            return number if number > above else self._stepped(time_of(above) + 1)

    def _stepped(self, now_ms: int) -> int:
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            self._sequence = 0
        elif self._sequence + 1 < _SEQUENCES:
            self._sequence += 1
        else:
            self._last_ms += 1
            self._sequence = 0
        return self._last_ms << _TIME_SHIFT | self._worker | self._sequence


def unix_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970 of an aware time."""
    return (moment - _EPOCH) // _MILLISECOND


def time_of(number: int) -> int:
    """The Unix milliseconds a number carries."""
    return number >> _TIME_SHIFT


def first_at(moment_ms: int) -> int:
    """The smallest number a process could give at that Unix millisecond: the cutoff for `id >= …` and `id < …`."""
    return moment_ms << _TIME_SHIFT
