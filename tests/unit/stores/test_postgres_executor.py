"""Outcomes leave in the order of their commits, however the threads are scheduled."""

import concurrent.futures
import threading
from collections.abc import Iterable

import pytest

from tests.time_limits import WAIT_S
from vox.stores import postgres_executor
from vox.stores.postgres_executor import Turns
from vox.stores.work_items import WorkItem


def unit() -> WorkItem:
    future: concurrent.futures.Future[None] = concurrent.futures.Future()
    return WorkItem(lambda _connection: None, "write", future)


def test_an_outcome_waits_for_those_of_earlier_turns():
    turns, first, second = Turns(), unit(), unit()
    one, two = turns.take(), turns.take()
    turns.finish(two, second)
    assert not second.future.done()
    turns.finish(one, first)
    assert first.future.done()
    assert second.future.done()


def test_a_turn_that_came_to_nothing_holds_up_nobody():
    turns, second = Turns(), unit()
    one, two = turns.take(), turns.take()
    turns.finish(two, second)
    turns.finish(one, None)
    assert second.future.done()


def test_a_thread_that_pauses_while_it_delivers_is_not_overtaken(monkeypatch: pytest.MonkeyPatch):
    turns, first, second = Turns(), unit(), unit()
    one, two = turns.take(), turns.take()
    order: list[WorkItem] = []
    is_delivering, later_is_here = threading.Event(), threading.Event()

    def deliver(done: Iterable[WorkItem]) -> None:
        those = list(done)
        if those == [first]:
            is_delivering.set()
            later_is_here.wait(0.2)  # long enough for the other thread, which must not get here
        order.extend(those)
        if those == [second]:
            later_is_here.set()

    monkeypatch.setattr(postgres_executor, "deliver", deliver)
    early = threading.Thread(target=turns.finish, args=(one, first))
    late = threading.Thread(target=turns.finish, args=(two, second))
    early.start()
    assert is_delivering.wait(WAIT_S)
    late.start()
    for thread in (early, late):
        thread.join(WAIT_S)
    assert order == [first, second]
