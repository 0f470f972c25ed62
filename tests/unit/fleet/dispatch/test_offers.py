"""Every offer ends once, and a slot that nothing waits for any more is given back."""

import pytest

from tests.unit.fleet.dispatch.harness import placement
from vox.fleet.dispatch.offers import UNANSWERED_S, OfferBook
from vox.fleet.dispatch.registry import Registry, Worker
from vox.protocols.fleet import Accept, Register, Status


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def book(registry):
    return OfferBook(registry)


@pytest.fixture
def worker(registry):
    return known(registry, "w-1")


def known(registry: Registry, worker_id: str) -> Worker:
    worker = registry.register(Register(worker_id, 1), None, 0.0)
    assert isinstance(worker, Worker)
    worker.apply(Status(0, 0, 5, 5, "ready"))
    return worker


def accept(offer_id="o1", reservation_id="rsv_1") -> Accept:
    return Accept(offer_id, reservation_id, "token", "ws://w/stream")


def test_an_accepted_offer_becomes_a_reservation_of_its_call(registry, book, worker):
    book.open("o1", worker, placement("call_1", ttl_s=50.0), 10.0)
    assert (worker.offered, worker.offered_outbound, len(book)) == (1, 1, 1)
    call = book.accept(worker, accept(), 11.0)
    assert call is not None
    assert call.call_id == "call_1"
    assert (worker.offered, worker.offered_outbound, worker.unreported, worker.unreported_outbound) == (0, 0, 1, 1)
    assert registry.reservation_of("call_1") == (worker.key, "rsv_1")
    assert worker.reservations["rsv_1"].expires_at == 61.0
    assert len(book) == 0


def test_an_answer_that_comes_twice_counts_once(registry, book, worker):
    book.open("o1", worker, placement(), 0.0)
    assert book.accept(worker, accept(), 0.0) is not None
    assert book.accept(worker, accept(reservation_id="rsv_2"), 0.0) is None
    assert not book.refuse(worker, "o1")
    assert (worker.offered, worker.unreported) == (0, 1)


def test_a_worker_cannot_answer_what_another_was_offered(registry, book, worker):
    other = known(registry, "w-2")
    book.open("o1", worker, placement(), 0.0)
    assert book.accept(other, accept(), 0.0) is None
    assert not book.refuse(other, "o1")
    assert (worker.offered, other.offered, other.unreported) == (1, 0, 0)
    assert book.refuse(worker, "o1")
    assert worker.offered == 0


def test_an_acceptance_after_the_offer_was_given_up_is_not_the_calls(registry, book, worker):
    book.open("o1", worker, placement("call_1"), 0.0)
    assert book.give_up("o1")
    assert not book.give_up("o1")
    assert worker.offered == 1, "the worker may have reserved the slot by now"
    assert book.accept(worker, accept(), 1.5) is None
    assert registry.reservation_of("call_1") is None
    assert (worker.offered, worker.unreported) == (0, 1)
    assert not book.give_up("o1")


def test_a_refusal_after_the_offer_was_given_up_is_not_heard(book, worker):
    book.open("o1", worker, placement(), 0.0)
    book.give_up("o1")
    assert not book.refuse(worker, "o1")
    assert worker.offered == 0


def test_an_offer_that_is_never_answered_stops_counting(book, worker):
    book.open("o1", worker, placement(), 0.0)
    book.open("o2", worker, placement("call_2"), 0.0)
    book.give_up("o1")
    book.expire(UNANSWERED_S - 0.1)
    assert worker.offered == 2
    book.expire(UNANSWERED_S)
    assert worker.offered == 1, "the second one is still waited for"
    assert len(book) == 1


def test_a_lost_worker_ends_what_is_waited_for_and_nothing_twice(registry, book, worker):
    other = known(registry, "w-2")
    book.open("o1", worker, placement("call_1"), 0.0)
    book.open("o2", worker, placement("call_2"), 0.0)
    book.open("o3", other, placement("call_3"), 0.0)
    book.give_up("o2")
    assert book.lose(worker.key) == ["o1"]
    assert book.lose(worker.key) == []
    assert len(book) == 1
    registry.disconnected(worker, is_clean=False)
    assert book.accept(worker, accept(), 0.0) is None


def test_offers_of_a_worker_that_is_forgotten_are_forgotten_too(registry, book, worker):
    book.open("o1", worker, placement(), 0.0)
    book.give_up("o1")
    registry.forget(worker)
    book.expire(UNANSWERED_S)
    assert len(book) == 0
