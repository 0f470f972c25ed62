"""Events of bots and webhooks: interactions for the bot that is asked, commands for everyone, webhooks for those who keep them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vox.chat.events.audience import EVERYONE, PermissionHolders, Users
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.chat.events.kinds import BOT_CHANGED, SUBSCRIPTION_CHANGED
from vox.chat.events.permissions import P

_WEBHOOK_KEEPERS: Final = PermissionHolders(P.MANAGE_WEBHOOKS.value)


def webhook_create(*, webhook_id: int, feed_id: FeedId, name: str) -> Event:
    """An incoming webhook was made."""
    return Event("webhook_create", {"webhook_id": webhook_id, "feed_id": feed_id, "name": name}, _WEBHOOK_KEEPERS)


def webhook_update(*, webhook_id: int, changed: Mapping[str, Any]) -> Event:
    """An incoming webhook has another name or avatar."""
    return Event("webhook_update", {"webhook_id": webhook_id, **changed}, _WEBHOOK_KEEPERS)


def webhook_delete(*, webhook_id: int) -> Event:
    """An incoming webhook is gone."""
    return Event("webhook_delete", {"webhook_id": webhook_id}, _WEBHOOK_KEEPERS)


def bot_commands_update(*, bot_id: UserId, commands: Sequence[Mapping[str, Any]]) -> Event:
    """A bot offers these commands, or offers them in another form; `bot_id` is its user id."""
    return Event("bot_commands_update", {"bot_id": bot_id, "commands": list(commands)}, EVERYONE)


def bot_commands_delete(*, bot_id: UserId, command_names: Sequence[str]) -> Event:
    """A bot no longer offers these commands."""
    return Event("bot_commands_delete", {"bot_id": bot_id, "command_names": list(command_names)}, EVERYONE)


def interaction_create(
    *,
    bot_id: UserId,
    interaction_id: str,
    type: str,  # noqa: A002  the field's name on the wire
    fields: Mapping[str, Any],
    user_id: UserId,
    feed_id: FeedId | None,
    dm_id: DmId | None,
    thread_id: ThreadId | None = None,
    msg_id: MessageId | None = None,
) -> Event:
    """A user asks something of a bot, which alone is sent it; `fields` are those of the type."""
    place = {"user_id": user_id, "feed_id": feed_id, "dm_id": dm_id}
    payload = {"id": interaction_id, "type": type, **fields, **place, **shown(msg_id=msg_id, thread_id=thread_id)}
    return Event("interaction_create", payload, Users((bot_id,)))


def interaction_modal(
    *,
    user_id: UserId,
    bot_id: UserId,
    modal_id: str,
    modal: Mapping[str, Any],
    feed_id: FeedId | None,
    dm_id: DmId | None,
    expires_at: int,
) -> Event:
    """A bot asks a user, who alone is sent it, to fill in a form until a moment (Unix seconds)."""
    place = {"feed_id": feed_id, "dm_id": dm_id, "expires_at": expires_at}
    return Event("interaction_modal", {"modal_id": modal_id, "bot_id": bot_id, **modal, **place}, Users((user_id,)))


def bot_changed(user_id: UserId, bot: Mapping[str, Any] | None) -> Event:
    """What every process has to know of a bot now; None where it is gone. No client is sent it."""
    return Event(BOT_CHANGED, {}, Users(()), facts={"user_id": user_id, "bot": bot})


def subscription_changed(subscription_id: int, subscription: Mapping[str, Any] | None) -> Event:
    """What every process has to know of an outgoing webhook now; None where it sends nothing. No client is sent it."""
    facts = {"id": subscription_id, "subscription": subscription}
    return Event(SUBSCRIPTION_CHANGED, {}, Users(()), facts=facts)
