from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from vox.chat import events
from vox.chat.community import Community
from vox.chat.community.member_index import MemberIndex
from vox.chat.community.state import Person, State
from vox.chat.events.ids import FeedId, ThreadId, UserId


def members(*people: Person) -> MemberIndex:
    return MemberIndex(Community(State(users={one.id: one for one in people})))


def test_members_are_active_and_in_order_and_guests_from_elsewhere_are_not_counted_as_ours():
    roster = members(
        Person(UserId(3), "c", "C", is_federated=True),
        Person(UserId(1), "a", "A"),
        Person(UserId(2), "b", "B", is_active=False),
    )
    assert roster.ids() == [1, 3]
    assert roster.local_count() == 1


def test_whoever_comes_or_goes_is_listed_or_not_from_then_on():
    community = Community()
    roster = MemberIndex(community)
    seen: list[list[int]] = []
    for happened in (
        events.member_join(user_id=UserId(2), username="b"),
        events.member_join(user_id=UserId(1), username="a"),
        events.member_leave(user_id=UserId(2)),
        events.member_unban(user_id=UserId(2)),
        events.member_ban(user_id=UserId(1)),
    ):
        community.apply(happened)
        seen.append(list(roster.ids()))
    assert seen == [[2], [1, 2], [1], [1, 2], [2]]
    community.replace(State(users={UserId(7): Person(UserId(7), "g", "G")}))
    assert roster.ids() == [7]


def test_what_brings_nobody_costs_no_new_order():
    community = Community()
    roster = MemberIndex(community)
    community.apply(events.member_join(user_id=UserId(1), username="a"))
    before = roster.ids()
    community.apply(events.feed_create(feed_id=FeedId(1), name="general"))
    community.apply(events.thread_create(thread_id=ThreadId(1), parent_feed_id=FeedId(1), name="a thread"))
    assert roster.ids() is before


@given(st.sets(st.integers(1, 50)), st.integers(1, 7))
def test_pages_together_are_every_member_once_and_in_order(ids: set[int], limit: int):
    roster = members(*(Person(UserId(one), str(one), "X") for one in ids))
    seen: list[int] = []
    while page := [person.id for person in islice(roster.after(seen[-1] if seen else 0), limit)]:
        seen += page
    assert seen == sorted(ids)
