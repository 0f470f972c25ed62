"""Metrics: the exposition format, clashes, the null registry."""

from types import ModuleType

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vox.errors import UsageError
from vox.runtime.metrics import Counter, Gauge, Histogram, Metrics, NullMetrics, declared

CALLS = Counter("test_calls_total", "Calls taken.", ("carrier",))
ACTIVE = Gauge("test_calls_active", "Calls now.")
LATE = Histogram("test_late_seconds", "Lateness.", ("kind",), buckets=(0.01, 0.1))


def samples(metrics: Metrics):
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_counts_appear_under_the_declared_names():
    metrics = Metrics()
    metrics.counter(CALLS, "twilio").inc()
    metrics.counter(CALLS, "twilio").inc(2)
    gauge = metrics.gauge(ACTIVE)
    gauge.set(5)
    gauge.inc()
    gauge.dec(3)
    assert samples(metrics) == {("test_calls_total", ("carrier", "twilio")): 3, ("test_calls_active",): 3}
    assert b"# HELP test_calls_total Calls taken." in metrics.render()
    assert b"# TYPE test_calls_total counter" in metrics.render()


def test_a_histogram_counts_at_its_bounds_and_cumulates():
    metrics = Metrics()
    child = metrics.histogram(LATE, "out")
    for value in (0.01, 0.05, 0.1, 7.0):
        child.observe(value)
    found = samples(metrics)
    assert found["test_late_seconds_bucket", ("kind", "out"), ("le", "0.01")] == 1
    assert found["test_late_seconds_bucket", ("kind", "out"), ("le", "0.1")] == 3
    assert found["test_late_seconds_bucket", ("kind", "out"), ("le", "+Inf")] == 4
    assert found["test_late_seconds_count", ("kind", "out")] == 4
    assert found["test_late_seconds_sum", ("kind", "out")] == pytest.approx(7.16)


def test_registries_do_not_share_and_no_process_metrics_come_unasked():
    one, other = Metrics(), Metrics()
    one.gauge(ACTIVE).set(1)
    assert other.render() == b""
    assert b"process_cpu" in Metrics(process=True).render()


def test_one_name_with_two_shapes_is_an_error():
    metrics = Metrics()
    metrics.counter(CALLS, "a").inc()
    with pytest.raises(UsageError) as caught:
        metrics.gauge(Gauge("test_calls_total", "Calls taken.", ("carrier",)), "a")
    assert caught.value.code == "invalid_metric"
    metrics.counter(Counter("test_calls_total", "Calls taken.", ("carrier",)), "a").inc()
    assert samples(metrics)["test_calls_total", ("carrier", "a")] == 2


def test_a_wrong_number_of_label_values_is_an_error():
    with pytest.raises(UsageError):
        Metrics().counter(CALLS)


def test_null_metrics_count_nothing():
    metrics = NullMetrics()
    metrics.counter(CALLS, "a").inc()
    metrics.gauge(ACTIVE).dec()
    metrics.histogram(LATE, "a").observe(1)
    assert metrics.render() == b""


def test_declared_finds_constants_and_tells_of_a_clash():
    one, other = ModuleType("one"), ModuleType("other")
    vars(one).update(CALLS=CALLS, LATE=LATE, port=1)
    vars(other).update(AGAIN=CALLS)
    assert declared([one, other]) == [CALLS, LATE]
    vars(other)["MINE"] = Counter("test_calls_total", "Another meaning.")
    with pytest.raises(UsageError):
        declared([one, other])
