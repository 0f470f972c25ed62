"""What is pushed, to whom, and what it says."""

import json
from typing import Any

import pytest

from vox.chat.events import Event, Participants, Readers, Users, message_create, notification_create
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.chat.events.messages import notification_to_each
from vox.chat.features.push.rules import News, news_of, payload_of, wants

ANN, BEN = UserId(1), UserId(2)


def notified(kind: str, **more: Any) -> Event:
    return notification_create(user_id=BEN, type=kind, feed_id=FeedId(4), msg_id=MessageId(9), actor_id=ANN, **more)


def news(event: Event) -> News:
    found = news_of(event)
    assert found is not None
    return found


def settings(**notifications: Any) -> str:
    return json.dumps({"theme": "dark", "notifications": notifications})


def test_mentions_answers_and_followed_messages_are_news_and_reactions_are_not():
    assert [news(notified(kind)).kind for kind in ("mention", "reply", "message")] == ["mention", "reply", "message"]
    assert news_of(notified("reaction")) is None
    assert news_of(message_create(msg_id=MessageId(1), author_id=ANN, body="x", timestamp=0, feed_id=FeedId(4))) is None


def test_a_conversation_is_news_by_its_messages_and_not_twice_by_its_notifications():
    event = message_create(msg_id=MessageId(1), author_id=ANN, body="x" * 500, timestamp=0, dm_id=DmId(3))
    found = news(event)
    assert (found.kind, found.audience, found.actor_id, found.places) == ("dm", Participants(DmId(3)), ANN, ("dm:3",))
    assert len(found.text or "") == 100
    twice = notification_create(user_id=BEN, type="mention", msg_id=MessageId(1), actor_id=ANN)
    assert news_of(twice) is None


def test_an_encrypted_message_has_no_text():
    event = message_create(
        msg_id=MessageId(1), author_id=ANN, body=None, timestamp=0, dm_id=DmId(3), opaque_blob="secret"
    )
    assert json.loads(payload_of(news(event), "Ann", with_text=True)).get("body") is None


def test_a_mention_of_everyone_leaves_its_author_out():
    event = notification_to_each(
        Readers(FeedId(4)), type="mention", feed_id=FeedId(4), thread_id=None, msg_id=MessageId(1), actor_id=ANN,
        body_preview="x",
    )  # fmt: skip
    assert (news(event).actor_id, news(event).audience) == (ANN, Readers(FeedId(4)))
    assert news(notified("mention")).audience == Users((BEN,))


@pytest.mark.parametrize(
    ("given", "kind", "is_wanted"),
    [
        (None, "mention", True),
        (None, "message", False),
        (settings(level="all"), "message", True),
        (settings(level="nothing"), "mention", False),
        (settings(level="nothing", places={"feed:4": {"level": "all"}}), "message", True),
        (settings(level="all", places={"feed:4": {"level": "mentions"}}), "message", False),
        (settings(places={"feed:4": {"muted_until": 1001}}), "mention", False),
        (settings(places={"feed:4": {"muted_until": 1000}}), "mention", True),
        (settings(places={"feed:5": {"level": "nothing"}}), "mention", True),
        (settings(places={"feed:4": {"level": "nothing"}, "thread:6": {"level": "mentions"}}), "mention", True),
        (settings(places={"feed:4": {"muted_until": 2000}, "thread:6": {"level": "all"}}), "mention", False),
        ("damaged", "mention", True),
        ('{"theme": 1}', "reply", True),
    ],
)
def test_levels_and_mutes_decide_the_narrowest_place_first(given: str | None, kind: str, is_wanted: bool):
    found = wants(given, news(notified(kind, thread_id=ThreadId(6))), 1000)
    assert (found is not None) is is_wanted


def test_text_is_in_a_push_only_where_it_was_chosen():
    event = notified("mention", body_preview="hello")
    plain = json.loads(payload_of(news(event), "Ann", with_text=False))
    assert plain == {"type": "mention", "feed_id": "4", "msg_id": "9", "actor_id": "1"}
    assert json.loads(payload_of(news(event), "Ann", with_text=True)) == {**plain, "title": "Ann", "body": "hello"}
