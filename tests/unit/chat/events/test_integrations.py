"""Events of bots and webhooks: interactions reach the bot alone, forms the user alone, and changes for servers reach no client."""

from vox.chat.events.audience import EVERYONE, PermissionHolders, Users
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId
from vox.chat.events.integrations import (
    bot_changed,
    bot_commands_delete,
    interaction_create,
    interaction_modal,
    subscription_changed,
    webhook_delete,
)
from vox.chat.events.kinds import CHANGES_ACCESS
from vox.chat.events.permissions import P


def test_an_interaction_is_for_its_bot_and_names_its_place():
    event = interaction_create(
        bot_id=UserId(7),
        interaction_id="x",
        type="button",
        fields={"component_id": "yes"},
        user_id=UserId(2),
        feed_id=FeedId(4),
        dm_id=None,
        thread_id=ThreadId(5),
        msg_id=MessageId(6),
    )
    assert event.audience == Users((UserId(7),))
    assert event.payload == {
        "id": "x", "type": "button", "component_id": "yes", "user_id": 2, "feed_id": 4, "dm_id": None, "msg_id": 6,
        "thread_id": 5,
    }  # fmt: skip


def test_a_form_is_for_its_user():
    event = interaction_modal(
        user_id=UserId(2),
        bot_id=UserId(7),
        modal_id="m",
        modal={"custom_id": "c", "title": "t", "fields": []},
        feed_id=None,
        dm_id=None,
        expires_at=5,
    )
    assert event.audience == Users((UserId(2),))
    assert event.payload["title"] == "t"


def test_commands_are_for_everyone_and_webhooks_for_their_keepers():
    assert bot_commands_delete(bot_id=UserId(7), command_names=["x"]).audience == EVERYONE
    assert webhook_delete(webhook_id=1).audience == PermissionHolders(P.MANAGE_WEBHOOKS.value)


def test_what_is_for_servers_reaches_no_client_and_has_a_version():
    for event in (bot_changed(UserId(7), None), subscription_changed(1, None)):
        assert (event.payload, event.audience) == ({}, Users(()))
        assert event.type.startswith("_")
        assert event.type in CHANGES_ACCESS
