"""Fail-static: when many relays fail at once, the directory is presumed to be the one that is cut off.

Its verdict goes into `state_machine.step` as `is_frozen`. It is only as old as the last observation noted, so note every one.
"""

from collections import OrderedDict
from dataclasses import dataclass

from vox.directory.health.state_machine import Health, HealthPolicy, Status


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds for all relays at present.

    `is_frozen` stops downs and removals and is an alarm; `lists_suspects` adds suspects to the lists.
    """

    is_frozen: bool
    lists_suspects: bool
    up: int
    failing: int


class OutageDetector:
    """Sees every relay's health after each step, and judges all of them together.

    Frozen when more than `freeze_share` of the relays that were up began to fail within one interval; thawed when no
    more than that share still fails, however long that takes. Below `freeze_from` relays a share says nothing, and
    nothing is frozen.

    Args:
        freeze_share: of the relays that are up.
        freeze_from: relays that must be up for it.
        panic_share: of healthy relays among all that ever were up, below which suspects are listed too.
    """

    def __init__(
        self,
        policy: HealthPolicy,
        *,
        freeze_share: float = 0.4,
        freeze_from: int = 5,
        panic_share: float = 0.5,
    ) -> None:
        # A round's jitter and the retry of its failures spread what began at once.
        self._window_s = policy.interval_s * (1.0 + 2.0 * policy.jitter)
        self._freeze_share = freeze_share
        self._freeze_from = freeze_from
        self._panic_share = panic_share
        self._status: dict[str, Status] = {}
        self._counts: dict[Status, int] = dict.fromkeys(Status, 0)
        self._failing: set[str] = set()  # of those that are up
        self._recent = OrderedDict[str, float]()  # the part of it that began within the window; read from its front
        self._is_frozen = False

    def note(self, relay_id: str, health: Health, now: float) -> Verdict:
        """Takes in a relay's health, and returns the verdict that holds for the next step.

        Failures of relays on their way out are expected and say nothing about the directory.
        """
        before = self._status.get(relay_id)
        if before is not health.status:
            if before is not None:
                self._counts[before] -= 1
            self._counts[health.status] += 1
            self._status[relay_id] = health.status
        is_failing = health.is_up and health.failed_checks > 0 and not health.is_draining
        if not is_failing:
            self._failing.discard(relay_id)
            self._recent.pop(relay_id, None)
        elif relay_id not in self._failing:
            self._failing.add(relay_id)
            self._recent[relay_id] = now
        return self.verdict(now)

    def forget(self, relay_id: str) -> None:
        """A relay is gone."""
        status = self._status.pop(relay_id, None)
        if status is not None:
            self._counts[status] -= 1
        self._failing.discard(relay_id)
        self._recent.pop(relay_id, None)

    def verdict(self, now: float) -> Verdict:
        """What holds now."""
        while self._recent:
            oldest = next(iter(self._recent))
            if 0 <= now - self._recent[oldest] <= self._window_s:  # later than now: the clock was set back
                break
            del self._recent[oldest]
        healthy = self._counts[Status.HEALTHY]
        up = healthy + self._counts[Status.SUSPECT]
        limit = self._freeze_share * up
        failing = len(self._failing)
        if self._is_frozen:
            self._is_frozen = failing > limit
        else:
            self._is_frozen = up >= self._freeze_from and len(self._recent) > limit
        known = up + self._counts[Status.UNHEALTHY]
        return Verdict(self._is_frozen, healthy < self._panic_share * known, up, failing)
