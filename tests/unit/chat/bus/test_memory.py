"""The bus in one process: ordered, bounded, and honest about what it has dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from vox.chat.bus.memory import MemoryBus
from vox.chat.events import message_create, typing_start
from vox.chat.events.ids import FeedId, UserId


def event(number):
    return message_create(msg_id=number, author_id=UserId(1), body="x", timestamp=1, feed_id=FeedId(1))


async def test_entries_come_in_order_and_can_be_read_again():
    bus, seen = MemoryBus(FakeClock()), []
    bus.subscribe(seen.extend)
    bus.publish([event(1), event(2)])
    bus.publish([event(3)])
    assert [(entry.position, entry.event.payload["msg_id"]) for entry in seen] == [(1, 1), (2, 2), (3, 3)]
    assert seen[0].tail.startswith(b'"type":"message_create","d":{')
    assert await bus.entries_after(1, 10) == seen[1:]
    assert await bus.entries_after(0, 2) == seen[:2]
    assert await bus.entries_after(3, 2) == []
    assert bus.position == 3


async def test_what_passes_stands_in_no_log():
    bus, seen = MemoryBus(FakeClock()), []
    bus.subscribe(seen.extend)
    bus.publish([typing_start(user_id=UserId(1), feed_id=FeedId(1)), event(1)])
    assert [entry.position for entry in seen] == [0, 1]
    assert await bus.entries_after(0, 10) == seen[1:]


async def test_trimmed_entries_are_said_to_be_gone():
    clock = FakeClock()
    bus = MemoryBus(clock, max_entries=3, max_age_s=60)
    bus.publish([event(number) for number in range(5)])
    assert await bus.entries_after(1, 10) is None
    assert len(await bus.entries_after(2, 10) or ()) == 3
    assert await bus.entries_after(6, 10) is None  # a place that never was
    clock.advance(61)
    assert await bus.entries_after(4, 10) is None
    assert await bus.entries_after(5, 10) == []


async def test_the_log_is_bounded_in_bytes():
    bus = MemoryBus(FakeClock(), max_bytes=500)
    bus.publish([event(number) for number in range(50)])
    assert 0 < len(await bus.entries_after(bus.position - 2, 50) or ()) <= 5
    assert await bus.entries_after(0, 50) is None


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 12))
async def test_any_part_of_the_log(after, limit, kept):
    bus = MemoryBus(FakeClock(), max_entries=kept)
    bus.publish([event(number) for number in range(1, 31)])
    found = await bus.entries_after(after, limit)
    if 30 - kept <= after <= 30:
        assert found is not None
        assert [entry.position for entry in found] == list(range(after + 1, min(after + limit, 30) + 1))
    else:
        assert found is None


async def test_a_session_is_kept_for_its_time_and_taken_once():
    clock = FakeClock()
    bus = MemoryBus(clock)
    await bus.save_session("a", b"1", 300)
    await bus.save_session("b", b"2", 300)
    assert await bus.load_session("a") == b"1"
    assert await bus.load_session("a") is None
    clock.advance(300)
    assert await bus.load_session("b") is None
    await bus.save_session("c", b"3", 300)
    await bus.drop_session("c")
    await bus.drop_session("c")
    assert await bus.load_session("c") is None


async def test_alone_there_is_nobody_else_to_hear_of():
    bus = MemoryBus(FakeClock())
    bus.set_presence(UserId(1), b"x")
    bus.subscribe_presence(lambda *_: pytest.fail("nobody"))
    assert await bus.presences() == {}
    async with bus.running():
        assert bus.epoch != MemoryBus(FakeClock()).epoch
