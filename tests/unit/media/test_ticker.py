import pytest

from tests.unit.media.timeline import Timeline
from vox.media.ticker import TICKS_LATE, Ticker
from vox.runtime.metrics import Metrics


@pytest.fixture
def timeline():
    return Timeline(start=1000.0034)


def _ticker(timeline, metrics=None):
    return Ticker(timeline, metrics=metrics or Metrics(), loop=timeline.loop)


def test_ticks_come_on_absolute_deadlines_and_do_not_drift(timeline):
    ticker, seen = _ticker(timeline), []

    def slow(now):
        seen.append(round(now, 6))
        timeline.stall(0.001)

    ticker.add(slow)
    timeline.run_until(1000.1)
    assert seen == [round(1000.003 + 0.005 * k, 6) for k in range(1, 20)]


def test_a_stall_skips_ticks_counts_them_and_keeps_the_grid(timeline):
    metrics = Metrics()
    ticker, seen = _ticker(timeline, metrics), []
    ticker.add(lambda now: seen.append((round(now, 6), ticker.index_at(now))))
    timeline.run_until(1000.0085)
    timeline.stall(0.031)
    timeline.run_until(1000.0485)
    assert seen == [(1000.008, 1), (1000.0395, 7), (1000.043, 8), (1000.048, 9)]
    assert f"{TICKS_LATE.name} 5.0" in metrics.render().decode()


def test_a_timer_that_fires_early_still_reaches_its_tick(timeline):
    ticker, seen = _ticker(timeline), []
    ticker.add(lambda now: seen.append(ticker.index_at(now)))
    timeline.run_until(1000.05, early=0.0006)
    assert seen == list(range(1, 10))


def test_it_only_runs_while_it_has_callbacks(timeline):
    ticker, seen = _ticker(timeline), []
    assert timeline.pending == 0
    ticker.add(seen.append)
    ticker.add(seen.append)  # the same method of the same list: not called twice
    timeline.run_until(1000.009)
    ticker.remove(seen.append)
    assert timeline.pending == 0
    timeline.run_until(1000.1)
    assert len(seen) == 1
    ticker.add(seen.append)
    timeline.run_until(1000.104)
    assert round(seen[-1], 6) == 1000.103  # the old grid


def test_a_callback_may_remove_another_and_one_that_raises_stops_nobody(timeline):
    ticker, seen = _ticker(timeline), []

    def second(_now):
        seen.append("second")

    def first(_now):
        ticker.remove(second)
        raise RuntimeError("boom")

    def third(_now):
        seen.append("third")

    for callback in (first, second, third):
        ticker.add(callback)
    timeline.run_until(1000.015)
    assert seen == ["third", "third"]
