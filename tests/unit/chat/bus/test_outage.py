"""Own events while Redis is away: no session is given them before the outage is long, and once only."""

from tests.fakes.clock import FakeClock
from vox.chat.bus.outage import EARLY_AFTER_S, Outage
from vox.chat.events import Event, Users


def event(name: str) -> Event:
    return Event("server_update", {"n": name}, Users(()))


def names(events: list[Event]) -> list[str]:
    return [one.payload["n"] for one in events]


def test_events_wait_until_the_outage_is_long_and_are_given_once_in_order():
    clock = FakeClock()
    outage = Outage(clock, 10)
    outage.add([event("of an ordinary day")])
    outage.begin([event("one")])
    outage.begin([event("one")])
    outage.add([event("two")])
    assert (outage.take(), outage.is_long) == ([], False)
    clock.advance(EARLY_AFTER_S)
    assert outage.is_long
    assert names(outage.take()) == ["one", "two"]
    outage.add([event("three")])
    assert names(outage.take()) == ["three"]
    assert outage.take() == []


def test_only_sessions_that_were_given_something_have_to_begin_anew():
    clock = FakeClock()
    outage = Outage(clock, 10)
    outage.begin([])
    clock.advance(EARLY_AFTER_S)
    assert outage.take() == []
    assert outage.ended() is False
    outage.begin([event("one")])
    assert outage.ended() is False
    outage.begin([event("one")])
    clock.advance(EARLY_AFTER_S)
    outage.take()
    assert (outage.ended(), outage.ended(), outage.is_long) == (True, False, False)


def test_what_is_kept_is_bounded():
    clock = FakeClock()
    outage = Outage(clock, 2)
    outage.begin([event(str(number)) for number in range(5)])
    clock.advance(EARLY_AFTER_S)
    assert names(outage.take()) == ["3", "4"]
