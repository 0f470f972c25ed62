"""The SQL of what a page of history may bring along: reactions by emoji, the messages that are answered, sizes of pictures."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from vox.chat.events.ids import DmId, FeedId, FileId, MessageId, UserId
from vox.chat.features.messages.history_queries import COLUMNS, FROM, with_attachments
from vox.chat.features.messages.schemas import Message
from vox.stores.sql import Connection
from vox.stores.statements import Statement

_REACTIONS_TEXT: Final = (
    "SELECT msg_id, emoji, count(*), max(CASE WHEN user_id = :user_id THEN 1 ELSE 0 END) FROM reactions"
    " WHERE msg_id {} GROUP BY msg_id, emoji ORDER BY msg_id, emoji"
)
_IN_JSON: Final = "IN (SELECT value FROM json_each(:ids))"
_ANY: Final = "= ANY(:ids)"
_REACTIONS: Final = Statement(_REACTIONS_TEXT.format(_IN_JSON), _REACTIONS_TEXT.format(_ANY))
_ANSWERED_TEXT: Final = f"SELECT {COLUMNS} {FROM} WHERE m.id {{}} AND m.{{}} = :place ORDER BY m.id DESC"
_ANSWERED: Final = {
    column: Statement(_ANSWERED_TEXT.format(_IN_JSON, column), _ANSWERED_TEXT.format(_ANY, column))
    for column in ("feed_id", "dm_id")
}
_SIZES_TEXT: Final = "SELECT id, width, height FROM files WHERE id {} AND width IS NOT NULL"
_SIZES: Final = Statement(_SIZES_TEXT.format(_IN_JSON), _SIZES_TEXT.format(_ANY))


def reactions_by_emoji(
    connection: Connection, msg_ids: Sequence[MessageId], user_id: UserId
) -> Sequence[Sequence[Any]]:
    """Rows of message, emoji, how many reacted, and whether this user did."""
    return _REACTIONS.rows(connection, {"ids": _ids(connection, msg_ids), "user_id": user_id})


def answered(
    connection: Connection, msg_ids: Sequence[MessageId], feed_id: FeedId | None, dm_id: DmId | None
) -> list[Message]:
    """Those of some messages that are in a feed or its threads, or in a conversation."""
    column, place = ("feed_id", feed_id) if dm_id is None else ("dm_id", dm_id)
    values = {"ids": _ids(connection, msg_ids), "place": place}
    return with_attachments(connection, _ANSWERED[column].rows(connection, values))


def sizes_of(connection: Connection, file_ids: Sequence[FileId]) -> dict[FileId, tuple[int, int]]:
    """Width and height in pixels of those of some files that are decoded pictures."""
    rows = _SIZES.rows(connection, {"ids": _ids(connection, file_ids)})
    return {file_id: (width, height) for file_id, width, height in rows}


def _ids(connection: Connection, ids: Sequence[Any]) -> Any:
    return msgspec.json.encode(ids).decode() if connection.dialect.name == "sqlite" else list(ids)
