"""How many calls a server holds: the search, apart from what a single point is.

A point that cannot be believed (the generator or the machine was disturbed) is taken again before it counts.
"""

from collections.abc import Awaitable, Callable

from vox.clients.load_results import LoadResult

_ATTEMPTS = 3  # of one point, while it is in doubt

MeasurePoint = Callable[[int], Awaitable[LoadResult]]


async def find_capacity(
    measure: MeasurePoint,
    search: "CapacitySearch",
    on_point: Callable[[LoadResult], None] = lambda _: None,
) -> LoadResult | None:
    """Runs points until the answer is close enough; returns the best clean one, None where not even the first passed."""
    best: LoadResult | None = None
    while (calls := search.next_calls()) is not None:
        result = await measure_believably(measure, calls, on_point, clean_will_do=True)
        search.record(calls, passed=result.is_clean)
        if result.is_clean and (best is None or result.calls > best.calls):
            best = result
    return best


async def measure_believably(
    measure: MeasurePoint,
    calls: int,
    on_point: Callable[[LoadResult], None] = lambda _: None,
    *,
    clean_will_do: bool = False,
) -> LoadResult:
    """Measures one point, a few times again while there is reason to doubt it.

    `clean_will_do` believes a clean point all the same: a disturbance can spoil one but not flatter it.
    """
    result = await measure(calls)
    on_point(result)
    for _ in range(_ATTEMPTS - 1):
        if not result.doubts() or (clean_will_do and result.is_clean):
            break
        result = await measure(calls)
        on_point(result)
    return result


class CapacitySearch:
    """Finds the largest number of calls that passes: doubles from `start` until one fails, then halves the gap.

    Ask `next_calls()`, run it, `record()` the verdict, until it is None; `best` is the answer. `resolution` is the gap
    (as a share of the failing count) at which it stops.
    """

    def __init__(self, *, start: int = 50, limit: int = 2000, resolution: float = 0.05) -> None:
        self.best = 0
        self._failed: int | None = None
        self._start = start
        self._limit = limit
        self._resolution = resolution

    def next_calls(self) -> int | None:
        """The number of calls to try next; None when the answer is close enough."""
        if self._failed is None:
            return None if self.best >= self._limit else min(max(self._start, self.best * 2), self._limit)
        if self._failed - self.best <= max(1, int(self._failed * self._resolution)):
            return None
        return (self.best + self._failed) // 2

    def record(self, calls: int, *, passed: bool) -> None:
        """Notes the verdict on `calls`."""
        if passed:
            self.best = max(self.best, calls)
        else:
            self._failed = calls if self._failed is None else min(self._failed, calls)
