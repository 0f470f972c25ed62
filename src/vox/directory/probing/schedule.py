"""When each relay is probed: its own time in every round, and a retry before a failure counts.

The time within the round follows from the id, so that a thousand relays are spread over the interval, the same way after
every restart and in every directory.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import Protocol

from vox.directory.health.state_machine import HealthPolicy, ProbeFailed, ProbeSucceeded


class Chance(Protocol):
    """The part of `random.Random` that is needed here."""

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""
        ...


@dataclass(frozen=True, slots=True)
class NextProbe:
    """What a probe's outcome means, and when the next one starts."""

    observation: ProbeSucceeded | ProbeFailed
    at: float
    is_retry: bool


def phase_s(relay_id: str, interval_s: float) -> float:
    """The relay's own time within each round, in seconds from its start."""
    digest = blake2b(relay_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2.0**64 * interval_s


def next_round(relay_id: str, after: float, policy: HealthPolicy, chance: Chance) -> float:
    """When the relay's first round of at least half an interval after `after` has its probe, jitter included.

    Half an interval, so that a probe moved by its jitter never falls into the round it already had.
    """
    interval_s = policy.interval_s
    phase = phase_s(relay_id, interval_s)
    number = ceil((after + interval_s / 2.0 - phase) / interval_s)
    return phase + number * interval_s + chance.uniform(-policy.jitter, policy.jitter) * interval_s


def after_probe(
    relay_id: str,
    started_at: float,
    failure: str | None,
    policy: HealthPolicy,
    chance: Chance,
    *,
    is_retry: bool,
) -> NextProbe:
    """What follows from a probe that started then; `failure` is its reason, None for success."""
    half_s = policy.interval_s / 2.0
    # A retry does not take the place of the next round: that one is reckoned from the probe that was retried.
    round_at = next_round(relay_id, started_at - (half_s if is_retry else 0.0), policy, chance)
    if failure is None:
        return NextProbe(ProbeSucceeded(), round_at, is_retry=False)
    if is_retry:
        return NextProbe(ProbeFailed(is_counted=True, reason=failure), round_at, is_retry=False)
    return NextProbe(ProbeFailed(is_counted=False, reason=failure), started_at + half_s, is_retry=True)
