"""Unread counts from memory: whatever happens in whatever order, they are those of the database."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.community.recent_messages import KEPT, MOST_COUNTED, RecentMessages
from vox.chat.events import Event, feed_delete, message_bulk_delete, message_create, message_delete
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId

FEED = FeedId(1)
ANN, BEN = UserId(1), UserId(2)


def created(number: int, author: UserId = ANN, **more: Any) -> Event:
    return message_create(msg_id=MessageId(number), author_id=author, body="x", timestamp=0, feed_id=FEED, **more)


def known(*ids: int) -> RecentMessages:
    recent = RecentMessages()
    assert recent.missing([FEED]) == [FEED]
    recent.install({FEED: ([MessageId(one) for one in ids], [])})
    return recent


def test_a_feed_is_read_once_and_then_follows_its_events():
    recent = known(1, 2)
    assert recent.missing([FEED]) == []
    recent.apply(created(3))
    recent.apply(created(4, thread_id=ThreadId(9)))
    assert (recent.unread(FEED, 1), recent.newest(FEED)) == (2, 3)
    recent.apply(message_delete(msg_id=MessageId(3), feed_id=FEED))
    assert (recent.unread(FEED, 0), recent.newest(FEED)) == (2, 2)


def test_what_happens_while_a_feed_is_being_read_is_not_lost():
    recent = RecentMessages()
    recent.missing([FEED])
    recent.apply(created(3))
    recent.apply(message_delete(msg_id=MessageId(1), feed_id=FEED))
    recent.install({FEED: ([MessageId(1), MessageId(2)], [])})
    assert recent.unread(FEED, 0) == 2
    recent.install({FEED: ([], [])})
    assert recent.unread(FEED, 0) == 2, "a second reader comes too late"


def test_counts_end_at_the_most_and_a_feed_with_many_deletions_is_read_again():
    recent = known(*range(1, KEPT + 1))
    assert recent.unread(FEED, 0) == MOST_COUNTED
    gone = [MessageId(one) for one in range(1, KEPT - MOST_COUNTED + 1)]
    recent.apply(message_bulk_delete(msg_ids=gone, feed_id=FEED))
    assert recent.missing([FEED]) == []
    recent.apply(message_delete(msg_id=MessageId(KEPT), feed_id=FEED))
    assert recent.missing([FEED]) == [FEED], "older messages may be unread that are not remembered"


def test_mentions_of_everyone_are_not_for_their_author():
    recent = known(1)
    recent.apply(created(2, ANN, mentions=[0]))
    recent.apply(created(3, BEN, mentions=[0, 2]))
    assert recent.for_everyone(FEED, 0, ANN) == [3]
    assert recent.for_everyone(FEED, 2, UserId(7)) == [3]
    recent.apply(message_delete(msg_id=MessageId(3), feed_id=FEED))
    assert recent.for_everyone(FEED, 0, ANN) == []


def test_a_feed_that_is_gone_or_was_missed_is_read_again():
    recent = known(1)
    recent.apply(feed_delete(feed_id=FEED, overrides=()))
    assert recent.missing([FEED]) == [FEED]
    recent = known(1)
    recent.forget()
    assert (recent.newest(FEED), recent.unread(FEED, 0)) == (None, 0)


@given(
    before=st.sets(st.integers(1, 30)),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=40),
    read_at=st.integers(0, 40),
    mark=st.integers(0, 60),
)
def test_any_order_of_messages_deletions_and_the_read_counts_alike(
    before: set[int], steps: list[tuple[bool, int]], read_at: int, mark: int
):
    stored, recent = set(before), RecentMessages()
    recent.missing([FEED])
    for index, (is_new, number) in enumerate(steps):
        if index == read_at:
            recent.install({FEED: (sorted(MessageId(one) for one in stored), [])})
        if is_new and number not in stored:
            stored.add(number)
            recent.apply(created(number))
        elif not is_new:
            stored.discard(number)
            recent.apply(message_delete(msg_id=MessageId(number), feed_id=FEED))
    if read_at >= len(steps):
        recent.install({FEED: (sorted(MessageId(one) for one in stored), [])})
    assert recent.unread(FEED, mark) == sum(one > mark for one in stored)
    assert recent.newest(FEED) == max(stored, default=None)
