"""The life cycle: states, tokens, the drain deadline, signals."""

import asyncio
import io
import os
import signal
import sys

import pytest

from vox.errors import UsageError
from vox.runtime.lifecycle import Lifecycle, State, run_until_stopped


async def test_a_part_goes_from_starting_to_stopped(clock):
    life = Lifecycle(clock, 30)
    seen = []
    life.subscribe(seen.append)
    assert not life.is_accepting
    life.ready()
    assert life.is_accepting
    life.lame()
    life.ready()
    life.drain()
    assert life.is_draining
    life.ready()
    assert life.state is State.DRAINING
    life.stop()
    assert seen == [State.READY, State.LAME, State.READY, State.DRAINING, State.STOPPED]


async def test_a_ready_part_cannot_stop_without_draining(clock):
    life = Lifecycle(clock, 30)
    life.ready()
    with pytest.raises(UsageError):
        life.stop()


async def test_drained_waits_for_the_last_token(virtual_loop, virtual_clock):
    life = Lifecycle(virtual_clock, 30)
    life.ready()
    began = virtual_loop.time()

    async def call(seconds):
        with life.hold():
            await asyncio.sleep(seconds)

    calls = [asyncio.create_task(call(seconds)) for seconds in (3, 7)]
    waiting = asyncio.create_task(life.drained())
    await asyncio.sleep(1)
    assert not waiting.done()
    life.drain()
    assert await waiting is True
    assert virtual_loop.time() - began == pytest.approx(7, abs=0.01)
    assert life.holds == 0
    await asyncio.gather(*calls)


async def test_the_deadline_counts_from_the_first_drain(virtual_loop, virtual_clock):
    life = Lifecycle(virtual_clock, 10)
    life.ready()
    with life.hold():
        started = virtual_loop.time()
        life.drain()
        await asyncio.sleep(6)
        life.drain()
        assert await life.drained() is False
        assert virtual_loop.time() - started == pytest.approx(10, abs=0.1)


async def test_nothing_running_drains_at_once(clock):
    life = Lifecycle(clock, 30)
    life.drain()
    assert await life.drained() is True


async def test_retry_after_is_what_is_left_within_bounds(clock):
    life = Lifecycle(clock, 100)
    assert life.retry_after_s == 1
    life.drain()
    assert life.retry_after_s == 30
    clock.advance(79.5)
    assert life.retry_after_s == 21
    clock.advance(1000)
    assert life.retry_after_s == 1


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2"])
async def test_other_signals_change_nothing_for_a_service(clock, monkeypatch, name):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    life = Lifecycle(clock, 10)
    life.ready()
    stopped = asyncio.create_task(run_until_stopped(life))
    await asyncio.sleep(0)
    os.kill(os.getpid(), getattr(signal, name))
    for _ in range(5):
        await asyncio.sleep(0)
    assert life.state is State.READY
    life.drain()
    assert await stopped


async def test_a_closed_terminal_drains_and_cuts_nothing(clock, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    life = Lifecycle(clock, 10)
    life.ready()
    with life.hold():
        stopped = asyncio.create_task(run_until_stopped(life))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGHUP)
        draining = asyncio.Event()
        life.subscribe(lambda _: draining.set())
        await draining.wait()
        assert life.is_draining
        assert not stopped.done()
    assert await stopped


async def test_a_signal_may_come_the_moment_that_the_part_is_announced(clock):
    life = Lifecycle(clock, 10)
    life.ready()
    assert await run_until_stopped(life, lambda: os.kill(os.getpid(), signal.SIGTERM))


async def test_sigterm_drains_and_a_second_one_changes_nothing(clock):
    life = Lifecycle(clock, 30)
    life.ready()
    draining = asyncio.Event()
    life.subscribe(lambda state: draining.set() if state is State.DRAINING else None)
    with life.hold():
        running = asyncio.create_task(run_until_stopped(life))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await draining.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not running.done()
        assert life.state is State.DRAINING
    assert await running is True
    assert life.state is State.STOPPED
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_sigquit_ends_a_drain_that_others_do_not_shorten(clock):
    life = Lifecycle(clock, 3600)
    life.ready()
    with life.hold():
        running = asyncio.create_task(run_until_stopped(life))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGQUIT)
        assert await running is False


@pytest.mark.parametrize(("name", "is_replaced"), [("SIGTERM", False), ("SIGUSR1", True)])
async def test_a_part_with_something_to_do_before_the_drain_is_told_why_it_ends(clock, name, is_replaced):
    life = Lifecycle(clock, 10)
    life.ready()
    told: list[bool] = []

    def begin(why: bool) -> None:
        told.append(why)
        life.drain()

    running = asyncio.create_task(run_until_stopped(life, drain=begin))
    await asyncio.sleep(0)
    os.kill(os.getpid(), getattr(signal, name))
    assert await running is True
    assert told == [is_replaced]


async def test_a_drain_may_have_a_deadline_of_its_own_and_the_first_one_holds(clock):
    life = Lifecycle(clock, 3600.0)
    life.ready()
    assert life.drain_left_s is None
    life.drain(60.0)
    life.drain(600.0)
    clock.advance(20)
    assert life.drain_left_s == 40.0
    clock.advance(100)
    assert life.drain_left_s == 0.0
