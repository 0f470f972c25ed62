"""How busy this relay is: what it says of itself to the directory and in its metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vox.relay.metrics import BYTES, CAPACITY, LOAD, LOST_EVENTS, PACKETS, PARTICIPANTS, PEERS, ROOMS
from vox.runtime.metrics import Metrics

Stats = Mapping[str, Any]
"""What the engine's `stats()` returns."""


@dataclass(frozen=True, slots=True)
class Load:
    """A moment's load.

    Args:
        participants: in all rooms.
        rooms: open.
        capacity: participants that the relay is for.
        busiest: the busiest media thread's share of its core, 0 to 1.
        egress_bps: media sent, in bits per second since the last measurement.
    """

    participants: int
    rooms: int
    capacity: int
    busiest: float = 0.0
    egress_bps: float = 0.0

    @property
    def stress(self) -> float:
        """0 idle, 1 full: the worse of places taken and of the busiest thread."""
        return min(1.0, max(self.participants / self.capacity, self.busiest))


class LoadMeter:
    """Measures.

    Args:
        stats: asks the engine; empty while there is none.
        count_participants: in all rooms.
        count_rooms: open ones.
        capacity: participants that the relay is for.
        now: the monotonic time in seconds.
        metrics: its gauges follow each measurement.
    """

    def __init__(
        self,
        stats: Callable[[], Stats],
        count_participants: Callable[[], int],
        count_rooms: Callable[[], int],
        capacity: int,
        now: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._stats = stats
        self._count_participants = count_participants
        self._count_rooms = count_rooms
        self._capacity = capacity
        self._now = now
        self._metrics = metrics
        self._sent: tuple[float, int] | None = None

    def measure(self) -> Load:
        """The present load; sets the gauges."""
        stats = self._stats()
        threads: Sequence[Mapping[str, Any]] = stats.get("threads", ())
        busiest = max((float(thread.get("load", 0.0)) for thread in threads), default=0.0)
        load = Load(
            self._count_participants(),
            self._count_rooms(),
            self._capacity,
            min(1.0, max(0.0, busiest)),
            self._egress_bps(int(stats.get("bytes_out", 0))),
        )
        metrics = self._metrics
        metrics.gauge(PARTICIPANTS).set(load.participants)
        metrics.gauge(ROOMS).set(load.rooms)
        metrics.gauge(CAPACITY).set(load.capacity)
        metrics.gauge(LOAD).set(load.busiest)
        metrics.gauge(PEERS).set(int(stats.get("peers", 0)))
        metrics.gauge(LOST_EVENTS).set(int(stats.get("lost_events", 0)))
        for direction in ("in", "out"):
            metrics.gauge(PACKETS, direction).set(int(stats.get(f"packets_{direction}", 0)))
            metrics.gauge(BYTES, direction).set(int(stats.get(f"bytes_{direction}", 0)))
        return load

    def _egress_bps(self, sent: int) -> float:
        now, before = self._now(), self._sent
        self._sent = now, sent
        if before is None or now <= before[0] or sent < before[1]:
            return 0.0
        return (sent - before[1]) * 8 / (now - before[0])
