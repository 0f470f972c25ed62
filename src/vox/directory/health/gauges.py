"""Counts over all relays, made when metrics are asked for: counting at each change would cost more."""

from statistics import median

from vox.directory.health.health_registry import HealthRegistry
from vox.directory.metrics import (
    CONNECTIONS,
    HEARTBEAT_AGE,
    RELAYS,
    RELAYS_BY_REGION,
    RELAYS_LISTED,
    SNAPSHOT_AGE,
)
from vox.directory.relays.registry import Registry
from vox.runtime.metrics import Metrics

MOST_REGIONS = 100
OTHER_REGION = "other"


class Gauges:
    """Counts relays by state and region, their connections, and for how long they have been silent."""

    def __init__(self, registry: Registry, health: HealthRegistry, metrics: Metrics) -> None:
        self._registry = registry
        self._health = health
        self._metrics = metrics
        self._regions = frozenset[str]()

    def measure(self, snapshot_age_s: float) -> None:
        """Counts all relays and sets every gauge."""
        states: dict[str, int] = dict.fromkeys(("pending", "waiting", "healthy", "suspect", "unhealthy", "draining"), 0)
        connections = 0
        for relay in self._registry:
            state = "waiting" if relay.is_waiting else "draining" if relay.is_draining else relay.state
            states[state] = states.get(state, 0) + 1
            connections += relay.current_connections
        for state, count in states.items():
            self._metrics.gauge(RELAYS, state).set(count)
        self._metrics.gauge(RELAYS_LISTED).set(self._registry.listed_count)
        self._metrics.gauge(CONNECTIONS).set(connections)
        self._metrics.gauge(SNAPSHOT_AGE).set(snapshot_age_s)
        self._measure_silence()
        self._measure_regions()

    def _measure_silence(self) -> None:
        now = self._health.now()
        heard = [at for relay_id in self._health if (at := self._health.of(relay_id).last_heartbeat) is not None]
        self._metrics.gauge(HEARTBEAT_AGE, "median").set(max(0.0, now - median(heard)) if heard else 0.0)
        self._metrics.gauge(HEARTBEAT_AGE, "oldest").set(max(0.0, now - min(heard)) if heard else 0.0)

    def _measure_regions(self) -> None:
        """Regions are named by those who register, so their number is bounded."""
        counts = dict.fromkeys(self._regions, 0)
        for relay in self._registry:
            is_known = relay.region in counts or len(counts) < MOST_REGIONS
            region = relay.region if is_known else OTHER_REGION
            counts[region] = counts.get(region, 0) + 1
        self._regions = frozenset(counts)
        for region, count in counts.items():
            self._metrics.gauge(RELAYS_BY_REGION, region).set(count)
