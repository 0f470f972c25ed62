"""What a client has had is remembered, within a bound, and told apart by place."""

import pytest

from vox.clients.chat import catch_up
from vox.clients.chat.catch_up import Position, home_of, place_of


def created(msg_id: int, **place: int) -> dict[str, int]:
    return {"msg_id": msg_id, **(place or {"feed_id": 1})}


def test_a_message_is_new_once():
    position = Position()
    assert position.is_new("message_create", created(5))
    assert not position.is_new("message_create", created(5))
    assert position.is_new("message_create", created(6))


def test_an_edit_is_new_when_it_is_later():
    position = Position()
    position.is_new("message_create", created(5))
    assert position.is_new("message_update", {**created(5), "edit_timestamp": 10})
    assert not position.is_new("message_update", {**created(5), "edit_timestamp": 10})
    assert position.is_new("message_update", {**created(5), "edit_timestamp": 11})
    assert position.is_new("message_update", {**created(99), "edit_timestamp": 1})


def test_threads_are_places_of_their_own_and_deleted_messages_are_gone():
    position = Position()
    for msg_id, place in (
        (5, {"feed_id": 1}),
        (6, {"feed_id": 1, "thread_id": 2}),
        (7, {"dm_id": 1}),
        (8, {"feed_id": 1}),
    ):
        position.is_new("message_create", created(msg_id, **place))
    assert position.known((("feed_id", 1), 0), from_id=0) == [5, 8]
    assert position.known((("feed_id", 1), 2), from_id=0) == [6]
    assert position.known((("dm_id", 1), 0), from_id=0) == [7]
    assert position.is_new("message_delete", created(5))
    assert position.known((("feed_id", 1), 0), from_id=0) == [8]
    assert not position.is_new("message_delete", created(5))
    assert position.is_new("message_bulk_delete", {"feed_id": 1, "msg_ids": [5, 8]})
    assert not position.is_new("message_bulk_delete", {"feed_id": 1, "msg_ids": [5, 8]})
    assert position.known((("feed_id", 1), 0), from_id=0) == []


def test_what_is_forgotten_does_not_come_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catch_up, "RECENT", 3)
    position = Position()
    for msg_id in range(1, 9):
        position.is_new("message_create", created(msg_id))
    assert not position.is_new("message_create", created(2))
    assert position.is_new("message_create", created(9))
    assert position.is_new("message_create", created(1, dm_id=4))


def test_what_is_never_stored_is_always_new():
    position = Position()
    for _ in range(2):
        assert position.is_new("message_create", {**created(5), "ephemeral": True})
        assert position.is_new("message_reaction_add", created(5))
        assert position.is_new("member_join", {"user_id": 1})


def test_places_of_events():
    assert home_of({"feed_id": 3, "thread_id": 4}) == ("feed_id", 3)
    assert place_of({"feed_id": 3, "thread_id": 4}) == (("feed_id", 3), 4)
    assert place_of({"dm_id": 3}) == (("dm_id", 3), 0)
    assert place_of({"feed_id": None}) is None


def test_only_the_first_session_sets_the_beginning():
    position = Position()
    position.begin(100)
    position.begin(200)
    assert position.since_ms == 100_000
