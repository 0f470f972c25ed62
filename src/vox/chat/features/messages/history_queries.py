"""The SQL that reads messages: one statement for the messages and one for all their attachments.

Every statement names the place it reads from, so that a message can only be found where the caller has access.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from vox.chat.api.fields import MAX_ID
from vox.chat.events.ids import FeedId, MessageId
from vox.chat.features.messages.addresses import MessageLocation, PlaceKind
from vox.chat.features.messages.content import read_embed, read_extras
from vox.chat.features.messages.schemas import Attachment, Extras, HistoryQuery, Message
from vox.stores.sql import Connection
from vox.stores.statements import Statement

Row = Sequence[Any]

MAX_PINS = 1000
"""A feed has no more pins, whatever the configured limit says. Pins beyond a limit that was lowered are still listed."""

COLUMNS = (
    "m.id, m.feed_id, m.dm_id, m.thread_id, m.author_id, m.body, m.opaque_blob, m.timestamp, m.reply_to, m.embed,"
    " m.edit_timestamp, m.federated, m.author_address, m.webhook_id, p.pinned_at, m.extras"
)
FROM = "FROM messages m LEFT JOIN pins p ON p.msg_id = m.id AND p.feed_id = m.feed_id"

_WHERE: dict[PlaceKind, str] = {
    "feed": "m.feed_id = :place",
    "timeline": "m.feed_id = :place AND m.thread_id IS NULL",
    "thread": "m.thread_id = :place",
    "dm": "m.dm_id = :place",
}
_FILE_COLUMNS = "a.msg_id, f.id, f.name, f.size, f.mime, f.url"


def page(connection: Connection, place: MessageLocation, query: HistoryQuery, limit: int) -> list[Message]:
    """A part of a history, newest first.

    Args:
        connection: of a reader.
        place: the messages to choose from.
        query: which part; its own limit is ignored.
        limit: how many at most.
    """
    values: dict[str, Any] = {"place": place.id, "limit": limit, "after": query.after, "before": query.before}
    if query.around is not None:
        values |= {"after": query.around, "limit": limit // 2}
        newer = _newer(place.kind).rows(connection, values)
        values |= {"before": min(query.around, MAX_ID - 1) + 1, "limit": limit - len(newer)}
        rows = [*reversed(newer), *_older(place.kind).rows(connection, values)]
    elif query.before is not None and query.after is not None:
        rows = _between(place.kind).rows(connection, values)
    elif query.before is not None:
        rows = _older(place.kind).rows(connection, values)
    elif query.after is not None:
        rows = _latest_after(place.kind).rows(connection, values)
    else:
        rows = _latest(place.kind).rows(connection, values)
    return with_attachments(connection, rows)


def find_message(connection: Connection, place: MessageLocation, msg_id: MessageId) -> Message | None:
    """One message; None where it is not in this place."""
    row = _one(place.kind).row(connection, {"place": place.id, "msg_id": msg_id})
    return None if row is None else with_attachments(connection, [row])[0]


def pinned(connection: Connection, feed_id: FeedId) -> list[Message]:
    """The pinned messages of a feed, the latest pin first."""
    return with_attachments(connection, _PINNED.rows(connection, {"feed_id": feed_id, "limit": MAX_PINS}))


def with_attachments(connection: Connection, rows: Sequence[Row]) -> list[Message]:
    """Rows of COLUMNS as messages, in the same order."""
    if not rows:
        return []
    attached = attachments_of(connection, [row[0] for row in rows])
    return [_message(row, attached.get(row[0], [])) for row in rows]


def attachments_of(connection: Connection, msg_ids: Sequence[MessageId]) -> dict[MessageId, list[Attachment]]:
    """The attachments of some messages, in the order their authors gave."""
    found: dict[MessageId, list[Attachment]] = defaultdict(list)
    is_sqlite = connection.dialect.name == "sqlite"
    ids: Any = msgspec.json.encode(msg_ids).decode() if is_sqlite else list(msg_ids)
    for msg_id, *file in _ATTACHED.rows(connection, {"ids": ids}):
        found[msg_id].append(Attachment(*file))
    return found


def _message(row: Row, attachments: list[Attachment]) -> Message:
    message = Message(
        msg_id=row[0],
        feed_id=row[1],
        dm_id=row[2],
        thread_id=row[3],
        author_id=row[4],
        body=row[5],
        opaque_blob=row[6],
        timestamp=row[7],
        reply_to=row[8],
        attachments=attachments,
        embed=read_embed(row[9]),
        edit_timestamp=row[10],
        federated=bool(row[11]),
        author_address=row[12],
        pinned_at=row[14],
        webhook_id=row[13],
    )
    if row[15] is None and (row[9] is None or row[9].startswith("{")):
        return message
    extras = read_extras(row[15], row[9])
    return message if extras is None else _with_extras(message, extras)


def _with_extras(message: Message, extras: Extras) -> Message:
    return msgspec.structs.replace(
        message,
        embeds=extras.embeds or msgspec.UNSET,
        components=extras.components or msgspec.UNSET,
        webhook_name=msgspec.UNSET if extras.webhook_name is None else extras.webhook_name,
        webhook_avatar=msgspec.UNSET if extras.webhook_avatar is None else extras.webhook_avatar,
    )


def _query(kind: PlaceKind, more: str) -> Statement:
    return Statement(f"SELECT {COLUMNS} {FROM} WHERE {_WHERE[kind]} {more}")


@cache
def _latest(kind: PlaceKind) -> Statement:
    return _query(kind, "ORDER BY m.id DESC LIMIT :limit")


@cache
def _older(kind: PlaceKind) -> Statement:
    return _query(kind, "AND m.id < :before ORDER BY m.id DESC LIMIT :limit")


@cache
def _newer(kind: PlaceKind) -> Statement:
    return _query(kind, "AND m.id > :after ORDER BY m.id LIMIT :limit")


@cache
def _latest_after(kind: PlaceKind) -> Statement:
    return _query(kind, "AND m.id > :after ORDER BY m.id DESC LIMIT :limit")


@cache
def _between(kind: PlaceKind) -> Statement:
    return _query(kind, "AND m.id > :after AND m.id < :before ORDER BY m.id DESC LIMIT :limit")


@cache
def _one(kind: PlaceKind) -> Statement:
    return _query(kind, "AND m.id = :msg_id")


_PINNED = Statement(
    f"SELECT {COLUMNS} FROM pins p JOIN messages m ON m.id = p.msg_id WHERE p.feed_id = :feed_id"  # noqa: S608  our own texts only
    " ORDER BY p.pinned_at DESC, m.id DESC LIMIT :limit"
)
_ATTACHED_TO = f"SELECT {_FILE_COLUMNS} FROM message_attachments a JOIN files f ON f.id = a.file_id WHERE a.msg_id"  # noqa: S608  our own texts only
_ATTACHED = Statement(
    f"{_ATTACHED_TO} IN (SELECT value FROM json_each(:ids)) ORDER BY a.msg_id, a.position",  # noqa: S608  as above
    f"{_ATTACHED_TO} = ANY(:ids) ORDER BY a.msg_id, a.position",
)
