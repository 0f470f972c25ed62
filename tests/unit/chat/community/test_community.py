"""What the community answers in the situations people talk about."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat import events
from vox.chat.community import Community, Person
from vox.chat.community.state import Space, Target
from vox.chat.events import Event
from vox.chat.events.audience import EVERYONE, FormerViewers, PermissionHolders, SpaceOverride, Viewers
from vox.chat.events.ids import CategoryId, DmId, FeedId, MessageId, RoleId, RoomId, ThreadId, UserId
from vox.chat.events.permissions import ALL, EVERYONE_DEFAULT, AllowDeny, P

K = TypeVar("K")
V = TypeVar("V")

_ALICE, _BOB, _CAROL = UserId(1), UserId(2), UserId(3)
_EVERYONE_ROLE, _ADMIN_ROLE, _MOD_ROLE = RoleId(1), RoleId(2), RoleId(3)
_HIDE = SpaceOverride("role", _EVERYONE_ROLE, deny=P.VIEW_SPACE.value)


def _community(*more: Event) -> Community:
    community = Community()
    happened = (
        events.role_create(
            role_id=_EVERYONE_ROLE, name="@everyone", color=None, permissions=EVERYONE_DEFAULT, position=0
        ),
        events.role_create(
            role_id=_ADMIN_ROLE, name="Admin", color=None, permissions=P.ADMINISTRATOR.value, position=1
        ),
        events.role_create(role_id=_MOD_ROLE, name="Mod", color=None, permissions=P.MANAGE_MESSAGES.value, position=5),
        events.member_join(user_id=_ALICE, username="alice", role_ids=[_ADMIN_ROLE]),
        events.member_join(user_id=_BOB, username="bob"),
        events.member_join(user_id=_CAROL, username="carol", role_ids=[_MOD_ROLE]),
        events.feed_create(feed_id=FeedId(1), name="general"),
        *more,
    )
    for event in happened:
        community.apply(event)
    return community


def _hidden_feed() -> Event:
    return events.feed_create(
        feed_id=FeedId(2), name="secret", overrides=[_HIDE, SpaceOverride("role", _MOD_ROLE, allow=P.VIEW_SPACE.value)]
    )


def test_a_hidden_feed_is_there_for_the_role_it_is_opened_to_and_for_administrators_only() -> None:
    community = _community(_hidden_feed())
    assert community.visible_feeds(_BOB) == {1}
    assert community.visible_feeds(_CAROL) == community.visible_feeds(_ALICE) == {1, 2}
    assert community.permissions_in(_BOB, "feed", FeedId(2)) == 0
    assert community.may_in(_CAROL, "feed", FeedId(2), P.SEND_MESSAGES | P.MANAGE_MESSAGES)
    assert community.permissions_in(_ALICE, "feed", FeedId(2)) == ALL


def test_without_read_history_a_feed_is_seen_but_its_messages_are_not() -> None:
    override = SpaceOverride("user", _BOB, deny=P.READ_HISTORY.value)
    community = _community(events.feed_create(feed_id=FeedId(2), name="news", overrides=[override]))
    message = events.message_create(msg_id=MessageId(9), author_id=_ALICE, body="hi", timestamp=1, feed_id=FeedId(2))
    assert community.sees(_BOB, events.feed_update(feed_id=FeedId(2), changed={}).audience)
    assert not community.sees(_BOB, message.audience)
    assert community.readable_feeds(_BOB) == {1}
    assert community.sees(_CAROL, message.audience)


def test_a_kicked_member_sees_nothing_at_once_and_everything_again_after_coming_back() -> None:
    community = _community(events.dm_create(dm_id=DmId(1), participant_ids=[_ALICE, _BOB], is_group=False))
    audiences = [
        events.message_create(
            msg_id=MessageId(9), author_id=UserId(1), body="", timestamp=1, feed_id=FeedId(1)
        ).audience,
        EVERYONE,
    ]
    audiences.append(events.typing_start(user_id=_ALICE, dm_id=DmId(1)).audience)
    assert all(community.sees(_BOB, audience) for audience in audiences)
    community.apply(events.member_leave(user_id=_BOB))
    assert not any(community.sees(_BOB, audience) for audience in audiences)
    assert community.permissions(_BOB) == community.permissions_in(_BOB, "feed", FeedId(1)) == 0
    assert not community.in_dm(_BOB, DmId(1))
    community.apply(events.member_unban(user_id=_BOB))
    assert all(community.sees(_BOB, audience) for audience in audiences)


def test_the_end_of_a_hidden_feed_is_told_to_those_who_saw_it() -> None:
    community = _community(_hidden_feed())
    gone = events.feed_delete(feed_id=FeedId(2), overrides=community.overrides_of("feed", FeedId(2)))
    community.apply(gone)
    assert [community.sees(UserId(user), gone.audience) for user in (_ALICE, _BOB, _CAROL)] == [True, False, True]
    assert not community.sees(_CAROL, Viewers("feed", FeedId(2)))
    assert not community.sees(UserId(99), FormerViewers())


def test_a_deleted_role_takes_its_overrides_with_it() -> None:
    community = _community(_hidden_feed())
    community.apply(events.role_delete(role_id=_MOD_ROLE))
    assert community.overrides_of("feed", FeedId(2)) == [_HIDE]
    assert community.visible_feeds(_CAROL) == {1}


def test_a_deleted_feed_takes_its_threads_with_it() -> None:
    community = _community(events.thread_create(thread_id=ThreadId(4), parent_feed_id=FeedId(1), name="t"))
    assert community.threads[ThreadId(4)].feed_id == 1
    community.apply(events.feed_delete(feed_id=FeedId(1), overrides=[]))
    assert not community.threads
    assert community.permissions_in(_ALICE, "feed", FeedId(1)) == 0


def test_the_members_of_a_changed_role_must_be_looked_at_again_and_nobody_else() -> None:
    community = _community()
    shift = community.apply(events.role_update(role_id=_MOD_ROLE, changed={"permissions": 0}))
    assert shift is not None
    assert shift.users == {_CAROL}
    assert not shift.everything
    shift = community.apply(events.role_update(role_id=_EVERYONE_ROLE, changed={"permissions": 0}))
    assert shift is not None
    assert shift.everything
    shift = community.apply(
        events.permission_override_update(
            space_type="feed", space_id=FeedId(1), target_type="user", target_id=_BOB, allow=0, deny=1
        )
    )
    assert shift is not None
    assert shift.spaces == {("feed", 1)}


def test_invite_codes_are_for_those_who_may_list_them() -> None:
    community = _community(events.role_update(role_id=_EVERYONE_ROLE, changed={"permissions": P.VIEW_SPACE.value}))
    audience = events.invite_create(code="abc", creator_id=_ALICE).audience
    assert [community.sees(UserId(user), audience) for user in (_ALICE, _BOB)] == [True, False]
    assert community.members_seeing(PermissionHolders(P.MANAGE_MESSAGES.value)) == [_ALICE, _CAROL]


def test_a_lower_position_is_a_higher_rank() -> None:
    community = _community()
    assert [community.rank(UserId(user)) for user in (_ALICE, _BOB, _CAROL, 99)] == [1, math.inf, 5, math.inf]
    assert community.may_act_on(_CAROL, _BOB)
    assert not community.may_act_on(_CAROL, _ALICE)
    assert not community.may_act_on(_BOB, _BOB)
    assert community.may_act_on(_ALICE, _ALICE)
    assert [community.may_manage_role(_CAROL, position) for position in (1, 5, 6)] == [False, False, True]


def test_the_role_of_everyone_gives_nobody_a_rank_even_if_assigned() -> None:
    community = _community(events.role_assign(role_id=_EVERYONE_ROLE, user_id=_BOB))
    assert community.rank(_BOB) == math.inf


def test_a_role_at_position_0_gives_no_permissions_but_that_of_everyone() -> None:
    powerful = events.role_create(
        role_id=RoleId(9), name="Root", color=None, permissions=P.ADMINISTRATOR.value, position=0
    )
    community = _community(powerful, events.role_assign(role_id=RoleId(9), user_id=_BOB))
    assert community.permissions(_BOB) == EVERYONE_DEFAULT
    assert community.everyone_role_id == _EVERYONE_ROLE


def test_feeds_and_rooms_outlive_their_category() -> None:
    community = _community(
        events.category_create(category_id=CategoryId(4), name="c", position=0),
        events.feed_create(feed_id=FeedId(5), name="f", category_id=CategoryId(4)),
        events.room_create(room_id=RoomId(6), name="r", category_id=CategoryId(4)),
        events.category_delete(category_id=CategoryId(4)),
    )
    assert community.feeds[FeedId(5)].category_id is community.rooms[RoomId(6)].category_id is None
    assert not community.categories


class _Interrupted(dict[K, V]):
    """A dictionary that lets something else happen right after one look into it, as another thread would."""

    meanwhile: Callable[[], object] | None = None

    def get(self, key: K, default: Any = None, /) -> Any:
        found = super().get(key, default)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found


@pytest.mark.parametrize("question", ["community", "space"])
def test_an_answer_worked_out_while_a_role_is_taken_away_is_not_remembered(question: str) -> None:
    community = _community(_hidden_feed())
    users = _Interrupted[UserId, Person](community.users)
    community = Community(replace(community.state, users=users))
    revoked = events.role_revoke(role_id=_MOD_ROLE, user_id=_CAROL)
    users.meanwhile = lambda: community.apply(revoked)
    if question == "space":
        community.permissions_in(_CAROL, "feed", FeedId(2))
        assert community.permissions_in(_CAROL, "feed", FeedId(2)) == 0
    else:
        community.permissions(_CAROL)
        assert not community.may(_CAROL, P.MANAGE_MESSAGES)


def test_an_answer_worked_out_while_a_feed_is_hidden_is_not_remembered() -> None:
    community = _community()
    overrides = _Interrupted[Space, dict[Target, AllowDeny]]()
    community = Community(replace(community.state, overrides=overrides))
    hidden = events.permission_override_update(
        space_type="feed",
        space_id=FeedId(1),
        target_type="role",
        target_id=_EVERYONE_ROLE,
        allow=0,
        deny=P.VIEW_SPACE.value,
    )
    overrides.meanwhile = lambda: community.apply(hidden)
    community.permissions_in(_BOB, "feed", FeedId(1))
    assert community.permissions_in(_BOB, "feed", FeedId(1)) == 0


@given(st.permutations(range(1, 6)), st.lists(st.integers(0, 4)))
def test_events_are_taken_in_the_order_of_their_versions_or_not_at_all(order: list[int], again: list[int]) -> None:
    community = Community()
    named = [events.member_join(user_id=UserId(number), username=f"u{number}") for number in range(1, 6)]
    log = [
        Event(event.type, event.payload, event.audience, number, number, event.facts)
        for number, event in enumerate(named, 1)
    ]
    for number in [*order, *[order[index] for index in again]]:
        before = community.version
        shift = community.apply(log[number - 1])
        assert community.version == (number if number == before + 1 else before)
        assert (shift is not None and shift.must_reload) == (number > before + 1)
    assert sorted(community.users) == list(range(1, community.version + 1))
