"""A fleet of relays over a week on a virtual clock, driven by events: what is steady is skipped to the next event.

Two things are skipped, each because it changes nothing but times and counters (which unit tests show): probes of a healthy
relay that is up, and probes of a dead bootstrap relay that is down already.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush

from vox.directory.health.outage_detector import OutageDetector
from vox.directory.health.state_machine import (
    Health,
    HealthPolicy,
    HeartbeatArrived,
    HeldDown,
    Observation,
    Status,
    StatusChanged,
    revived,
    step,
)
from vox.directory.probing.schedule import after_probe, next_round

WEEK_S = 7 * 86_400.0
HOUR_S = 3600.0
PROBE_TIMEOUT_S = 5.0


@dataclass
class Relay:
    """What is true of a relay, and what the directory makes of it."""

    id: str
    health: Health
    loss: float = 0.0
    heartbeat_s: float | None = None
    """It heartbeats at this interval, even when clients cannot reach it."""
    is_alive: bool = True
    restarts_at: float = 0.0
    changed_at: float = 0.0
    """When it last died or came back."""
    planned: float | None = None
    probe: int = 0
    """Number of the planned probe; an event with another number is out of date."""
    changes: list[float] = field(default_factory=list)
    """Times at which it went up or down in the directory."""
    held_until: float = 0.0


class Simulation:
    """Runs the fleet, and checks after every step what must always hold; `counts` says that enough happened."""

    def __init__(
        self, seed: int, relays: int, *, outages_each: int = 3, flappers: int = 8, partitions: int = 4
    ) -> None:
        self.rng = random.Random(seed)
        self.policy = HealthPolicy()
        self.watch = OutageDetector(self.policy)
        self.events: list[tuple[float, int, str, Relay | None, float]] = []
        self.number = 0
        self.now = 0.0
        self.cut_off_until = -1.0
        self.thawed_at = 0.0
        self.counts = Counter[str]()
        self.relays = [
            Relay(
                f"relay-{number:04}",
                Health(is_bootstrap=number % 50 == 0),
                heartbeat_s=self.rng.choice([None, 15.0, 25.0, 60.0]) if number % 10 == 0 else None,
            )
            for number in range(relays)
        ]
        for relay in self.relays:
            self.plan(relay, self.rng.uniform(0, 60), is_retry=False)
            for _ in range(self.rng.randint(1, outages_each)):
                lasts_s = self.rng.choice([20.0, 60.0, 180.0, 900.0, 2 * HOUR_S, 12 * HOUR_S])
                self.at(
                    self.rng.uniform(HOUR_S, WEEK_S - 16 * HOUR_S), "die", relay, lasts_s * self.rng.uniform(0.8, 1.2)
                )
        for relay in self.rng.sample(self.relays, flappers):
            self.at(self.rng.uniform(HOUR_S, WEEK_S / 2), "lossy", relay, 0.5)
            self.at(WEEK_S / 2 + 6 * HOUR_S, "lossy", relay, 0.0)
            # Some bounce by the clock instead: down just long enough to be noticed, up just long enough to come back.
            for bounce in range(20):
                self.at(5.5 * 86_400 + bounce * 400, "die", relay, 200.0)
        for number in range(partitions):
            start = (number + 1) * WEEK_S / (partitions + 1)
            self.at(start, "cut off", None, self.rng.choice([90.0, 600.0, 1200.0]))

    def at(self, when: float, what: str, relay: Relay | None, value: float = 0.0) -> None:
        self.number += 1
        heappush(self.events, (when, self.number, what, relay, value))

    def plan(self, relay: Relay, when: float, *, is_retry: bool) -> None:
        relay.probe += 1
        relay.planned = when
        self.at(when, "retry" if is_retry else "probe", relay, relay.probe)

    def wake(self, relay: Relay) -> None:
        """Plans probes again for a relay that was skipped."""
        if relay.planned is None:
            if relay.heartbeat_s:
                self.observe(relay, HeartbeatArrived(relay.heartbeat_s))  # the last of those that were skipped
            # The round that would have been next; half an interval back, because that much `next_round` adds.
            when = next_round(relay.id, self.now - self.policy.interval_s / 2, self.policy, self.rng)
            if when < self.now:
                when = next_round(relay.id, when, self.policy, self.rng)
            self.plan(relay, when, is_retry=False)

    def run(self) -> None:
        while self.events:
            self.now, _, what, relay, value = heappop(self.events)
            if self.now > WEEK_S:
                break
            if relay is None:
                self.cut_off(value)
            elif what in {"probe", "retry"}:
                if value == relay.probe:
                    self.probed(relay, is_retry=what == "retry")
            elif what == "die":
                self.dies(relay, value)
            elif what == "lossy":
                relay.loss = value
                self.wake(relay)
            elif what == "heartbeat":
                self.heartbeat(relay)
            elif what == "late?":
                self.must_not_be_listed(relay, died_at=value)
            elif self.now >= relay.restarts_at and not relay.is_alive:
                self.starts(relay)

    def cut_off(self, lasts_s: float) -> None:
        """The directory's own line is down: every probe fails, and no heartbeat arrives."""
        self.counts["partitions"] += 1
        for relay in self.relays:
            self.wake(relay)
        self.cut_off_until = self.now + lasts_s

    def dies(self, relay: Relay, lasts_s: float) -> None:
        if relay.is_alive:
            self.counts["deaths"] += 1
            relay.is_alive, relay.changed_at = False, self.now
            if relay.heartbeat_s:
                self.at(self.now + relay.heartbeat_s, "heartbeat", relay)
            self.at(self.now + self.policy.longest_detection_s(PROBE_TIMEOUT_S), "late?", relay, self.now)
        relay.restarts_at = max(relay.restarts_at, self.now + lasts_s)
        self.at(relay.restarts_at, "start", relay)
        self.wake(relay)

    def starts(self, relay: Relay) -> None:
        relay.is_alive, relay.changed_at = True, self.now
        if relay.health.status is Status.REMOVED:  # as a relay does that is told it is unknown
            self.counts["returns"] += 1
            relay.health = revived(relay.health)
            self.watch.note(relay.id, relay.health, self.now)
        self.wake(relay)

    def heartbeat(self, relay: Relay) -> None:
        """A relay that clients cannot reach still calls (D1)."""
        if not relay.is_alive and relay.heartbeat_s:
            if self.now >= self.cut_off_until:
                self.observe(relay, HeartbeatArrived(relay.heartbeat_s))
            self.at(self.now + relay.heartbeat_s, "heartbeat", relay)

    def probed(self, relay: Relay, *, is_retry: bool) -> None:
        relay.planned = None
        if relay.health.status is Status.REMOVED:
            return
        is_lost = self.now < self.cut_off_until or (relay.loss and self.rng.random() < relay.loss)
        failure = "no answer" if is_lost or not relay.is_alive else None
        plan = after_probe(relay.id, self.now, failure, self.policy, self.rng, is_retry=is_retry)
        self.counts["probes"] += 1
        if relay.is_alive and relay.heartbeat_s and self.now >= self.cut_off_until:
            self.observe(relay, HeartbeatArrived(relay.heartbeat_s))
        self.observe(relay, plan.observation)
        if not self.is_steady(relay):
            self.plan(relay, plan.at, is_retry=plan.is_retry)

    def is_steady(self, relay: Relay) -> bool:
        if relay.health.status is Status.REMOVED:
            return True
        if self.now < self.cut_off_until or relay.loss:
            return False
        if relay.is_alive:
            return relay.health.status is Status.HEALTHY
        return relay.health.is_bootstrap and relay.health.failed_checks > self.policy.removal_threshold

    def observe(self, relay: Relay, observation: Observation) -> None:
        was_frozen = self.watch.verdict(self.now).is_frozen
        before = relay.health
        relay.health, changes = step(before, observation, self.now, self.policy, is_frozen=was_frozen)
        is_frozen = self.watch.note(relay.id, relay.health, self.now).is_frozen
        if was_frozen != is_frozen:
            self.counts["freezes"] += is_frozen
            self.thawed_at = self.now
            if not is_frozen:
                for other in self.relays:
                    if not other.is_alive and other.health.is_up:
                        late_s = self.policy.longest_detection_s(PROBE_TIMEOUT_S)
                        self.at(self.now + late_s, "late?", other, other.changed_at)
        for change in changes:
            if isinstance(change, HeldDown):
                self.counts["holds"] += 1
                relay.held_until = change.until
            if isinstance(change, StatusChanged):
                self.changed(relay, before, change.after, is_frozen=was_frozen)

    def changed(self, relay: Relay, before: Health, after: Status, *, is_frozen: bool) -> None:
        if after is Status.REMOVED:
            self.counts["removals"] += 1
            assert not relay.is_alive or relay.loss, f"{relay.id} was removed while it was up"
            assert not relay.health.is_bootstrap
            assert not is_frozen
        if before.is_up == relay.health.is_up or before.status is Status.PENDING:
            return
        self.counts["ups and downs"] += 1
        relay.changes.append(self.now)
        if relay.health.is_up:
            assert relay.is_alive, f"{relay.id} was listed again while it was dead"
            assert self.now >= relay.held_until, f"{relay.id} came up while it was held down"
        else:
            assert not is_frozen
            dead_s = self.policy.longest_detection_s(PROBE_TIMEOUT_S)
            was_unreachable = (
                not relay.is_alive or relay.loss or self.now - max(relay.changed_at, self.cut_off_until) < dead_s
            )
            assert was_unreachable, f"{relay.id} went down while it was up"

    def must_not_be_listed(self, relay: Relay, *, died_at: float) -> None:
        """Asked when a relay has been dead for as long as it takes to see it, unless it was back or all was frozen."""
        if relay.is_alive or relay.changed_at != died_at:
            return
        if self.watch.verdict(self.now).is_frozen:
            return  # asked again after the thaw
        waited_s = self.now - max(died_at, self.thawed_at, self.cut_off_until)
        if waited_s >= self.policy.longest_detection_s(PROBE_TIMEOUT_S) - 1e-6:
            self.counts["deaths seen"] += 1
            assert not relay.health.is_up, f"{relay.id} is dead since {died_at:.0f} s and listed at {self.now:.0f} s"

    def most_changes_in(self, window_s: float) -> int:
        """The most ups and downs of one relay in any stretch of that length."""
        most = 0
        for relay in self.relays:
            first = 0
            for last, moment in enumerate(relay.changes):
                while moment - relay.changes[first] > window_s:
                    first += 1
                most = max(most, last - first + 1)
        return most
