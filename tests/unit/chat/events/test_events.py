"""The fields, the audience and the encodings of events, and the page that documents them."""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vox.chat import events
from vox.chat.community.apply_events import apply_to
from vox.chat.community.state import State
from vox.chat.events import (
    CHANGES_ACCESS,
    PERSISTED,
    SYNC_CATEGORIES,
    Event,
    audience_of,
    decode_event,
    encode_event,
    encode_tail,
)
from vox.chat.events.audience import (
    Audience,
    Everyone,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    SpaceOverride,
    Users,
    Viewers,
    audience_from,
    audience_text,
)
from vox.chat.events.ids import DmId, FeedId, MessageId, RoleId, RoomId, ThreadId, UserId
from vox.chat.events.permissions import P
from vox.errors import UsageError

_PAGE = Path(__file__).parents[4] / "docs" / "protocols" / "chat-events.md"
_BLANK: dict[str, Any] = {
    "changed": {"name": "n"}, "name": "n", "body": "b", "emoji": "e", "code": "c", "username": "u", "status": "online",
    "type": "mention", "space_type": "feed", "target_type": "role", "overrides": [SpaceOverride("user", UserId(1))],
    "commands": [{"name": "c"}], "command_names": ["c"], "fields": {"command": "c"}, "modal": {"title": "t"},
    "is_group": False, "pinned": True, "msg_ids": [1], "participant_ids": [1, 2],
    "contacts": [1], "devices": [("d", "name")], "change": "added", "users": [1], "moderators": [1], "members": [{"user_id": 1}],
}  # fmt: skip


def _constructors() -> dict[str, Callable[..., Event]]:
    found = {name: getattr(events, name) for name in events.__all__}
    return {name: value for name, value in found.items() if inspect.isfunction(value) and _returns_event(value)}


def _returns_event(function: Callable[..., object]) -> bool:
    return inspect.signature(function).return_annotation is Event and not function.__name__.startswith("decode")


def _least(name: str) -> Event:
    """The event with its required fields only."""
    function = _constructors()[name]
    parameters = inspect.signature(function).parameters.values()
    given = {each.name: _BLANK.get(each.name, 7) for each in parameters if each.default is inspect.Parameter.empty}
    if "feed_id" in inspect.signature(function).parameters and "dm_id" in inspect.signature(function).parameters:
        given["feed_id"] = 7
    return function(**given)


ALL_TYPES = sorted(_constructors())


@pytest.mark.parametrize("name", ALL_TYPES)
def test_an_event_survives_the_bus_and_names_itself(name: str) -> None:
    event = _least(name)
    assert event.type == name
    assert decode_event(encode_event(event)) == event
    assert audience_from(audience_text(event.audience)) == event.audience


@pytest.mark.parametrize("name", ALL_TYPES)
def test_facts_never_reach_a_client(name: str) -> None:
    event = _least(name)
    frame = json.loads(b'{"seq":3,' + encode_tail(event))
    assert frame == {"seq": 3, "type": name, "d": event.payload}
    assert not set(event.facts) & set(event.payload)


@pytest.mark.parametrize("name", ALL_TYPES)
def test_an_audience_from_the_payload_alone_is_the_same_or_managers_only(name: str) -> None:
    event = _least(name)
    narrower = {PermissionHolders(P.ADMINISTRATOR.value)}
    if isinstance(event.audience, InviteViewers):
        narrower = {PermissionHolders(P.MANAGE_SERVER.value)}
    assert audience_of(event.type, event.payload) in {event.audience, *narrower}


@pytest.mark.parametrize("name", sorted(set(ALL_TYPES) & CHANGES_ACCESS))
def test_memory_takes_each_change_it_must_hear_of(name: str) -> None:
    apply_to(State(), _least(name))


def test_what_no_table_knows_is_for_administrators() -> None:
    assert audience_of("made_up", {}) == PermissionHolders(P.ADMINISTRATOR.value)
    assert audience_of("message_create", {"msg_id": 1}) == PermissionHolders(P.ADMINISTRATOR.value)


def test_unset_fields_are_left_out() -> None:
    event = events.message_create(msg_id=MessageId(1), author_id=UserId(2), body="hi", timestamp=3, feed_id=FeedId(4))
    assert event.payload == {"msg_id": 1, "author_id": 2, "body": "hi", "timestamp": 3, "feed_id": 4}
    full = events.message_create(
        msg_id=MessageId(1),
        author_id=None,
        body=None,
        timestamp=3,
        dm_id=DmId(5),
        thread_id=ThreadId(6),
        opaque_blob="x",
        reply_to=MessageId(7),
        mentions=[8],
        webhook_id=9,
        embed={"title": "t"},
        attachments=[{"file_id": "f"}],
    )
    assert list(full.payload) == [
        "msg_id", "author_id", "body", "timestamp", "opaque_blob", "dm_id", "thread_id", "reply_to", "mentions",
        "webhook_id", "embed", "attachments",
    ]  # fmt: skip
    assert full.payload["author_id"] is None


@pytest.mark.parametrize(
    ("event", "audience"),
    [
        (
            events.message_create(msg_id=MessageId(1), author_id=UserId(2), body="", timestamp=3, feed_id=FeedId(4)),
            Readers(FeedId(4)),
        ),
        (events.message_delete(msg_id=MessageId(1), dm_id=DmId(4)), Participants(DmId(4))),
        (
            events.message_reaction_add(msg_id=MessageId(1), user_id=UserId(2), emoji="x", feed_id=FeedId(4)),
            Readers(FeedId(4)),
        ),
        (events.message_pin_update(msg_id=MessageId(1), feed_id=FeedId(4), pinned=True), Readers(FeedId(4))),
        (events.typing_start(user_id=UserId(1), feed_id=FeedId(4)), Readers(FeedId(4))),
        (events.typing_start(user_id=UserId(1), dm_id=DmId(4)), Participants(DmId(4))),
        (events.feed_create(feed_id=FeedId(4), name="n"), Viewers("feed", FeedId(4))),
        (events.room_update(room_id=RoomId(4), changed={}), Viewers("room", RoomId(4))),
        (events.thread_delete(thread_id=ThreadId(9), parent_feed_id=FeedId(4)), Viewers("feed", FeedId(4))),
        (
            events.room_delete(room_id=RoomId(4), overrides=[SpaceOverride("role", RoleId(1))]),
            FormerViewers((SpaceOverride("role", RoleId(1)),)),
        ),
        (events.invite_create(code="c", creator_id=UserId(1)), InviteViewers(UserId(1))),
        (events.notification_create(user_id=UserId(3), type="mention"), Users((UserId(3),))),
        (events.block_add(user_id=UserId(1), target_id=UserId(2)), Users((UserId(1), UserId(2)))),
        (events.dm_recipient_remove(dm_id=DmId(4), user_id=UserId(2)), Participants(DmId(4), (UserId(2),))),
        (events.dm_recipient_remove(dm_id=DmId(4), user_id=UserId(2), is_leaving=True), Participants(DmId(4))),
        (events.role_delete(role_id=RoleId(1)), Everyone()),
    ],
)
def test_who_is_told(event: Event, audience: Audience) -> None:
    assert event.audience == audience


def test_a_message_event_without_a_place_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="neither"):
        events.message_delete(msg_id=MessageId(1))


@pytest.mark.parametrize("data", [b"", b"\x01", b'{"type":"x"}'])
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(data)


def test_every_event_is_documented_with_its_fields_and_what_becomes_of_it() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| .*? \| (yes|no) \| (yes|no) \|$", page, re.MULTILINE)
    assert sorted(row[0] for row in rows) == ALL_TYPES
    for name, fields, kept, versioned in rows:
        assert (kept == "yes", versioned == "yes") == (name in PERSISTED, name in CHANGES_ACCESS), name
        named = set(re.findall(r"`(\w+)`", fields))
        undocumented = set(_least(name).payload) - named - (set(_BLANK["changed"]) if "changed" in fields else set())
        assert not undocumented, name


def test_sync_asks_for_kept_events_only() -> None:
    assert set().union(*SYNC_CATEGORIES.values()) == PERSISTED
    assert not PERSISTED & {"message_create", "typing_start", "presence_update", "dm_create"}
