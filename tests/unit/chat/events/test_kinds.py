"""What is left of an event in an older log: its type and payload tell the audience, or it is for administrators."""

from typing import Any

import pytest

from vox.chat.events.audience import EVERYONE, Audience, Participants, PermissionHolders, Readers, Users, Viewers
from vox.chat.events.ids import DmId, FeedId, RoomId, UserId
from vox.chat.events.kinds import CHANGES_ACCESS, PERSISTED, SYNC_CATEGORIES, audience_of
from vox.chat.events.permissions import P

ADMINISTRATORS = PermissionHolders(P.ADMINISTRATOR.value)


@pytest.mark.parametrize(
    ("kind", "payload", "audience"),
    [
        ("message_create", {"feed_id": 4}, Readers(FeedId(4))),
        ("message_delete", {"dm_id": 5}, Participants(DmId(5))),
        ("message_update", {"feed_id": 4, "dm_id": 5}, Readers(FeedId(4))),
        ("member_join", {}, EVERYONE),
        ("sticker_update", {}, EVERYONE),
        ("feed_update", {"feed_id": 4}, Viewers("feed", FeedId(4))),
        ("room_create", {"room_id": 6}, Viewers("room", RoomId(6))),
        ("thread_create", {"parent_feed_id": 4}, Viewers("feed", FeedId(4))),
        ("permission_override_update", {"space_type": "room", "space_id": 6}, Viewers("room", RoomId(6))),
        ("invite_delete", {"code": "c"}, PermissionHolders(P.MANAGE_SERVER.value)),
        ("webhook_update", {}, PermissionHolders(P.MANAGE_WEBHOOKS.value)),
        ("dm_update", {"dm_id": 5}, Participants(DmId(5))),
        ("dm_recipient_remove", {"dm_id": 5, "user_id": 2}, Participants(DmId(5), (UserId(2),))),
        ("block_add", {"user_id": 1, "target_id": 2}, Users((UserId(1), UserId(2)))),
        ("notification_create", {"user_id": 1}, Users((UserId(1),))),
    ],
)
def test_the_payload_tells_the_audience(kind: str, payload: dict[str, Any], audience: Audience) -> None:
    assert audience_of(kind, payload) == audience


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("made_up", {}),
        ("", {}),
        ("message_create", {}),
        ("message_create", {"feed_id": None}),
        ("feed_update", {"name": "secret"}),
        ("feed_delete", {"feed_id": 4}),
        ("message_reaction_add", {"msg_id": 1}),
        ("dm_recipient_remove", {"dm_id": 5}),
        ("block_add", {"user_id": 1}),
    ],
)
def test_a_hole_in_the_table_hides_and_never_shows(kind: str, payload: dict[str, Any]) -> None:
    assert audience_of(kind, payload) == ADMINISTRATORS


def test_only_what_sync_can_ask_for_is_kept() -> None:
    assert set().union(*SYNC_CATEGORIES.values()) == PERSISTED
    assert not PERSISTED & {"message_create", "typing_start", "presence_update", "dm_create", "block_add"}


def test_what_changes_access_in_a_space_has_a_version() -> None:
    for category in ("members", "roles", "feeds", "rooms", "categories", "threads", "permissions"):
        assert SYNC_CATEGORIES[category] <= CHANGES_ACCESS, category
