"""Offers between being made and being answered: each ends exactly once, as accepted, busy, timed out or lost. Pure.

The one thing to know: an offer that was given up is still answered by its worker, and an acceptance that comes then has reserved a slot
for a call that is elsewhere. `accept` says so by returning None, and the slot is released.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from vox.fleet.dispatch.contract import Placement
from vox.fleet.dispatch.registry import Registry, Reservation, Worker, WorkerKey
from vox.protocols.fleet import Accept, CallClass

OfferResult: TypeAlias = Literal["accepted", "busy", "timed_out", "lost"]

UNANSWERED_S: Final = 6.0
"""How long an offer that was given up still counts against its worker, which may have reserved a slot for it."""


@dataclass(slots=True)
class _Open:
    key: WorkerKey
    call: Placement
    forget_at: float
    is_given_up: bool = False


class OfferBook:
    """All offers that may still be answered."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._open: dict[str, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, offer_id: str, worker: Worker, call: Placement, now: float) -> None:
        """An offer goes out; it counts against its worker from now on."""
        self._open[offer_id] = _Open(worker.key, call, now + UNANSWERED_S)
        worker.count_offer(call.call_class, 1)

    def accept(self, worker: Worker, message: Accept, now: float) -> Placement | None:
        """The call that has got the slot; None if nothing waits for it any more, so that the slot has to be released."""
        offer = self._take(worker.key, message.offer_id)
        if offer is None:
            return None
        worker.count_accepted(offer.call.call_class)
        if offer.is_given_up:
            return None
        call = offer.call
        reservation = Reservation(
            message.reservation_id, call.call_id, now + call.ttl_s, now, call.call_class, worker.statuses + 1
        )
        self._registry.reserve(worker, reservation)
        return call

    def refuse(self, worker: Worker, offer_id: str) -> bool:
        """A worker is busy; False if nothing waits for that answer any more."""
        offer = self._take(worker.key, offer_id)
        return offer is not None and not offer.is_given_up

    def give_up(self, offer_id: str) -> bool:
        """Waits no longer for an answer; False if the offer has ended already."""
        offer = self._open.get(offer_id)
        if offer is None or offer.is_given_up:
            return False
        offer.is_given_up = True
        return True

    def lose(self, key: WorkerKey) -> list[str]:
        """A worker cannot answer any more. Returns its offers that something waits for; each of them has ended."""
        found = [offer_id for offer_id, offer in self._open.items() if offer.key == key]
        return [offer_id for offer_id in found if not self._open.pop(offer_id).is_given_up]

    def expire(self, now: float) -> None:
        """Forgets offers that were given up and will not be answered."""
        for offer_id, offer in list(self._open.items()):
            if offer.is_given_up and now >= offer.forget_at:
                del self._open[offer_id]
                self._uncount(offer.key, offer.call.call_class)

    def _take(self, key: WorkerKey, offer_id: str) -> _Open | None:
        offer = self._open.get(offer_id)
        if offer is None or offer.key != key:
            return None
        del self._open[offer_id]
        self._uncount(key, offer.call.call_class)
        return offer

    def _uncount(self, key: WorkerKey, call_class: CallClass) -> None:
        worker = self._registry.get(key)
        if worker is not None and worker.offered:
            worker.count_offer(call_class, -1)
