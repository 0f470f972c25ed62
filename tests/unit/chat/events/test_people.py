"""Events around people: what everyone sees, what two see, and what stays between servers."""

from collections.abc import Callable

import pytest

from vox.chat.events import people
from vox.chat.events.audience import EVERYONE, InviteViewers, Users
from vox.chat.events.event import Event
from vox.chat.events.ids import FeedId, LoginId, RoleId, UserId


def test_nickname_avatar_and_roles_of_a_newcomer_stay_between_servers() -> None:
    event = people.member_join(
        user_id=UserId(1), username="u", nickname="n", avatar="a", role_ids=[RoleId(3), RoleId(2)]
    )
    assert event.payload == {"user_id": 1, "username": "u"}
    assert event.facts == {"nickname": "n", "avatar": "a", "role_ids": [2, 3], "is_federated": False}
    assert event.audience == EVERYONE


@pytest.mark.parametrize(
    "make",
    [
        people.friend_request,
        people.friend_add,
        people.friend_reject,
        people.friend_remove,
        people.block_add,
        people.block_remove,
    ],
)
def test_what_is_between_two_is_for_both_of_them_alone(make: Callable[..., Event]) -> None:
    event = make(user_id=1, target_id=2)
    assert event.audience == Users((UserId(1), UserId(2)))
    assert (event.type, event.payload) == (make.__name__, {"user_id": 1, "target_id": 2})


def test_invites_are_for_their_creator_and_those_who_manage_them() -> None:
    for make in (people.invite_create, people.invite_delete):
        event = make(code="c", creator_id=UserId(1), feed_id=FeedId(2))
        assert event.audience == InviteViewers(UserId(1), FeedId(2))


def test_a_nickname_taken_away_is_left_out() -> None:
    assert people.member_update(user_id=UserId(1)).payload == {"user_id": 1}
    assert people.member_update(user_id=UserId(1), nickname="n").payload == {"user_id": 1, "nickname": "n"}


def test_changes_stand_beside_the_id() -> None:
    assert people.user_update(user_id=UserId(1), changed={"bio": None}).payload == {"user_id": 1, "bio": None}
    assert people.role_update(role_id=RoleId(2), changed={"name": "n"}).payload == {"role_id": 2, "name": "n"}


def test_revoked_logins_reach_servers_only_and_name_all_logins_or_some() -> None:
    everything = people.login_revoked(UserId(1))
    assert (everything.payload, everything.audience) == ({}, Users(()))
    told = {"user_id": 1, "reason": "Logged out"}
    assert everything.facts == told
    assert people.login_revoked(UserId(1), [LoginId(2), LoginId(3)]).facts == {**told, "session_ids": [2, 3]}
    assert people.login_revoked(UserId(1), []).facts == {**told, "session_ids": []}, "none is not all"
    assert people.login_revoked(UserId(1), reason="KICKED").facts["reason"] == "KICKED"
