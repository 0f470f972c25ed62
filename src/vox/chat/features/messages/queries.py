"""The SQL of existing messages and what belongs to them: edits, deletion, attachments, reactions, pins, blocks, read marks.

A message is only looked up together with its feed or conversation, so that it can only be found where the caller has access.
Functions whose name begins with `lock` keep their rows until the transaction ends. Sending, reading and searching have modules
of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, delete, distinct, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import (
    blocks,
    dm_settings,
    feeds,
    files,
    friends,
    message_attachments,
    messages,
    pins,
    reactions,
    threads,
)
from vox.chat.database.schema import emoji as custom_emoji
from vox.chat.events.ids import DmId, FeedId, FileId, MessageId, ThreadId, UserId
from vox.chat.features.messages.addresses import Address, MessageLocation
from vox.chat.features.messages.schemas import Attachment, ReadState
from vox.stores.sql import Connection
from vox.stores.statements import Statement
from vox.text.folding import folded

_BLOCKED: Final = Statement(
    "SELECT 1 FROM dms d JOIN dm_participants p ON p.dm_id = d.id JOIN blocks b ON b.user_id = p.user_id"
    " WHERE d.id = :dm_id AND NOT d.is_group AND b.blocked_id = :user_id"
)
_MARK_FEED_TEXT: Final = (
    "INSERT INTO feed_read_state (user_id, feed_id, last_read_msg_id) VALUES (:user_id, :place, :msg_id)"
    " ON CONFLICT (user_id, feed_id) DO UPDATE SET last_read_msg_id = excluded.last_read_msg_id"
    " WHERE excluded.last_read_msg_id {} feed_read_state.last_read_msg_id"
)
_MARK_DM_TEXT: Final = (
    "INSERT INTO dm_read_state (user_id, dm_id, last_read_msg_id) VALUES (:user_id, :place, :msg_id)"
    " ON CONFLICT (user_id, dm_id) DO UPDATE SET last_read_msg_id = excluded.last_read_msg_id"
    " WHERE excluded.last_read_msg_id {} dm_read_state.last_read_msg_id"
)
_MARK_FEED: Final = Statement(_MARK_FEED_TEXT.format(">"))
_MARK_DM: Final = Statement(_MARK_DM_TEXT.format(">"))
_SET_FEED_MARK: Final = Statement(_MARK_FEED_TEXT.format("<>"))
_SET_DM_MARK: Final = Statement(_MARK_DM_TEXT.format("<>"))
_FEED_MARKS: Final = Statement(
    "SELECT feed_id, last_read_msg_id FROM feed_read_state WHERE user_id = :user_id ORDER BY feed_id"
)
_DM_MARKS: Final = Statement(
    "SELECT dm_id, last_read_msg_id FROM dm_read_state WHERE user_id = :user_id ORDER BY dm_id"
)


@dataclass(frozen=True, slots=True)
class Removed:
    """A message that was deleted, and where it was."""

    msg_id: MessageId
    feed_id: FeedId | None
    dm_id: DmId | None


@dataclass(frozen=True, slots=True)
class AttachableFile:
    """An uploaded file that is complete and meant for messages.

    Args:
        attachment: the file as a message shows it.
        uploader_id: the user who uploaded it.
        feed_id: the feed it was uploaded to, if it was a feed.
        dm_id: the conversation it was uploaded to, if it was one.
        attached_to: a message that shows it already.
    """

    attachment: Attachment
    uploader_id: UserId | None
    feed_id: FeedId | None
    dm_id: DmId | None
    attached_to: MessageId | None


def lock_message_for_edit(
    connection: Connection, address: Address, msg_id: MessageId
) -> tuple[UserId | None, ThreadId | None, str | None] | None:
    """Author, thread and embed of a message; None where it is not at this address."""
    columns = (messages.c.author_id, messages.c.thread_id, messages.c.embed)
    query = select(*columns).where(messages.c.id == msg_id, _within(address)).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def update_message(connection: Connection, msg_id: MessageId, body: str, edit_timestamp: int) -> None:
    """Gives a message another text."""
    values = {"body": body, "search_text": folded(body), "edit_timestamp": edit_timestamp}
    connection.execute(update(messages).where(messages.c.id == msg_id).values(values))


def body_of(connection: Connection, msg_id: MessageId) -> str:
    """The text of a message; empty where it has none."""
    return connection.execute(select(messages.c.body).where(messages.c.id == msg_id)).scalar_one() or ""


def lock_extras(connection: Connection, msg_id: MessageId) -> tuple[str | None, str | None] | None:
    """The columns `extras` and `embed` of a message; None where there is none."""
    query = select(messages.c.extras, messages.c.embed).where(messages.c.id == msg_id).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def set_extras(connection: Connection, msg_id: MessageId, extras: str | None, embed: str | None) -> None:
    """Stores the columns `extras` and `embed` of a message."""
    connection.execute(update(messages).where(messages.c.id == msg_id).values(extras=extras, embed=embed))


def has_attachment(connection: Connection, msg_id: MessageId) -> bool:
    """Whether a message shows a file."""
    query = select(message_attachments.c.file_id).where(message_attachments.c.msg_id == msg_id).limit(1)
    return connection.execute(query).first() is not None


def is_thread_closed(connection: Connection, thread_id: ThreadId) -> bool:
    """Whether a thread is locked or archived; it stays so until the transaction ends."""
    query = select(threads.c.locked, threads.c.archived).where(threads.c.id == thread_id).with_for_update(read=True)
    row = connection.execute(query).one_or_none()
    return row is not None and bool(row[0] or row[1])


def lock_message_for_deletion(
    connection: Connection, address: Address, msg_id: MessageId
) -> tuple[UserId | None] | None:
    """The author of a message; None where it is not at this address."""
    query = select(messages.c.author_id).where(messages.c.id == msg_id, _within(address)).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0],)


def delete_message(connection: Connection, msg_id: MessageId) -> None:
    """Deletes one message and detaches its files."""
    _delete(connection, messages.c.id == msg_id, 1)


def delete_messages_at(connection: Connection, location: MessageLocation, limit: int) -> list[Removed]:
    """Deletes messages of a feed, thread or conversation, the oldest first, at most `limit`, and detaches their files."""
    return _delete(connection, _at(location), limit)


def delete_messages_of_feed(
    connection: Connection, feed_id: FeedId, msg_ids: Sequence[MessageId], limit: int
) -> list[Removed]:
    """Deletes those of some messages that are in a feed, at most `limit`, and detaches their files."""
    return _delete(connection, messages.c.id.in_(msg_ids) & (messages.c.feed_id == feed_id), limit)


def delete_messages_of_author(connection: Connection, author_id: UserId, since_ms: int, limit: int) -> list[Removed]:
    """Deletes messages of a user since a moment, the oldest first, at most `limit`, and detaches their files."""
    return _delete(connection, (messages.c.author_id == author_id) & (messages.c.timestamp >= since_ms), limit)


def delete_messages_before(connection: Connection, feed_id: FeedId, before: int, limit: int) -> list[Removed]:
    """Deletes messages of a feed and its threads with ids below one, the oldest first, at most `limit`; pinned ones stay."""
    pinned = select(pins.c.msg_id).where(pins.c.feed_id == feed_id)
    old = (messages.c.feed_id == feed_id) & (messages.c.id < before) & messages.c.id.not_in(pinned)
    return _delete(connection, old, limit)


def lock_attachable_files(connection: Connection, file_ids: Sequence[FileId]) -> dict[FileId, AttachableFile]:
    """Those of some files that are complete and meant for messages, by id."""
    columns = (
        files.c.id,
        files.c.name,
        files.c.size,
        files.c.mime,
        files.c.url,
        files.c.uploader_id,
        files.c.feed_id,
        files.c.dm_id,
        select(message_attachments.c.msg_id)
        .where(message_attachments.c.file_id == files.c.id)
        .limit(1)
        .scalar_subquery(),
    )
    usable = (files.c.id.in_(file_ids)) & (files.c.state == "ready") & (files.c.purpose == "attachment")
    # Locked in one order, so that two messages with the same files wait for each other instead of for ever.
    connection.execute(select(files.c.id).where(usable).order_by(files.c.id).with_for_update())
    rows = connection.execute(select(*columns).where(usable))
    return {row[0]: AttachableFile(Attachment(*row[:5]), *row[5:]) for row in rows}


def move_file_to_dm(connection: Connection, file_id: FileId, dm_id: DmId) -> None:
    """Makes a file one of a conversation, so that moderators of the feed it was uploaded to have no right to it any more."""
    connection.execute(update(files).where(files.c.id == file_id).values(feed_id=None, dm_id=dm_id))


def insert_attachments(connection: Connection, msg_id: MessageId, attachments: Sequence[Attachment]) -> None:
    """Attaches files to a message that was inserted in the same transaction."""
    rows = [
        {"msg_id": msg_id, "file_id": attachment.file_id, "position": position}
        for position, attachment in enumerate(attachments)
    ]
    connection.execute(insert(message_attachments), rows)


def message_exists(connection: Connection, address: Address, msg_id: MessageId) -> bool:
    """Whether a message is at this address."""
    query = select(messages.c.id).where(messages.c.id == msg_id, _within(address))
    return connection.execute(query).first() is not None


def custom_emoji_name(connection: Connection, key: str) -> str | None:
    """The name of the community's emoji with a name key."""
    return connection.execute(select(custom_emoji.c.name).where(custom_emoji.c.name_key == key)).scalar_one_or_none()


def reactions_of(
    connection: Connection, msg_id: MessageId, *, after: int, emoji: str | None, limit: int
) -> dict[str, list[int]]:
    """The users who reacted to a message, by emoji.

    Args:
        connection: of a reader.
        msg_id: the message.
        after: only users with ids above it.
        emoji: only this one; None for all.
        limit: how many users of each emoji.
    """
    emojis, user_ids = reactions.c.emoji, reactions.c.user_id
    place = func.row_number().over(partition_by=emojis, order_by=user_ids)
    found = select(emojis, user_ids, place.label("place")).where(reactions.c.msg_id == msg_id, user_ids > after)
    if emoji is not None:
        found = found.where(emojis == emoji)
    each = found.subquery().c
    query = select(each.emoji, each.user_id).where(each.place <= limit).order_by(each.emoji, each.user_id)
    by_emoji: dict[str, list[int]] = {}
    for name, user_id in connection.execute(query):
        by_emoji.setdefault(name, []).append(user_id)
    return by_emoji


def lock_message_for_reaction(
    connection: Connection, address: Address, msg_id: MessageId
) -> tuple[UserId | None, ThreadId | None] | None:
    """Author and thread of a message; None where it is not at this address."""
    columns = (messages.c.author_id, messages.c.thread_id)
    query = select(*columns).where(messages.c.id == msg_id, _within(address)).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def lock_message(connection: Connection, address: Address, msg_id: MessageId) -> bool:
    """Whether a message is at this address, where it then stays."""
    query = select(messages.c.id).where(messages.c.id == msg_id, _within(address))
    return connection.execute(query.with_for_update(key_share=True)).first() is not None


def count_other_emoji(connection: Connection, msg_id: MessageId, emoji: str) -> int:
    """How many different emoji besides this one a message has as reactions."""
    query = select(func.count(distinct(reactions.c.emoji))).where(
        reactions.c.msg_id == msg_id, reactions.c.emoji != emoji
    )
    return connection.execute(query).scalar_one()


def insert_reaction(connection: Connection, msg_id: MessageId, user_id: UserId, emoji: str) -> bool:
    """Adds a reaction; False where it existed."""
    return insert_if_absent(connection, reactions, {"msg_id": msg_id, "user_id": user_id, "emoji": emoji})


def delete_reaction(connection: Connection, msg_id: MessageId, user_id: UserId, emoji: str) -> bool:
    """Deletes a reaction; False where there was none."""
    reaction = reactions.c
    statement = delete(reactions).where(reaction.msg_id == msg_id, reaction.user_id == user_id, reaction.emoji == emoji)
    return bool(connection.execute(statement).rowcount)


def lock_feed_for_pins(connection: Connection, feed_id: FeedId) -> None:
    """Lets only one transaction at a time change the pins of a feed."""
    connection.execute(select(feeds.c.id).where(feeds.c.id == feed_id).with_for_update(key_share=True))


def lock_message_of_feed(connection: Connection, feed_id: FeedId, msg_id: MessageId) -> bool:
    """Whether a message is in a feed, where it then stays."""
    query = select(messages.c.id).where(messages.c.id == msg_id, messages.c.feed_id == feed_id)
    return connection.execute(query.with_for_update(read=True, key_share=True)).first() is not None


def is_pinned(connection: Connection, feed_id: FeedId, msg_id: MessageId) -> bool:
    """Whether a message is pinned."""
    query = select(pins.c.msg_id).where(pins.c.feed_id == feed_id, pins.c.msg_id == msg_id)
    return connection.execute(query).first() is not None


def count_pins(connection: Connection, feed_id: FeedId) -> int:
    """How many messages of a feed are pinned."""
    return connection.execute(select(func.count()).select_from(pins).where(pins.c.feed_id == feed_id)).scalar_one()


def insert_pin(connection: Connection, feed_id: FeedId, msg_id: MessageId, now_s: int) -> None:
    """Pins a message."""
    connection.execute(insert(pins).values(feed_id=feed_id, msg_id=msg_id, pinned_at=now_s))


def delete_pin(connection: Connection, feed_id: FeedId, msg_id: MessageId) -> bool:
    """Unpins a message; False where it was not pinned."""
    statement = delete(pins).where(pins.c.feed_id == feed_id, pins.c.msg_id == msg_id)
    return bool(connection.execute(statement).rowcount)


def is_blocked_in_dm(connection: Connection, dm_id: DmId, user_id: UserId) -> bool:
    """Whether the other participant of a conversation of two has blocked a user."""
    return _BLOCKED.row(connection, {"dm_id": dm_id, "user_id": user_id}) is not None


def is_blocked_by_any(connection: Connection, user_ids: Sequence[UserId], blocked_id: UserId) -> bool:
    """Whether one of some users has blocked another user."""
    query = select(blocks.c.user_id).where(blocks.c.user_id.in_(user_ids), blocks.c.blocked_id == blocked_id)
    return connection.execute(query.limit(1)).first() is not None


def dm_permissions_of(connection: Connection, user_ids: Sequence[UserId]) -> list[tuple[UserId, str]]:
    """Id and setting of those of some users who have set which conversations they accept."""
    query = select(dm_settings.c.user_id, dm_settings.c.dm_permission).where(dm_settings.c.user_id.in_(user_ids))
    return [(user_id, permission) for user_id, permission in connection.execute(query)]


def has_friend(connection: Connection, user_id: UserId, friend_id: UserId) -> bool:
    """Whether a user has accepted another as a friend."""
    query = select(friends.c.user_id).where(
        friends.c.user_id == user_id, friends.c.friend_id == friend_id, friends.c.status == "accepted"
    )
    return connection.execute(query).first() is not None


def mark_feed_read(
    connection: Connection, user_id: UserId, feed_id: FeedId, msg_id: MessageId, *, is_unread: bool = False
) -> bool:
    """Moves a user's mark in a feed forward, with `is_unread` also back; False where it did not move."""
    statement = _SET_FEED_MARK if is_unread else _MARK_FEED
    return bool(statement.run(connection, {"user_id": user_id, "place": feed_id, "msg_id": msg_id}).rowcount)


def mark_dm_read(
    connection: Connection, user_id: UserId, dm_id: DmId, msg_id: MessageId, *, is_unread: bool = False
) -> bool:
    """Moves a user's mark in a conversation forward, with `is_unread` also back; False where it did not move."""
    statement = _SET_DM_MARK if is_unread else _MARK_DM
    return bool(statement.run(connection, {"user_id": user_id, "place": dm_id, "msg_id": msg_id}).rowcount)


def read_states(connection: Connection, user_id: UserId) -> list[ReadState]:
    """All read marks of a user: of feeds, then of conversations."""
    values = {"user_id": user_id}
    of_feeds = [ReadState(mark, feed_id=feed_id) for feed_id, mark in _FEED_MARKS.rows(connection, values)]
    return of_feeds + [ReadState(mark, dm_id=dm_id) for dm_id, mark in _DM_MARKS.rows(connection, values)]


def _within(address: Address) -> ColumnElement[bool]:
    """The condition that a message is in a feed or one of its threads, or in a conversation."""
    if address.dm_id is not None:
        return messages.c.dm_id == address.dm_id
    return messages.c.feed_id == address.feed_id


def _at(location: MessageLocation) -> ColumnElement[bool]:
    match location.kind:
        case "feed":
            return messages.c.feed_id == location.id
        case "timeline":
            return (messages.c.feed_id == location.id) & messages.c.thread_id.is_(None)
        case "thread":
            return messages.c.thread_id == location.id
        case "dm":
            return messages.c.dm_id == location.id


def _delete(connection: Connection, where: ColumnElement[bool], limit: int) -> list[Removed]:
    columns = (messages.c.id, messages.c.feed_id, messages.c.dm_id)
    rows = connection.execute(select(*columns).where(where).order_by(messages.c.id).limit(limit).with_for_update())
    removed = [Removed(*row) for row in rows]
    ids = [message.msg_id for message in removed]
    if ids:
        attached = select(message_attachments.c.file_id).where(message_attachments.c.msg_id.in_(ids))
        connection.execute(update(files).where(files.c.id.in_(attached)).values(state="uploading"))
        connection.execute(delete(messages).where(messages.c.id.in_(ids)))
    return removed
