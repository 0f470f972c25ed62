"""Remembers each relay's health, puts every observation through `state_machine.step`, and shows the outcome in the registry.

The only place that changes `healthy`, `failed_checks`, `state` and `is_draining` of a relay.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from vox.directory.health import state_machine
from vox.directory.health.outage_detector import OutageDetector
from vox.directory.health.state_machine import Drain, Health, HealthPolicy, Observation, StatusChanged
from vox.directory.metrics import FAIL_STATIC, TRANSITIONS
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay
from vox.directory.settings import HealthCheck
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics

_log = get_logger(__name__)


class HealthRegistry:
    """The health of all relays."""

    def __init__(self, settings: HealthCheck, registry: Registry, clock: Clock, metrics: Metrics) -> None:
        self.policy = HealthPolicy(
            interval_s=settings.interval_ms / 1000,
            failure_threshold=settings.failure_threshold,
            removal_threshold=settings.removal_threshold,
            removal_after_s=settings.removal_after_ms / 1000,
        )
        self._is_enabled = settings.enabled
        self._registry = registry
        self._clock = clock
        self._metrics = metrics
        self._health: dict[str, Health] = {}
        self._watch = OutageDetector(self.policy)
        self._alarm = metrics.gauge(FAIL_STATIC)
        self._was_frozen = False

    def __iter__(self) -> Iterator[str]:
        return iter(self._health)

    def of(self, relay_id: str) -> Health:
        """A relay's health; that of a new one where nothing is known."""
        return self._health.get(relay_id) or Health()

    def enter(self, relay: Relay, known: Health | None = None, *, is_ours: bool = True) -> Relay:
        """Begins to remember a relay and returns it as it stands; what is known already is kept.

        A relay that another directory probes (not `is_ours`) says nothing about whether this one is cut off, nor does one that
        waits for approval: strangers could bring many that fail together.
        """
        found = self.seen_as(relay, known)
        self._note(relay.id, found, is_ours=is_ours and not relay.is_waiting)
        return shown(relay, found)

    def seen_as(self, relay: Relay, known: Health | None = None) -> Health:
        """The health that `enter` would remember; nothing is changed."""
        found = known or self._health.get(relay.id) or Health()
        if found.is_bootstrap != relay.is_bootstrap:
            found = replace(found, is_bootstrap=relay.is_bootstrap)
        if not self._is_enabled and not found.is_up:
            found = replace(found, status=state_machine.Status.HEALTHY, failed_checks=0)
        return found

    def forget(self, relay_id: str) -> None:
        """Remembers a relay no more."""
        self._health.pop(relay_id, None)
        self._watch.forget(relay_id)

    def observe(self, relay: Relay, seen: Observation) -> Relay:
        """Takes in what was seen of a relay and returns it as it stands now; the registry has it already."""
        before = self.of(relay.id)
        after, changes = state_machine.step(before, seen, self.now(), self.policy, is_frozen=self.is_frozen)
        self._note(relay.id, after, is_ours=not relay.is_waiting)
        for change in changes:
            if isinstance(change, StatusChanged):
                self._metrics.counter(TRANSITIONS, change.after.value).inc()
                _log.info(
                    "relay's health changed",
                    relay=relay.id,
                    url=relay.url,
                    state=change.after.value,
                    was=change.before.value,
                    reason=change.reason,
                )
        changed = shown(relay, after)
        self._registry.put(changed)
        return changed

    def drain_after(self, relay_id: str, seen: Observation) -> Drain | None:
        """The drain that an observation would lead to; nothing is changed."""
        after, _ = state_machine.step(self.of(relay_id), seen, self.now(), self.policy, is_frozen=self.is_frozen)
        return after.drain

    def put_back(self, relay: Relay, before: Health) -> None:
        """Undoes an observation whose outcome could not be carried out."""
        self._note(relay.id, before, is_ours=not relay.is_waiting)
        self._registry.put(shown(relay, before))

    def learn_drain(self, relay_id: str, drain: Drain | None) -> None:
        """Takes in that a relay is drained, or no longer, as another directory wrote it."""
        known = self._health.get(relay_id)
        if known is not None and known.drain != drain:
            self._note(relay_id, replace(known, drain=drain))

    @property
    def is_frozen(self) -> bool:
        """Whether so much fails at once that the directory doubts itself."""
        return self._watch.verdict(self.now()).is_frozen

    def now(self) -> float:
        """Seconds since 1970, which is what health is reckoned in."""
        return self._clock.wall().timestamp()

    def _note(self, relay_id: str, known: Health, *, is_ours: bool = True) -> None:
        self._health[relay_id] = known
        if is_ours:
            verdict = self._watch.note(relay_id, known, self.now())
        else:
            self._watch.forget(relay_id)
            verdict = self._watch.verdict(self.now())
        if verdict.is_frozen is not self._was_frozen:
            self._was_frozen = verdict.is_frozen
            self._alarm.set(int(verdict.is_frozen))
            if verdict.is_frozen:
                _log.error(
                    "so many relays fail at once that this directory may be cut off: none is taken out",
                    failing=verdict.failing,
                    up=verdict.up,
                )
            else:
                _log.info("relays are judged again", failing=verdict.failing, up=verdict.up)


def shown(relay: Relay, known: Health) -> Relay:
    """The relay with its health written on it; one that waits for approval is pending, however well it is."""
    return replace(
        relay,
        healthy=known.is_up and not relay.is_waiting,
        failed_checks=known.failed_checks,
        state=state_machine.Status.PENDING.value if relay.is_waiting else known.status.value,
        is_draining=known.is_draining,
    )


def seconds(moment: str) -> float:
    """Seconds since 1970 of a time as it stands in answers."""
    return datetime.fromisoformat(moment).timestamp()
