"""Metrics in Prometheus' text form: specs are module constants, children are plain numbers.

A child's `inc` or `observe` is an addition without a lock (0.1 µs, a tenth of the client library's), because it runs for every
20 ms frame. It must therefore be called on the event loop's thread; a worker thread hands its numbers over first.
Hold on to children where the label values are known: looking one up costs more than counting.
"""

import sys
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Protocol, cast

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from vox.errors import UsageError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; the bounds of the compatible metric names (specs: agent, metrics)."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Declares a number that only grows; by custom its name ends in `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gauge:
    """Declares a number that goes up and down."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """Declares a distribution over fixed, rising bucket bounds."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = field(default=DEFAULT_BUCKETS)


Spec = Counter | Gauge | Histogram


class CounterChild(Protocol):
    """One counter with its label values."""

    def inc(self, n: float = 1) -> None:
        """Adds n ≥ 0."""
        ...


class GaugeChild(Protocol):
    """One gauge with its label values."""

    def set(self, value: float) -> None:
        """Replaces the value."""
        ...

    def inc(self, n: float = 1) -> None:
        """Adds n."""
        ...

    def dec(self, n: float = 1) -> None:
        """Subtracts n."""
        ...


class HistogramChild(Protocol):
    """One histogram with its label values."""

    def observe(self, value: float) -> None:
        """Counts one observation."""
        ...


class Metrics:
    """A registry of its own; `render` is what `/metrics` answers.

    Args:
        process: also export the client library's process metrics (CPU, memory, file descriptors).
    """

    def __init__(self, *, process: bool = False) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._families: dict[str, _Family] = {}
        self._registry.register(_Families(self._families))
        if process:
            ProcessCollector(registry=self._registry)

    def counter(self, spec: Counter, *label_values: str) -> CounterChild:
        """The counter with these label values, made on first use."""
        return cast("CounterChild", self._child(spec, label_values))

    def gauge(self, spec: Gauge, *label_values: str) -> GaugeChild:
        """The gauge with these label values, made on first use."""
        return cast("GaugeChild", self._child(spec, label_values))

    def histogram(self, spec: Histogram, *label_values: str) -> HistogramChild:
        """The histogram with these label values, made on first use."""
        return cast("HistogramChild", self._child(spec, label_values))

    def render(self) -> bytes:
        """All metrics in the text exposition format (CONTENT_TYPE)."""
        return generate_latest(self._registry)

    def _child(self, spec: Spec, label_values: tuple[str, ...]) -> "_Number | _Distribution":
        family = self._families.get(spec.name)
        if family is None:
            family = self._families[spec.name] = _Family(spec)
        elif family.spec is not spec and family.spec != spec:
            raise _clash(spec)
        child = family.children.get(label_values)
        if child is None:
            if len(label_values) != len(spec.labels):
                raise UsageError(
                    f"metric {spec.name} has the labels {spec.labels} but got {len(label_values)} values",
                    code="invalid_metric",
                )
            child = _Distribution(spec.buckets) if isinstance(spec, Histogram) else _Number()
            family.children[label_values] = child
        return child


class NullMetrics(Metrics):
    """Counts nothing and renders nothing: what a part is given when metrics are off, and most tests."""

    def _child(self, spec: Spec, label_values: tuple[str, ...]) -> "_Number | _Distribution":
        return _NULL

    def render(self) -> bytes:
        """Nothing."""
        return b""


def declared(modules: Iterable[ModuleType] | None = None) -> list[Spec]:
    """All metrics declared as constants of the given modules, by name (default: every imported module of Vox).

    Raises:
        UsageError: two modules declare one name with different shapes.
    """
    if modules is None:
        modules = [module for name, module in tuple(sys.modules.items()) if name.startswith("vox.")]
    specs: dict[str, Spec] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, (Counter, Gauge, Histogram)) and specs.setdefault(value.name, value) != value:
                raise _clash(value)
    return [specs[name] for name in sorted(specs)]


def _clash(spec: Spec) -> UsageError:
    return UsageError(
        f"metric {spec.name} is declared twice with different shapes",
        code="invalid_metric",
        hint="import the one constant, or choose another name",
    )


class _Number:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        self.value = value

    def inc(self, n: float = 1) -> None:
        self.value += n

    def dec(self, n: float = 1) -> None:
        self.value -= n


class _Distribution:
    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        total, rows = 0, list[tuple[str, float]]()
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            rows.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
        return rows


class _Null(_Number):
    __slots__ = ()

    def set(self, value: float) -> None:
        pass

    def inc(self, n: float = 1) -> None:
        pass

    def dec(self, n: float = 1) -> None:
        pass

    def observe(self, value: float) -> None:
        pass


_NULL = _Null()


@dataclass(frozen=True, slots=True)
class _Family:
    spec: Spec
    children: dict[tuple[str, ...], _Number | _Distribution] = field(
        default_factory=dict[tuple[str, ...], "_Number | _Distribution"]
    )

    def collect(self) -> Metric:
        spec = self.spec
        if isinstance(spec, Histogram):
            histogram = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
            for labels, child in self.children.items():
                if isinstance(child, _Distribution):
                    histogram.add_metric(labels, child.cumulative(), child.sum)
            return histogram
        kind = CounterMetricFamily if isinstance(spec, Counter) else GaugeMetricFamily
        family = kind(spec.name, spec.help, labels=spec.labels)
        for labels, child in self.children.items():
            if isinstance(child, _Number):
                family.add_metric(labels, child.value)
        return family


class _Families(Collector):
    def __init__(self, families: dict[str, _Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return [family.collect() for family in self._families.values()]
