"""What a relay's health is after each thing that was seen of it: one table, no clock, no network.

`step` counts what was observed, turns the counters into a signal, and looks the signal up in `TRANSITIONS`. The one thing to
know before changing it: only probes decide about up and down. A heartbeat proves that the relay's packets reach us, never
that clients reach the relay, so it clears no failed probe. Fail-static over all relays is in `outage_detector.py`.

Times are seconds since the epoch, because health outlives the process that saw it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import log2
from typing import Literal

import msgspec


class Status(StrEnum):
    """Where a relay stands. Healthy and suspect ones are up: the documented `healthy: true`."""

    PENDING = "pending"
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    UNHEALTHY = "unhealthy"
    REMOVED = "removed"


class Signal(StrEnum):
    """What the counters say, each only where it can matter."""

    PROVED = "proved"
    """enough successful probes in a row, and not held down"""
    DOUBTED = "doubted"
    """a failed probe, or heartbeats that stopped"""
    CLEARED = "cleared"
    """nothing speaks against it any more"""
    FAILED = "failed"
    """failed probes up to the threshold"""
    EXPIRED = "expired"
    """failed probes up to the threshold of removal, for long enough, and not a bootstrap relay"""


TRANSITIONS: dict[tuple[Status, Signal], Status] = {
    (Status.PENDING, Signal.PROVED): Status.HEALTHY,
    (Status.PENDING, Signal.EXPIRED): Status.REMOVED,
    (Status.HEALTHY, Signal.DOUBTED): Status.SUSPECT,
    (Status.HEALTHY, Signal.FAILED): Status.UNHEALTHY,
    (Status.SUSPECT, Signal.CLEARED): Status.HEALTHY,
    (Status.SUSPECT, Signal.FAILED): Status.UNHEALTHY,
    (Status.UNHEALTHY, Signal.PROVED): Status.HEALTHY,
    (Status.UNHEALTHY, Signal.EXPIRED): Status.REMOVED,
}
"""Every change of status there is; a pair that is not here changes nothing."""

UP = frozenset({Status.HEALTHY, Status.SUSPECT})


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """The rules. Thresholds count probes in a row; the documented ones are 30 s, 3 and 10.

    A relay whose penalty (`penalty_per_change` for each change between up and down, `penalty_per_doubt` for each time its
    probes begin to fail, halved every `penalty_half_life_s`) is above `hold_above` when it goes down stays down until the
    penalty is below `release_below`.
    """

    interval_s: float = 30.0
    failure_threshold: int = 3
    removal_threshold: int = 10
    removal_after_s: float = 3600.0
    admit_successes: int = 1
    """For a new relay: it has no bad record, and an operator waits in front of it."""
    recover_successes: int = 2
    recover_successes_after_flap: int = 3
    penalty_per_change: float = 1000.0
    penalty_per_doubt: float = 200.0
    """With it a relay that loses every second probe changes sides 1.6 times an hour, without it 2.2 times."""
    penalty_half_life_s: float = 900.0
    hold_above: float = 2000.0
    release_below: float = 750.0
    heartbeat_ttl_factor: float = 3.0
    lists_suspects: bool = True
    """Documented: a relay is healthy until its third failed probe. False lists suspects only when half the fleet is gone."""

    jitter: float = 0.1
    """Share of the interval by which each round is moved at most, either way."""

    def longest_detection_s(self, probe_timeout_s: float) -> float:
        """The longest time from a relay's death until it is no longer listed, unless downs are frozen."""
        rounds = self.failure_threshold + 2.0 * self.jitter + 0.5  # the half is the retry before a failure counts
        return self.interval_s * rounds + probe_timeout_s

    def shortest_hold_s(self) -> float:
        """The shortest time that a held relay stays down."""
        return self.penalty_half_life_s * log2(self.hold_above / self.release_below)


@dataclass(frozen=True, slots=True)
class Drain:
    """A relay on its way out (draining) or under the operator's hands (maintenance); `until` is a time, or None for open end."""

    by: Literal["relay", "operator"]
    reason: str = ""
    until: float | None = None
    is_maintenance: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """All that is remembered of a relay's health. Make changes with `step`."""

    status: Status = Status.PENDING
    is_bootstrap: bool = False
    failed_checks: int = 0
    failing_since: float | None = None
    successes: int = 0
    last_seen: float | None = None
    """Last sign of life: a successful probe or a heartbeat."""
    last_heartbeat: float | None = None
    heartbeat_interval_s: float | None = None
    penalty: float = 0.0
    """As it was at `penalised_at`; what is left of it now says `penalty_at`."""
    penalised_at: float = 0.0
    held_down_until: float | None = None
    drain: Drain | None = None

    @property
    def is_up(self) -> bool:
        """The documented `healthy`."""
        return self.status in UP

    @property
    def is_draining(self) -> bool:
        """Whether no new client should be sent there."""
        return self.drain is not None

    @property
    def is_in_maintenance(self) -> bool:
        """Whether its failures are expected."""
        return self.drain is not None and self.drain.is_maintenance

    def penalty_at(self, now: float, policy: HealthPolicy) -> float:
        """What is left of the penalty for its changes so far."""
        return self.penalty * 0.5 ** (max(0.0, now - self.penalised_at) / policy.penalty_half_life_s)

    def is_listed(self, policy: HealthPolicy, *, lists_suspects: bool = False) -> bool:
        """Whether clients are told of it; `lists_suspects` is the fleet's verdict that too few others are left."""
        if self.drain is not None or not self.is_up:
            return False
        return self.status is Status.HEALTHY or policy.lists_suspects or lists_suspects


@dataclass(frozen=True, slots=True)
class ProbeSucceeded:
    """The relay answered its health request as it should."""


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """It did not. Only the retry of a failed probe counts, so that one lost packet does not."""

    is_counted: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatArrived:
    """The relay called. `is_draining` None says nothing about draining; `interval_s` is when it means to call again."""

    interval_s: float | None = None
    is_draining: bool | None = None


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """The relay or the operator takes it out; replaces an earlier request."""

    by: Literal["relay", "operator"] = "operator"
    reason: str = ""
    until: float | None = None
    is_maintenance: bool = False


@dataclass(frozen=True, slots=True)
class DrainEnded:
    """It is back."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: heartbeats may have stopped, a drain may have ended. Once per interval is enough."""


Observation = ProbeSucceeded | ProbeFailed | HeartbeatArrived | DrainRequested | DrainEnded | Tick


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The relay's status is another one."""

    before: Status
    after: Status
    signal: Signal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HeldDown:
    """It went up and down too often and stays down until then, whatever its probes say."""

    until: float


@dataclass(frozen=True, slots=True)
class DrainChanged:
    """It is being drained or maintained, or (None) no longer."""

    drain: Drain | None


Change = StatusChanged | HeldDown | DrainChanged


def step(
    health: Health, observation: Observation, now: float, policy: HealthPolicy, *, is_frozen: bool = False
) -> tuple[Health, list[Change]]:
    """The health after an observation, and what others should hear of.

    While `is_frozen` (see `OutageDetector`) or in maintenance a failed probe casts doubt and nothing more: a relay that is up stays
    up, at most one failure from going down, and one that is down comes no closer to removal.
    """
    if health.status is Status.REMOVED:
        return health, []
    seen = _drained(_counted(health, observation, now, policy, is_frozen), observation, now)
    changes: list[Change] = [] if seen.drain == health.drain else [DrainChanged(seen.drain)]
    signal = _signal(seen, observation, now, policy, is_excused=is_frozen or seen.is_in_maintenance)
    after = TRANSITIONS.get((seen.status, signal)) if signal is not None else None
    if signal is None or after is None:
        return seen, changes
    changes.append(StatusChanged(seen.status, after, signal, getattr(observation, "reason", "")))
    moved = _moved(seen, after, now, policy)
    if moved.held_down_until is not None and moved.held_down_until != seen.held_down_until:
        changes.append(HeldDown(moved.held_down_until))
    return moved, changes


def revived(health: Health) -> Health:
    """A removed relay that registered again: pending, with its penalty, so that removal is no way around a hold."""
    return Health(
        is_bootstrap=health.is_bootstrap,
        penalty=health.penalty,
        penalised_at=health.penalised_at,
        held_down_until=health.held_down_until,
    )


def with_drain_of(health: str, other: str) -> str:
    """The health in the first text with the drain in the second: probes write the one, owners and operators the other."""
    return dump(replace(load(health), drain=load(other).drain))


def dump(health: Health) -> str:
    """The health as JSON text, to be kept."""
    return msgspec.json.encode(health).decode()


def load(text: str) -> Health:
    """The health that `dump` wrote; fields a later version added have their defaults, unreadable text is a new relay."""
    try:
        return msgspec.json.decode(text, type=Health)
    except (msgspec.DecodeError, ValueError):
        return Health()


def _counted(health: Health, observation: Observation, now: float, policy: HealthPolicy, is_frozen: bool) -> Health:
    match observation:
        case ProbeSucceeded():
            return replace(health, failed_checks=0, failing_since=None, successes=health.successes + 1, last_seen=now)
        case ProbeFailed(is_counted=True):
            failed = health.failed_checks + 1
            if is_frozen or health.is_in_maintenance:
                failed = max(health.failed_checks, min(failed, max(1, policy.failure_threshold - 1)))
            since = now if health.failing_since is None else health.failing_since
            return replace(health, failed_checks=failed, failing_since=since, successes=0)
        case HeartbeatArrived():
            interval_s = observation.interval_s or health.heartbeat_interval_s
            return replace(health, last_heartbeat=now, heartbeat_interval_s=interval_s, last_seen=now)
        case ProbeFailed() if not health.is_up:
            return replace(health, successes=0)  # no success in a row goes over it, counted or not
        case ProbeFailed() | DrainRequested() | DrainEnded() | Tick():
            return health


def _drained(health: Health, observation: Observation, now: float) -> Health:
    drain = health.drain
    match observation:
        case DrainRequested():
            drain = Drain(observation.by, observation.reason, observation.until, observation.is_maintenance)
        case DrainEnded():
            drain = None
        case HeartbeatArrived(is_draining=True) if drain is None:
            drain = Drain("relay")
        case HeartbeatArrived(is_draining=False) if drain is not None and drain.by == "relay":
            drain = None
        case _ if drain is not None and drain.until is not None and now >= drain.until:
            drain = None
        case _:
            pass
    return health if drain is health.drain else replace(health, drain=drain)


def _signal(
    health: Health, observation: Observation, now: float, policy: HealthPolicy, *, is_excused: bool
) -> Signal | None:
    has_failed = isinstance(observation, ProbeFailed) and observation.is_counted and not is_excused
    if health.is_up:
        if has_failed and health.failed_checks >= policy.failure_threshold:
            return Signal.FAILED
        is_doubted = health.failed_checks > 0 or _is_silent(health, now, policy)
        return Signal.DOUBTED if is_doubted else Signal.CLEARED
    if isinstance(observation, ProbeSucceeded):
        is_held = health.held_down_until is not None and now < health.held_down_until
        return Signal.PROVED if not is_held and health.successes >= _needed(health, policy) else None
    is_expired = (
        has_failed
        and health.failed_checks >= policy.removal_threshold
        and health.failing_since is not None
        and now - health.failing_since >= policy.removal_after_s
        and not health.is_bootstrap
    )
    return Signal.EXPIRED if is_expired else None


def _is_silent(health: Health, now: float, policy: HealthPolicy) -> bool:
    """Whether a relay that used to call has stopped; one that never called is judged by its probes alone."""
    if health.last_heartbeat is None:
        return False
    interval_s = health.heartbeat_interval_s or policy.interval_s
    return now - health.last_heartbeat > policy.heartbeat_ttl_factor * interval_s


def _needed(health: Health, policy: HealthPolicy) -> int:
    if health.status is Status.PENDING and health.penalty == 0.0:
        return policy.admit_successes
    # Half a change more than its going down has cost: an earlier one was not forgotten yet.
    has_flapped = health.held_down_until is not None or health.penalty > 1.5 * policy.penalty_per_change
    return policy.recover_successes_after_flap if has_flapped else policy.recover_successes


def _moved(health: Health, after: Status, now: float, policy: HealthPolicy) -> Health:
    """The health in its new status; doubt costs a little, up and down much, and too much of it holds the relay down."""
    was_up, is_up = health.is_up, after in UP
    if health.status is Status.PENDING or after is Status.REMOVED:
        return replace(health, status=after)
    if after is Status.SUSPECT and health.failed_checks == 0:
        return replace(health, status=after)  # only its heartbeats are late
    cost = (
        policy.penalty_per_change if was_up != is_up else policy.penalty_per_doubt if after is Status.SUSPECT else 0.0
    )
    penalty = health.penalty_at(now, policy) + cost
    until = None
    if was_up and not is_up and penalty > policy.hold_above:
        until = now + policy.penalty_half_life_s * log2(penalty / policy.release_below)
    return replace(health, status=after, penalty=penalty, penalised_at=now, held_down_until=until)
