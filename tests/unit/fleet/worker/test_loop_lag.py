"""How late the event loop is."""

from vox.fleet.worker.loop_lag import WINDOW, LoopLag


def test_ninety_five_of_a_hundred_wake_ups_are_earlier():
    lag = LoopLag()
    assert lag.p95_ms == 0.0
    for late_ms in range(100):
        lag.woke(late_ms / 1000)
    assert lag.p95_ms == 95.0


def test_a_timer_that_comes_early_is_on_time():
    lag = LoopLag()
    lag.woke(-0.001)
    assert lag.p95_ms == 0.0


def test_only_the_last_minute_counts():
    lag = LoopLag()
    for _ in range(WINDOW):
        lag.woke(1.0)
    for _ in range(WINDOW):
        lag.woke(0.002)
    assert lag.p95_ms == 2.0
