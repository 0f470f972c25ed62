"""The SQL of users' settings."""

from typing import Final

from vox.chat.events.ids import UserId
from vox.stores.sql import Connection
from vox.stores.statements import Statement

_READ: Final = Statement("SELECT revision, document FROM user_settings WHERE user_id = :user_id")
_INSERT: Final = Statement(
    "INSERT INTO user_settings (user_id, revision, document) VALUES (:user_id, 1, :document)"
    " ON CONFLICT (user_id) DO NOTHING"
)
_REPLACE: Final = Statement(
    "UPDATE user_settings SET revision = revision + 1, document = :document"
    " WHERE user_id = :user_id AND revision = :revision"
)

Stored = tuple[int, str]
"""Revision and JSON text."""


def read_settings(connection: Connection, user_id: UserId) -> Stored:
    """A user's settings; revision 0 and an empty object where none were stored."""
    row = _READ.row(connection, {"user_id": user_id})
    return (0, "{}") if row is None else (row[0], row[1])


def store_settings(connection: Connection, user_id: UserId, revision: int, document: str) -> bool:
    """Replaces the settings with that revision, 0 where there are none yet; False where they have another."""
    values = {"user_id": user_id, "revision": revision, "document": document}
    return bool((_REPLACE if revision else _INSERT).run(connection, values).rowcount)
