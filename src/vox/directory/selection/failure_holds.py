"""Keeps relays off the lists for a while because clients say that their sessions there fail, though probes succeed.

Probes alone decide whether a relay is healthy; this is beside it. Each directory goes by its own clients' word, keeps holds in memory,
and holds few relays at once: what clients say must not empty the list.
"""

import asyncio
from typing import Final

from vox.directory.health.health_registry import HealthRegistry
from vox.directory.metrics import CLIENT_HOLDS
from vox.directory.relays.registry import Registry
from vox.directory.selection.failure_reports import FailureReports
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics

HOLD_S: Final = 600.0
MOST_HELD_SHARE: Final = 0.1
"""Of the relays that are listed or held; one may be held in any case where it is not the only one."""

_log = get_logger(__name__)


class FailureHolds:
    """Takes in what clients say and holds relays down, until `close`."""

    def __init__(self, registry: Registry, health: HealthRegistry, clock: Clock, metrics: Metrics) -> None:
        self._registry = registry
        self._health = health
        self._clock = clock
        self._metrics = metrics
        self._reports = FailureReports()
        self._held: dict[str, tuple[float, asyncio.TimerHandle]] = {}

    def held_until(self, relay_id: str) -> float | None:
        """Until when a relay is held down, in seconds since 1970."""
        held = self._held.get(relay_id)
        return held[0] if held else None

    def note(self, address: str, relay_id: str, *, has_failed: bool) -> None:
        """A client at that address had a session on a listed relay."""
        now = self._clock.now()
        self._reports.note(address, relay_id, now, has_failed=has_failed)
        if not has_failed or not self._reports.is_failing(relay_id, now):
            return
        self._reports.forget(relay_id)
        may_hold = max(1, int((self._registry.listed_count + len(self._held)) * MOST_HELD_SHARE))
        if len(self._held) >= may_hold or self._registry.listed_count <= 1 or self._health.is_frozen:
            self._metrics.counter(CLIENT_HOLDS, "spared").inc()
            _log.warning("clients say that a relay fails, and too few others are left", relay=relay_id)
            return
        timer = asyncio.get_running_loop().call_later(HOLD_S, self._release, relay_id)
        self._held[relay_id] = self._health.now() + HOLD_S, timer
        self._registry.hold(relay_id)
        self._metrics.counter(CLIENT_HOLDS, "held").inc()
        _log.warning("relay held down: clients say that it fails", relay=relay_id, for_s=HOLD_S)

    def close(self) -> None:
        """Ends all holds without listing any relay again."""
        for _, timer in self._held.values():
            timer.cancel()
        self._held.clear()

    def _release(self, relay_id: str) -> None:
        del self._held[relay_id]
        self._reports.forget(relay_id)
        self._registry.release(relay_id)
        _log.info("relay no longer held down", relay=relay_id)
