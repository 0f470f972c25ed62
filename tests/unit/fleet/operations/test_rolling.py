"""A rolling restart in virtual time: who is touched, what is waited for, and when it stops by itself."""

from collections.abc import Callable, Sequence

import pytest

from tests.fakes.loop import VirtualClock, VirtualLoop
from vox.errors import DependencyError
from vox.fleet.operations.reports import Counts, Row, WorkerReport
from vox.fleet.operations.rolling import Patience, Roller, has_risen, has_room, is_successor

WORKERS = ["a:1", "b:1", "c:1"]
PATIENCE = Patience(room_s=30, ready_s=20, watch_s=5)


class Fleet:
    """Workers that a test restarts; each is a report and what it has counted."""

    def __init__(self, clock: VirtualClock) -> None:
        self.reports = {
            address: WorkerReport(worker_calls=2, worker_max=4, state="ready", worker_pid=number)
            for number, address in enumerate(WORKERS, 1)
        }
        self.counted = {address: Counts(100, 1) for address in WORKERS}
        self.fresh = Counts(10, 0)
        self.restarted: list[str] = []
        self.lines: list[str] = []
        self.starts_up = True
        self.on_rows: Callable[[], None] = lambda: None
        self._clock = clock

    async def rows(self, addresses: Sequence[str]) -> list[Row]:
        self.on_rows()
        return [Row(each, self.reports.get(each)) for each in addresses]

    async def is_ready(self, address: str) -> bool:
        return address in self.reports

    async def counts(self, addresses: Sequence[str]) -> list[Counts]:
        return [self.counted[each] for each in addresses]

    async def restart(self, address: str) -> None:
        self.restarted.append(address)
        self.counted[address] = self.fresh
        if self.starts_up:
            old = self.reports[address]
            self.reports[address] = WorkerReport(worker_max=4, state="ready", worker_pid=(old.worker_pid or 0) + 10)
        else:
            del self.reports[address]

    def roller(self) -> Roller:
        return Roller(self, self.restart, self._clock, PATIENCE, self.lines.append)


@pytest.fixture
def fleet(virtual_clock: VirtualClock) -> Fleet:
    return Fleet(virtual_clock)


async def test_each_worker_is_restarted_once_in_order_and_progress_is_shown(virtual_loop: VirtualLoop, fleet: Fleet):
    await fleet.roller().roll(WORKERS)
    assert fleet.restarted == WORKERS
    assert fleet.lines[0] == "1/3 a:1: restarting, 2 calls go on"
    assert fleet.lines[1] == "1/3 a:1: ready after 0.0 s, process 11"
    assert len(fleet.lines) == 6


async def test_nothing_is_restarted_while_no_other_worker_has_a_slot(virtual_loop: VirtualLoop, fleet: Fleet):
    full = WorkerReport(worker_calls=4, worker_max=4, state="full", worker_pid=1)
    fleet.reports |= dict.fromkeys(WORKERS, full)
    with pytest.raises(DependencyError, match="no other worker has had a free slot") as stopped:
        await fleet.roller().roll(WORKERS)
    assert stopped.value.code == "no_room"
    assert fleet.restarted == []


async def test_it_goes_on_when_a_slot_is_free(virtual_loop: VirtualLoop, fleet: Fleet):
    before, asked = dict(fleet.reports), 0
    fleet.reports |= dict.fromkeys(WORKERS, WorkerReport(worker_calls=4, worker_max=4, state="full", worker_pid=1))

    def a_call_ends() -> None:
        nonlocal asked
        asked += 1
        if asked == 5:
            fleet.reports |= before

    fleet.on_rows = a_call_ends
    await fleet.roller().roll(WORKERS)
    assert fleet.restarted == WORKERS
    assert fleet.lines.count("1/3 a:1: waiting for a free slot elsewhere") == 1


async def test_a_worker_that_does_not_come_back_ends_it(virtual_loop: VirtualLoop, fleet: Fleet):
    fleet.starts_up = False
    with pytest.raises(DependencyError, match="not ready 20 s after its restart") as stopped:
        await fleet.roller().roll(WORKERS)
    assert stopped.value.code == "worker_not_ready"
    assert fleet.restarted == ["a:1"]


async def test_rising_failures_end_it_behind_the_first(virtual_loop: VirtualLoop, fleet: Fleet):
    fleet.fresh = Counts(10, 4)
    with pytest.raises(
        DependencyError, match="4 failures in 10 calls since its restart, 3 in 300 calls before"
    ) as stopped:
        await fleet.roller().roll(WORKERS)
    assert stopped.value.code == "errors_rise"
    assert fleet.restarted == ["a:1"]


async def test_a_single_worker_needs_no_other(virtual_loop: VirtualLoop, fleet: Fleet):
    await fleet.roller().roll(["a:1"])
    assert fleet.restarted == ["a:1"]


def test_room_is_a_slot_elsewhere_or_workers_that_do_not_count():
    full, free = WorkerReport(worker_calls=4, worker_max=4), WorkerReport(worker_calls=1, worker_max=4)
    assert not has_room([Row("a", free), Row("b", full)], "a")
    assert has_room([Row("a", full), Row("b", free)], "a")
    assert has_room([Row("a", full), Row("b", WorkerReport())], "a")
    assert not has_room([Row("a", free), Row("b", None)], "a")


def test_another_process_is_known_by_its_number_or_generation():
    before = WorkerReport(worker_pid=1, generation=5)
    assert not is_successor(before, None)
    assert not is_successor(before, before)
    assert is_successor(before, WorkerReport(worker_pid=1, generation=6))
    assert is_successor(WorkerReport(), WorkerReport())
    assert is_successor(None, before)


@pytest.mark.parametrize(
    ("before", "after", "rises"),
    [
        (Counts(100, 1), Counts(1, 2), False),
        (Counts(100, 1), Counts(10, 3), True),
        (Counts(100, 30), Counts(10, 3), False),
        (Counts(), Counts(0, 3), True),
    ],
)
def test_failures_rise_when_clearly_more_calls_fail(before: Counts, after: Counts, *, rises: bool):
    assert has_risen(before, after) is rises
