"""What a process remembers of bots and outgoing webhooks follows events in the order of their versions, whatever order they come in."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events import EVERYONE, Event, Participants, Readers, Viewers, decode_event, encode_event
from vox.chat.events.audience import Users
from vox.chat.events.ids import DmId, FeedId, RoomId, UserId
from vox.chat.events.integrations import bot_changed, subscription_changed
from vox.chat.integrations.commands import Command, CommandParam
from vox.chat.integrations.registry import Bot, Integrations, Subscription, bot_facts, subscription_facts


def bot(*names: str, is_disabled: bool = False) -> Bot:
    commands = [Command(name, None, [CommandParam("n", type="integer")]) for name in names]
    return Bot(UserId(7), 1, UserId(2), is_http=False, is_disabled=is_disabled, commands=commands)


def versioned(event: Event, version: int) -> Event:
    """As another process gets it."""
    return decode_event(encode_event(replace(event, version=version)))


def test_commands_are_found_by_name_while_their_bot_is_enabled():
    memory = Integrations()
    memory.apply(versioned(bot_changed(UserId(7), bot_facts(bot("roll", "ping"))), 1))
    assert memory.is_bot(UserId(7))
    assert memory.commands["roll"].command.params[0].type == "integer"
    memory.apply(versioned(bot_changed(UserId(7), bot_facts(bot("roll", is_disabled=True))), 2))
    assert (memory.is_bot(UserId(7)), dict(memory.commands)) == (True, {})
    memory.apply(versioned(bot_changed(UserId(7), None), 3))
    assert not memory.is_bot(UserId(7))


@given(st.permutations(range(1, 6)))
def test_an_older_event_changes_nothing(order: list[int]):
    memory = Integrations()
    for version in order:
        memory.apply(versioned(bot_changed(UserId(7), bot_facts(bot(f"c{version}"))), version))
    newest_seen = max(order)
    assert set(memory.commands) == {f"c{newest_seen}"}


def test_events_go_to_the_subscriptions_of_their_place():
    memory = Integrations()
    assert not memory.has_subscriptions
    of_feed = Subscription(1, FeedId(4), ["message_create"], string_ids=False)
    of_all = Subscription(2, None, ["member_join"], string_ids=False)
    memory.apply(versioned(subscription_changed(1, subscription_facts(of_feed)), 1))
    memory.apply(versioned(subscription_changed(2, subscription_facts(of_all)), 2))
    assert memory.has_subscriptions

    def subscribed(kind: str, audience: Any) -> list[int]:
        return [one.id for one in memory.subscribed(Event(kind, {}, audience))]

    assert subscribed("message_create", Readers(FeedId(4))) == [1]
    assert subscribed("message_create", Viewers("feed", FeedId(4))) == [1]
    assert subscribed("message_create", Readers(FeedId(5))) == []
    assert subscribed("message_update", Readers(FeedId(4))) == []
    assert subscribed("message_create", Viewers("room", RoomId(4))) == []
    assert subscribed("message_create", Participants(DmId(4))) == []
    assert subscribed("message_create", Users((UserId(4),))) == [], (
        "an ephemeral message leaves the server for one user only"
    )
    assert subscribed("member_join", EVERYONE) == [2]
    for number in (1, 2):
        memory.apply(versioned(subscription_changed(number, None), 2 + number))
    assert not memory.has_subscriptions
