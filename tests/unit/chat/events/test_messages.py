"""Events around messages: their place decides who may know."""

from collections.abc import Callable
from typing import Any

import pytest

from vox.chat.events import messages
from vox.chat.events.audience import Participants, Readers, Users
from vox.chat.events.event import Event
from vox.chat.events.ids import DmId, FeedId, MessageId, UserId
from vox.errors import UsageError

IN_A_PLACE: list[tuple[Callable[..., Event], dict[str, Any]]] = [
    (messages.message_create, {"msg_id": 1, "author_id": 2, "body": "b", "timestamp": 3}),
    (messages.message_update, {"msg_id": 1, "body": "b", "edit_timestamp": 3}),
    (messages.message_delete, {"msg_id": 1}),
    (messages.message_bulk_delete, {"msg_ids": [1, 2]}),
    (messages.message_reaction_add, {"msg_id": 1, "user_id": 2, "emoji": "x"}),
    (messages.message_reaction_remove, {"msg_id": 1, "user_id": 2, "emoji": "x"}),
    (messages.typing_start, {"user_id": 2}),
]
each = pytest.mark.parametrize(("make", "fields"), IN_A_PLACE, ids=[make.__name__ for make, _ in IN_A_PLACE])


@each
def test_in_a_feed_it_is_for_readers_and_in_a_dm_for_participants(
    make: Callable[..., Event], fields: dict[str, Any]
) -> None:
    assert make(**fields, feed_id=4).audience == Readers(FeedId(4))
    assert make(**fields, dm_id=5).audience == Participants(DmId(5))
    assert make(**fields, feed_id=4, dm_id=5).audience == Readers(FeedId(4))


@each
def test_without_a_place_it_is_a_mistake(make: Callable[..., Event], fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        make(**fields)
    assert caught.value.code == "event_without_place"


@each
def test_the_fields_are_those_that_were_given(make: Callable[..., Event], fields: dict[str, Any]) -> None:
    event = make(**fields, feed_id=4)
    is_reaction = "reaction" in event.type
    assert event.payload == (fields if is_reaction else {**fields, "feed_id": 4})
    assert event.type == make.__name__


def test_empty_lists_are_left_out() -> None:
    event = messages.message_create(
        msg_id=MessageId(1), author_id=None, body=None, timestamp=3, feed_id=FeedId(4), mentions=[], attachments=()
    )
    assert event.payload == {"msg_id": 1, "author_id": None, "body": None, "timestamp": 3, "feed_id": 4}


def test_one_event_notifies_many_but_not_the_actor() -> None:
    event = messages.notification_to_each(
        Readers(FeedId(4)),
        type="message",
        feed_id=FeedId(4),
        thread_id=None,
        msg_id=MessageId(1),
        actor_id=UserId(2),
        body_preview=None,
    )
    assert (event.type, event.audience) == ("notification_create", Readers(FeedId(4)))
    assert event.facts == {messages.EXCLUDED_USER: 2}
    assert event.payload == {"user_id": 0, "type": "message", "feed_id": 4, "msg_id": 1, "actor_id": 2}


def test_a_notification_is_for_its_receiver() -> None:
    assert messages.notification_create(user_id=UserId(3), type="mention").audience == Users((UserId(3),))


def test_a_removed_participant_is_told_and_one_that_leaves_is_not() -> None:
    assert messages.dm_recipient_remove(dm_id=DmId(5), user_id=UserId(2)).audience == Participants(
        DmId(5), (UserId(2),)
    )
    assert messages.dm_recipient_remove(dm_id=DmId(5), user_id=UserId(2), is_leaving=True).audience == Participants(
        DmId(5)
    )
