"""Which worker is asked for a call: the nearest that have room, and of two drawn from them the one with less load. Pure.

The one thing to know: two drawn at random and compared spread a burst almost as evenly as a comparison of all, and unlike that do not
send everything to the one worker whose status happens to be the emptiest.
"""

from collections.abc import Collection, Iterable, Sequence
from math import inf
from typing import Final, Protocol

from vox.fleet.dispatch.contract import Busy, BusyReason, Placement
from vox.fleet.dispatch.registry import Worker, WorkerKey

RETRY_S: Final = 5.0
"""When to come back if no worker says when a slot will be free."""
MIN_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0
_REGION_WEIGHT, _RELAY_WEIGHT, _MODEL_WEIGHT, _PROVIDER_WEIGHT = 8, 4, 2, 1


class Chance(Protocol):
    """What is needed of `random.Random`."""

    def sample(self, population: Sequence[Worker], k: int) -> list[Worker]:
        """Draws `k` different ones."""
        ...


def choose(call: Placement, workers: Iterable[Worker], asked: Collection[WorkerKey], random: Chance) -> Worker | None:
    """The worker to ask next, or None where none has a slot for this call.

    Args:
        call: what needs a slot.
        workers: all that are known.
        asked: those that were asked for it already.
        random: draws the two.
    """
    nearest, least = list[Worker](), inf
    for worker in workers:
        if worker.key in asked or not carries(worker, call) or not worker.free(call.call_class):
            continue
        apart = distance(call, worker)
        if apart < least:
            nearest, least = [worker], apart
        elif apart == least:
            nearest.append(worker)
    if len(nearest) > 1:
        one, other = random.sample(nearest, 2)
        return one if one.effective_load <= other.effective_load else other
    return nearest[0] if nearest else None


def carries(worker: Worker, call: Placement) -> bool:
    """Whether a worker takes calls at present, and those of this carrier."""
    is_fitting = not worker.transports or not call.provider or call.provider in worker.transports
    return worker.takes_calls and is_fitting


def distance(call: Placement, worker: Worker) -> int:
    """How far a worker is from what the call needs, in steps without a unit; what is not known counts for nothing.

    The call's own region weighs most, then the caller's relay, the model and the carrier. A worker may stand nearer to a relay, a
    model or a carrier than its region says: its labels `relay_region`, `model_region` and `provider` (separated by commas) name them.
    """
    labels = worker.labels
    return (
        _REGION_WEIGHT * _apart(call.region, (worker.region,))
        + _RELAY_WEIGHT * _apart(call.relay_region, _listed(labels.get("relay_region")) or (worker.region,))
        + _MODEL_WEIGHT * _apart(call.model_region, _listed(labels.get("model_region")) or (worker.region,))
        + _PROVIDER_WEIGHT * (call.provider not in listed if (listed := _listed(labels.get("provider"))) else 0)
    )


def busy(call: Placement, workers: Iterable[Worker], *, unanswered: int) -> Busy:
    """Why no worker took a call, and when it is worth asking again.

    Args:
        call: that found no slot.
        workers: all that are known.
        unanswered: how many were asked and gave no answer.
    """
    fitting = [one for one in workers if not one.transports or not call.provider or call.provider in one.transports]
    reachable = [one for one in fitting if one.is_connected and not one.is_stale]
    reason: BusyReason
    if not reachable:
        reason = "NO_ANSWER" if unanswered else "NO_WORKERS"
    elif all(one.is_draining for one in reachable):
        reason = "DRAINING"
    elif unanswered and any(one.takes_calls and one.free(call.call_class) for one in reachable):
        reason = "NO_ANSWER"
    else:
        reason = "AT_CAPACITY"
    hints = [one.next_free_s for one in reachable if one.takes_calls and one.next_free_s is not None]
    return Busy(min(max(min(hints, default=RETRY_S), MIN_RETRY_S), MAX_RETRY_S), reason)


def _apart(asked: str, places: Collection[str]) -> int:
    """0 for the same region, 1 for the same part of the world (`eu-west`, `eu-central`) or an unknown one, 2 for another."""
    if not asked:
        return 0
    return min(
        0 if place == asked else 1 if not place or place.partition("-")[0] == asked.partition("-")[0] else 2
        for place in places
    )


def _listed(label: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in (label or "").split(","))))
