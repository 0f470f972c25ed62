"""Changing and deleting messages that exist: units of work for feeds and conversations alike.

A message is only ever looked up together with its place. Its row is locked first, so that editing, deleting and reacting at the
same moment happen one after the other.
"""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import ColumnElement, Connection, select, update

from vox.chat.api.validation import validate_length
from vox.chat.context import ChatContext
from vox.chat.database.schema import message_attachments, messages, threads
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import missing_permission, refuse
from vox.chat.events import message_bulk_delete, message_delete, message_update
from vox.chat.features.messages.delete import BATCH, delete_messages
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.chat.features.messages.history import message_not_found
from vox.chat.features.messages.insert import Address
from vox.chat.features.spaces.schemas import Edited


async def edit(chat: ChatContext, user_id: int, address: Address, msg_id: int, body: str) -> Edited:
    """Gives the caller's own message another text.

    Raises:
        Refusal: VALIDATION_ERROR, MESSAGE_NOT_FOUND, FORBIDDEN, USER_BLOCKED, EMPTY_MESSAGE, THREAD_LOCKED.
    """
    validate_length(chat.config.limit, "body", body, "message_body_max")
    now_ms = int(chat.clock.wall().timestamp() * 1000)
    return await chat.change(partial(_edit, user_id=user_id, address=address, msg_id=msg_id, body=body, now_ms=now_ms))


async def remove(chat: ChatContext, user_id: int, address: Address, msg_id: int, *, is_moderator: bool) -> None:
    """Deletes a message of the caller, or of anybody by a moderator.

    Raises:
        Refusal: MESSAGE_NOT_FOUND; MISSING_PERMISSIONS in a feed, FORBIDDEN in a conversation.
    """
    await chat.change(partial(_remove, user_id=user_id, address=address, msg_id=msg_id, is_moderator=is_moderator))


async def remove_many(chat: ChatContext, feed_id: int, msg_ids: Sequence[int]) -> None:
    """Deletes those of some messages that are in the feed."""
    for start in range(0, len(msg_ids), BATCH):
        await chat.change(partial(_remove_many, feed_id=feed_id, msg_ids=msg_ids[start : start + BATCH]))


def within(address: Address) -> ColumnElement[bool]:
    """The condition that a message stands in a feed or one of its threads, or in a conversation."""
    if address.dm_id is not None:
        return messages.c.dm_id == address.dm_id
    return messages.c.feed_id == address.feed_id


def _edit(
    connection: Connection, *, user_id: int, address: Address, msg_id: int, body: str, now_ms: int
) -> Change[Edited]:
    columns = (messages.c.author_id, messages.c.thread_id, messages.c.embed)
    row = connection.execute(
        select(*columns).where(messages.c.id == msg_id, within(address)).with_for_update()
    ).one_or_none()
    if row is None:
        raise message_not_found(msg_id)
    author_id, thread_id, embed = row
    if author_id != user_id:
        raise refuse("FORBIDDEN", "Only its author may edit a message.")
    if address.dm_id is not None:
        assert_unblocked(connection, address.dm_id, user_id)
    if not body.strip() and embed is None and not _has_attachment(connection, msg_id):
        raise refuse("EMPTY_MESSAGE", "A message needs a text, an attachment or an embed.")
    if thread_id is not None and _is_closed(connection, thread_id):
        raise refuse("THREAD_LOCKED", "This thread is locked or archived.")
    connection.execute(update(messages).where(messages.c.id == msg_id).values(body=body, edit_timestamp=now_ms))
    event = message_update(
        msg_id=msg_id, feed_id=address.feed_id, dm_id=address.dm_id, body=body, edit_timestamp=now_ms
    )
    return Change(Edited(msg_id, now_ms), (event,))


def _remove(connection: Connection, *, user_id: int, address: Address, msg_id: int, is_moderator: bool) -> Change[None]:
    row = connection.execute(
        select(messages.c.author_id).where(messages.c.id == msg_id, within(address)).with_for_update()
    ).one_or_none()
    if row is None:
        raise message_not_found(msg_id)
    if row[0] != user_id and not is_moderator:
        if address.dm_id is not None:
            raise refuse("FORBIDDEN", "Only its author may delete a message here.")
        raise missing_permission("MANAGE_MESSAGES")
    delete_messages(connection, messages.c.id == msg_id)
    return Change(None, (message_delete(msg_id=msg_id, feed_id=address.feed_id, dm_id=address.dm_id),))


def _remove_many(connection: Connection, *, feed_id: int, msg_ids: Sequence[int]) -> Change[None]:
    removed = delete_messages(connection, messages.c.id.in_(msg_ids) & (messages.c.feed_id == feed_id))
    if not removed:
        return Change(None)
    event = message_bulk_delete(feed_id=feed_id, msg_ids=[message.msg_id for message in removed])
    return Change(None, (event,))


def _has_attachment(connection: Connection, msg_id: int) -> bool:
    query = select(message_attachments.c.file_id).where(message_attachments.c.msg_id == msg_id).limit(1)
    return connection.execute(query).first() is not None


def _is_closed(connection: Connection, thread_id: int) -> bool:
    query = select(threads.c.locked, threads.c.archived).where(threads.c.id == thread_id).with_for_update(read=True)
    row = connection.execute(query).one_or_none()
    return row is not None and (row[0] or row[1])
