"""Which worker is asked for a call: the nearest that have room, and of two drawn from them the one with less load. Pure.

The one thing to know: two drawn at random and compared spread a burst almost as evenly as a comparison of all, and unlike that do not
send everything to the one worker whose status happens to be the emptiest.
"""

from collections.abc import Collection, Iterable, Sequence
from math import inf
from typing import Final, Protocol

from vox.fleet.dispatch.contract import Busy, BusyReason, Placement
from vox.fleet.dispatch.registry import Place, Worker, WorkerKey

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
    known: dict[Place, int] = {}
    for worker in workers:
        if not worker.free(call.call_class) or not carries(worker, call) or worker.key in asked:
            continue
        apart = known.get(worker.place)
        if apart is None:
            apart = known[worker.place] = distance(call, worker.place)
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


def distance(call: Placement, place: Place) -> int:
    """How far a worker is from what the call needs, in steps without a unit; what is not known counts for nothing.

    The call's own region weighs most, then the caller's relay, the model and the carrier.
    """
    return (
        _REGION_WEIGHT * _apart(call.region, (place.region,))
        + _RELAY_WEIGHT * _apart(call.relay_region, place.relays)
        + _MODEL_WEIGHT * _apart(call.model_region, place.models)
        + _PROVIDER_WEIGHT * (bool(place.providers) and call.provider not in place.providers)
    )


def busy(call: Placement, workers: Iterable[Worker], *, asked: int = 0, unanswered: int = 0) -> Busy:
    """Why no worker took a call, and when it is worth asking again.

    Args:
        call: that found no slot.
        workers: all that are known.
        asked: how many were.
        unanswered: how many of them gave no answer.
    """
    fitting = [one for one in workers if not one.transports or not call.provider or call.provider in one.transports]
    reachable = [one for one in fitting if one.is_connected and not one.is_stale]
    reason: BusyReason
    if unanswered and unanswered == asked:
        reason = "NO_ANSWER"
    elif not reachable:
        reason = "NO_WORKERS"
    elif all(one.is_draining for one in reachable):
        reason = "DRAINING"
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
