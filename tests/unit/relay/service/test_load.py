from typing import Any

from tests.fakes.clock import FakeClock
from vox.relay.metrics import LOAD, PARTICIPANTS
from vox.relay.service.load import Load, LoadMeter
from vox.runtime.metrics import Metrics


def meter(stats: dict[str, Any], clock: FakeClock, participants: int = 0, metrics: Metrics | None = None) -> LoadMeter:
    return LoadMeter(lambda: stats, lambda: participants, lambda: 1, 100, clock.now, metrics or Metrics())


def test_stress_is_the_worse_of_places_and_threads():
    assert Load(50, 1, 100, busiest=0.2).stress == 0.5
    assert Load(50, 1, 100, busiest=0.9).stress == 0.9
    assert Load(500, 1, 100).stress == 1.0


def test_the_busiest_thread_counts_not_the_mean():
    metrics = Metrics()
    threads = {"threads": [{"load": 0.1}, {"load": 0.8}, {"load": 0.0}]}
    assert meter(threads, FakeClock(), 7, metrics).measure().busiest == 0.8
    shown = metrics.render().decode()
    assert f"{LOAD.name} 0.8" in shown
    assert f"{PARTICIPANTS.name} 7.0" in shown


def test_egress_is_the_rate_since_the_last_look():
    clock, stats = FakeClock(), {"bytes_out": 1000}
    meters = meter(stats, clock)
    assert meters.measure().egress_bps == 0
    clock.advance(2)
    stats["bytes_out"] = 3000
    assert meters.measure().egress_bps == 8000


def test_an_engine_that_says_nothing_is_idle():
    assert meter({}, FakeClock()).measure() == Load(0, 1, 100)
