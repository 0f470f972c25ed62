import asyncio
import time

import pytest

from tests.fakes import loop as loop_module
from tests.fakes.loop import StuckError, VirtualClock, VirtualLoop, run_virtual


async def test_an_hour_passes_at_once(virtual_loop: VirtualLoop, virtual_clock: VirtualClock):
    started_s, virtual_start_s, wall_start = time.perf_counter(), virtual_clock.now(), virtual_clock.wall()
    await asyncio.sleep(3600)
    assert virtual_loop.time() - virtual_start_s == pytest.approx(3600)
    assert (virtual_clock.wall() - wall_start).total_seconds() == pytest.approx(3600)
    assert time.perf_counter() - started_s < 5


def test_timers_fire_in_the_order_of_their_times():
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        start_s, fired = loop.time(), []

        async def note(name: str, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            fired.append((name, round(loop.time() - start_s, 6)))

        await asyncio.gather(note("late", 2.0), note("early", 0.02), note("middle", 1.0))
        return fired

    assert run_virtual(main()) == [("early", 0.02), ("middle", 1.0), ("late", 2.0)]


def test_a_timeout_expires_on_virtual_time():
    async def main() -> None:
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run_virtual(main())


def test_time_stands_still_while_a_thread_works():
    async def main() -> str:
        async with asyncio.timeout(0.001):
            return await asyncio.to_thread(lambda: f"sum {sum(range(1_000_000))}")

    assert run_virtual(main()) == "sum 499999500000"


def test_a_wait_without_end_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "STUCK_AFTER_S", 0.01)
    runner = asyncio.Runner(loop_factory=VirtualLoop)
    with pytest.raises(StuckError):
        runner.run(asyncio.Event().wait())
    runner.close()


async def test_other_tests_run_on_the_system_loop():
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
