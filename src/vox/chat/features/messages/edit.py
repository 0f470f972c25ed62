"""Editing and deleting existing messages, in feeds and conversations alike.

A message is only looked up together with its place. Its row is locked first, so that editing, deleting and reacting at the same
moment happen one after the other.
"""

from collections.abc import Sequence
from functools import partial

from vox.chat.api.validation import validate_length
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, UnitOfWork
from vox.chat.errors import missing_permission, refuse
from vox.chat.events import message_bulk_delete, message_delete, message_update
from vox.chat.events.ids import FeedId, MessageId, UserId
from vox.chat.features.automod.ruleset import Hit
from vox.chat.features.messages import queries
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.components import Component, validate_components
from vox.chat.features.messages.delete import BATCH
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.chat.features.messages.extras import replace_extras
from vox.chat.features.messages.history import message_not_found
from vox.chat.features.messages.schemas import Edited, Embed
from vox.chat.features.messages.screening import (
    Screened,
    consequences,
    followed_by,
    is_screened,
    sample_of_text,
    screen,
)
from vox.stores.sql import Connection
from vox.text.names import is_visible


async def edit(
    chat: ChatContext,
    user_id: UserId,
    address: Address,
    msg_id: MessageId,
    body: str,
    components: Sequence[Component] | None = None,
) -> Edited:
    """Gives the caller's own message another text, and where it is a bot's other components; None leaves them.

    Raises:
        Refusal: VALIDATION_ERROR, MESSAGE_NOT_FOUND, FORBIDDEN, USER_BLOCKED, EMPTY_MESSAGE, THREAD_LOCKED, MESSAGE_BLOCKED,
            ACCOUNT_TOO_NEW.
    """
    validate_length(chat.config.limit, "body", body, "message_body_max")
    hits: Sequence[Hit] = ()
    screened: Screened | None = None
    if address.feed_id is not None and is_screened(chat):
        screened = Screened(user_id, address.feed_id, sample_of_text(body), address.thread_id, msg_id)
        hits = await screen(chat, screened)
    now_ms = chat.clock.unix_ms()
    unit: UnitOfWork[Edited] = partial(
        edit_in_transaction, user_id=user_id, address=address, msg_id=msg_id, body=body, now_ms=now_ms
    )
    if components is not None and chat.integrations.is_bot(user_id):
        validate_components(components)
        unit = partial(unit, components=components)
    if hits and screened is not None and (then := consequences(chat, hits, screened)) is not None:
        unit = followed_by(unit, then, lambda edited: edited.msg_id)
    return await chat.change(unit)


async def remove(
    chat: ChatContext, user_id: UserId, address: Address, msg_id: MessageId, *, is_moderator: bool
) -> None:
    """Deletes a message: the caller's own, or any message where the caller is a moderator.

    Raises:
        Refusal: MESSAGE_NOT_FOUND; MISSING_PERMISSIONS in a feed, FORBIDDEN in a conversation.
    """
    await chat.change(partial(_remove, user_id=user_id, address=address, msg_id=msg_id, is_moderator=is_moderator))


async def remove_many(chat: ChatContext, feed_id: FeedId, msg_ids: Sequence[MessageId]) -> None:
    """Deletes those of some messages that are in the feed."""
    for start in range(0, len(msg_ids), BATCH):
        await chat.change(partial(_remove_many, feed_id=feed_id, msg_ids=msg_ids[start : start + BATCH]))


def edit_in_transaction(
    connection: Connection,
    *,
    user_id: UserId,
    address: Address,
    msg_id: MessageId,
    body: str | None,
    now_ms: int,
    components: Sequence[Component] | None = None,
    embeds: Sequence[Embed] | None = None,
) -> Change[Edited]:
    """Changes a message of the user; what is None stays.

    Raises:
        Refusal: MESSAGE_NOT_FOUND, FORBIDDEN, USER_BLOCKED, EMPTY_MESSAGE, THREAD_LOCKED.
    """
    row = queries.lock_message_for_edit(connection, address, msg_id)
    if row is None:
        raise message_not_found(msg_id)
    author_id, thread_id, embed = row
    if author_id != user_id:
        raise refuse("FORBIDDEN", "You can edit only your own messages.")
    if address.dm_id is not None:
        assert_unblocked(connection, address.dm_id, user_id)
    text = queries.body_of(connection, msg_id) if body is None else body
    has_embed = embed is not None if embeds is None else bool(embeds)
    if not is_visible(text) and not has_embed and not queries.has_attachment(connection, msg_id):
        raise refuse("EMPTY_MESSAGE", "A message needs a text, an attachment or an embed.")
    if thread_id is not None and queries.is_thread_closed(connection, thread_id):
        raise refuse("THREAD_LOCKED", "This thread is locked or archived.")
    queries.update_message(connection, msg_id, text, now_ms)
    extras: dict[str, object] | None = None
    if components is not None or embeds is not None:
        extras = replace_extras(connection, msg_id, components=components, embeds=embeds)
    event = message_update(
        msg_id=msg_id, feed_id=address.feed_id, dm_id=address.dm_id, body=text, edit_timestamp=now_ms, extras=extras
    )
    return Change(Edited(msg_id, now_ms), (event,))


def _remove(
    connection: Connection, *, user_id: UserId, address: Address, msg_id: MessageId, is_moderator: bool
) -> Change[None]:
    row = queries.lock_message_for_deletion(connection, address, msg_id)
    if row is None:
        raise message_not_found(msg_id)
    if row[0] != user_id and not is_moderator:
        if address.dm_id is not None:
            raise refuse("FORBIDDEN", "You can delete only your own messages here.")
        raise missing_permission("MANAGE_MESSAGES")
    queries.delete_message(connection, msg_id)
    return Change(None, (message_delete(msg_id=msg_id, feed_id=address.feed_id, dm_id=address.dm_id),))


def _remove_many(connection: Connection, *, feed_id: FeedId, msg_ids: Sequence[MessageId]) -> Change[None]:
    removed = queries.delete_messages_of_feed(connection, feed_id, msg_ids, BATCH)
    if not removed:
        return Change(None)
    event = message_bulk_delete(feed_id=feed_id, msg_ids=[message.msg_id for message in removed])
    return Change(None, (event,))
