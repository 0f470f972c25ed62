"""No two processes number with the same worker, and one that is not sure gives out no numbers."""

from datetime import UTC, datetime

import pytest

from tests.fakes.clock import FakeClock
from vox.chat.database.snowflakes import time_of
from vox.chat.database.worker_lease import LEASE_S, MARGIN_S, LeasedSnowflakes
from vox.errors import DependencyError


class Registry:
    """Numbers in memory, that can be away, and that can forget."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.held: dict[int, tuple[str, float]] = {}
        self.is_away = False

    async def take(self, number: int, holder: str, ttl_s: float) -> bool:
        if self.is_away:
            raise DependencyError("away", code="redis_failed", retryable=True)
        owner, until = self.held.get(number, ("", 0.0))
        if owner not in {"", holder} and until > self.clock.now():
            return False
        self.held[number] = (holder, self.clock.now() + ttl_s)
        return True

    async def release(self, number: int, holder: str, after_s: float) -> None:
        await self.take(number, holder, after_s)

    async def close(self) -> None:
        pass


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def ids(clock: FakeClock, registry: Registry, starts_at: int = 7) -> LeasedSnowflakes:
    return LeasedSnowflakes(clock, registry, lambda: starts_at)


def worker_of(number: int) -> int:
    return number >> 12 & 1023


async def test_processes_that_start_with_the_same_number_get_different_ones(clock: FakeClock):
    registry = Registry(clock)
    one, two, three = (ids(clock, registry, 1023) for _ in range(3))
    async with one.running(), two.running(), three.running():
        assert [worker_of(each.next()) for each in (one, two, three)] == [1023, 1, 2]


async def test_nothing_is_numbered_before_and_after_the_lease(clock: FakeClock):
    registry = Registry(clock)
    one = ids(clock, registry)
    with pytest.raises(DependencyError) as refused:
        one.next()
    assert refused.value.code == "worker_lease_lost"
    assert refused.value.retryable
    async with one.running():
        assert one.worker == 7
        one.next()
    with pytest.raises(DependencyError):
        one.next()


async def test_a_process_that_cannot_renew_stops_before_another_may_begin(clock: FakeClock):
    registry = Registry(clock)
    one = ids(clock, registry)
    async with one.running():
        registry.is_away = True
        clock.advance(LEASE_S - MARGIN_S - 0.1)
        one.next()
        clock.advance(0.2)
        with pytest.raises(DependencyError):
            one.next()
        assert one.worker is None
        registry.is_away = False
        await one.renew()
        one.next()


async def test_a_number_that_was_given_away_is_changed_and_numbers_go_on_ascending(clock: FakeClock):
    registry = Registry(clock)
    one = ids(clock, registry)
    async with one.running():
        before = [one.next() for _ in range(5000)]  # ahead of the clock
        registry.held[7] = ("somebody else", clock.now() + 60)
        await one.renew()
        after = one.next()
    assert worker_of(after) == 8
    assert after > before[-1]


async def test_numbers_begin_above_what_is_stored_when_the_clock_has_gone_back(clock: FakeClock):
    registry = Registry(clock)
    one = ids(clock, registry)
    stored = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000) << 22 | 4095
    one.after = stored
    async with one.running():
        first, second = one.next(), one.next()
        assert stored < first < second
        assert time_of(first) - time_of(stored) <= 1


async def test_all_numbers_taken_is_an_error(clock: FakeClock):
    registry = Registry(clock)
    registry.held = {number: ("somebody else", clock.now() + 60) for number in range(1024)}
    with pytest.raises(DependencyError):
        async with ids(clock, registry).running():
            pass
