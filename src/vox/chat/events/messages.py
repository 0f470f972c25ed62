"""Events around messages: in feeds and their threads for who may read them, in DMs for the participants."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vox.chat.events.audience import Audience, Participants, Readers, Users
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.errors import UsageError

EXCLUDED_USER: Final = "not_to"
"""The fact of `notification_to_each`: the actor, the only one of its audience who does not receive it."""
NONCE: Final = "nonce"
"""The fact of a message that its author gave a name: the author's own sessions get it with the event."""


def message_create(
    *,
    msg_id: MessageId,
    author_id: UserId | None,
    body: str | None,
    timestamp: int,
    feed_id: FeedId | None = None,
    dm_id: DmId | None = None,
    thread_id: ThreadId | None = None,
    opaque_blob: str | None = None,
    reply_to: MessageId | None = None,
    mentions: Sequence[int] | None = None,
    webhook_id: int | None = None,
    embed: Mapping[str, Any] | None = None,
    attachments: Sequence[Mapping[str, Any]] | None = None,
    extras: Mapping[str, Any] | None = None,
    nonce: str | None = None,
) -> Event:
    """A message was sent; `timestamp` in Unix milliseconds, `extras` are the fields that few messages have.

    Only the author's sessions are told the `nonce`.
    """
    payload = {"msg_id": msg_id, "author_id": author_id, "body": body, "timestamp": timestamp} | shown(
        opaque_blob=opaque_blob,
        feed_id=feed_id,
        dm_id=dm_id,
        thread_id=thread_id,
        reply_to=reply_to,
        mentions=list(mentions) if mentions else None,
        webhook_id=webhook_id,
        embed=embed,
        attachments=list(attachments) if attachments else None,
    )
    if extras is not None:
        payload |= extras
    facts = {} if nonce is None else {NONCE: nonce}
    return Event("message_create", payload, _readers(feed_id, dm_id), facts=facts)


def message_update(
    *,
    msg_id: MessageId,
    body: str | None,
    edit_timestamp: int,
    feed_id: FeedId | None = None,
    dm_id: DmId | None = None,
    extras: Mapping[str, Any] | None = None,
) -> Event:
    """A message was edited; `edit_timestamp` in Unix milliseconds, `extras` are further fields that have changed."""
    payload = (
        {"msg_id": msg_id} | shown(feed_id=feed_id, dm_id=dm_id) | {"body": body, "edit_timestamp": edit_timestamp}
    )
    if extras is not None:
        payload |= extras
    return Event("message_update", payload, _readers(feed_id, dm_id))


def message_delete(*, msg_id: MessageId, feed_id: FeedId | None = None, dm_id: DmId | None = None) -> Event:
    """A message was deleted."""
    return Event("message_delete", {"msg_id": msg_id} | shown(feed_id=feed_id, dm_id=dm_id), _readers(feed_id, dm_id))


def message_bulk_delete(
    *, msg_ids: Sequence[MessageId], feed_id: FeedId | None = None, dm_id: DmId | None = None
) -> Event:
    """Several messages of one feed or DM were deleted."""
    payload = shown(feed_id=feed_id, dm_id=dm_id) | {"msg_ids": list(msg_ids)}
    return Event("message_bulk_delete", payload, _readers(feed_id, dm_id))


def message_reaction_add(
    *, msg_id: MessageId, user_id: UserId, emoji: str, feed_id: FeedId | None = None, dm_id: DmId | None = None
) -> Event:
    """A user reacted; feed or DM decide who receives it and are not part of the payload."""
    payload = {"msg_id": msg_id, "user_id": user_id, "emoji": emoji}
    return Event("message_reaction_add", payload, _readers(feed_id, dm_id))


def message_reaction_remove(
    *, msg_id: MessageId, user_id: UserId, emoji: str, feed_id: FeedId | None = None, dm_id: DmId | None = None
) -> Event:
    """A user took a reaction back."""
    payload = {"msg_id": msg_id, "user_id": user_id, "emoji": emoji}
    return Event("message_reaction_remove", payload, _readers(feed_id, dm_id))


def message_pin_update(*, msg_id: MessageId, feed_id: FeedId, pinned: bool) -> Event:
    """A message was pinned or unpinned."""
    return Event("message_pin_update", {"msg_id": msg_id, "feed_id": feed_id, "pinned": pinned}, Readers(feed_id))


def typing_start(*, user_id: UserId, feed_id: FeedId | None = None, dm_id: DmId | None = None) -> Event:
    """A user types; they receive it too, as in the original."""
    return Event("typing_start", {"user_id": user_id} | shown(feed_id=feed_id, dm_id=dm_id), _readers(feed_id, dm_id))


def notification_create(
    *,
    user_id: UserId,
    type: str,  # noqa: A002  the field's name on the wire
    feed_id: FeedId | None = None,
    thread_id: ThreadId | None = None,
    msg_id: MessageId | None = None,
    actor_id: UserId | None = None,
    body_preview: str | None = None,
) -> Event:
    """A user is to be notified; `type` is mention, reply, reaction or message."""
    payload = {"user_id": user_id, "type": type} | shown(
        feed_id=feed_id, thread_id=thread_id, msg_id=msg_id, actor_id=actor_id, body_preview=body_preview
    )
    return Event("notification_create", payload, Users((user_id,)))


def notification_to_each(
    audience: Audience,
    *,
    type: str,  # noqa: A002  the field's name on the wire
    feed_id: FeedId | None,
    thread_id: ThreadId | None,
    msg_id: MessageId,
    actor_id: UserId | None,
    body_preview: str | None,
) -> Event:
    """Many are to be notified, all of an audience but the actor: one event, whose `user_id` is the receiver's own for each."""
    payload = {"user_id": 0, "type": type} | shown(
        feed_id=feed_id, thread_id=thread_id, msg_id=msg_id, actor_id=actor_id, body_preview=body_preview
    )
    return Event("notification_create", payload, audience, facts={EXCLUDED_USER: actor_id})


def dm_create(*, dm_id: DmId, participant_ids: Sequence[UserId], is_group: bool, name: str | None = None) -> Event:
    """A DM was opened."""
    payload = {"dm_id": dm_id, "participant_ids": list(participant_ids), "is_group": is_group} | shown(name=name)
    return Event("dm_create", payload, Participants(dm_id))


def dm_update(*, dm_id: DmId, changed: Mapping[str, Any]) -> Event:
    """A DM has another name, icon or kind."""
    return Event("dm_update", {"dm_id": dm_id, **changed}, Participants(dm_id))


def dm_recipient_add(*, dm_id: DmId, user_id: UserId) -> Event:
    """A user was added to a group."""
    return Event("dm_recipient_add", {"dm_id": dm_id, "user_id": user_id}, Participants(dm_id))


def dm_recipient_remove(*, dm_id: DmId, user_id: UserId, is_leaving: bool = False) -> Event:
    """A user left, which only the rest receives, or was removed, which they receive too."""
    besides = () if is_leaving else (user_id,)
    return Event("dm_recipient_remove", {"dm_id": dm_id, "user_id": user_id}, Participants(dm_id, besides))


def dm_read_notify(*, dm_id: DmId, user_id: UserId, up_to_msg_id: MessageId) -> Event:
    """A participant has read a DM up to a message."""
    payload = {"dm_id": dm_id, "user_id": user_id, "up_to_msg_id": up_to_msg_id}
    return Event("dm_read_notify", payload, Participants(dm_id))


def dm_delivery(*, user_id: UserId, dm_id: DmId, msg_id: MessageId, state: str, code: str) -> Event:
    """What became of a user's message to another server; `state` is failed, `code` the reason."""
    payload = {"user_id": user_id, "dm_id": dm_id, "msg_id": msg_id, "state": state, "code": code}
    return Event("dm_delivery", payload, Users((user_id,)))


def _readers(feed_id: FeedId | None, dm_id: DmId | None) -> Audience:
    if feed_id is not None:
        return Readers(feed_id)
    if dm_id is not None:
        return Participants(dm_id)
    raise UsageError("The event names neither a feed nor a DM.", code="event_without_place")
