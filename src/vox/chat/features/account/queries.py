"""The SQL of one's own data. Which tables name a user follows from the tables' declarations, so new ones are exported and deleted, too."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, delete, func, or_, select, update

from vox.chat.database.schema import files, message_attachments, messages, metadata, permission_overrides, users
from vox.chat.events.ids import UserId
from vox.chat.features.account.schemas import OwnFile, OwnMessage
from vox.text.names import name_key

MOST_ROWS: Final = 10_000
"""Of one table in an export."""
_SECRET: Final = ("password", "challenge", "token", "secret", "hash", "key_data", "public_key", "blob", "private")
_APART: Final = frozenset({"messages", "files", "users"})
_PASSING: Final = frozenset({"oidc_flows", "webauthn_challenges", "device_pairings"})
"""Logins under way: nothing but secrets that work for minutes."""
_OF_OTHERS: Final = frozenset({("blocks", "blocked_id"), ("timeouts", "actor_id")})
"""Columns by which a row names a user but belongs to another one: who has blocked them, and what they did to others as a moderator."""
_KEPT: Final = frozenset({"bans", "dm_participants"})
"""Who is banned stays banned, and a conversation stays readable for the others in it."""


def read_profile(connection: Connection, user_id: UserId) -> dict[str, Any]:
    """The row of a user without secrets."""
    row = connection.execute(select(users).where(users.c.id == user_id)).mappings().one()
    return {name: value for name, value in row.items() if not _is_secret(name) and name != "username_key"}


def read_tables(connection: Connection, user_id: UserId) -> dict[str, list[dict[str, Any]]]:
    """Rows of all other tables that name a user, without secrets, at most MOST_ROWS of each."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table, naming in _tables_of_users():
        if table.name in _PASSING:
            continue
        columns = [column for column in naming if (table.name, column.name) not in _OF_OTHERS]
        shown = [column for column in table.columns if not _is_secret(column.name)]
        query = select(*shown).where(or_(*(column == user_id for column in columns))).limit(MOST_ROWS)
        if rows := [dict(row) for row in connection.execute(query).mappings()]:
            found[table.name] = rows
    return found


def count(connection: Connection, table: str, user_id: UserId) -> int:
    """How many messages or files a user has."""
    column = messages.c.author_id if table == "messages" else files.c.uploader_id
    return int(connection.execute(select(func.count()).where(column == user_id)).scalar_one())


def read_messages(connection: Connection, user_id: UserId, after: int, limit: int) -> list[OwnMessage]:
    """Messages of a user above an id, by id."""
    m = messages.c
    columns = (
        m.id,
        m.feed_id,
        m.dm_id,
        m.thread_id,
        m.body,
        m.opaque_blob,
        m.timestamp,
        m.edit_timestamp,
        m.reply_to,
        m.embed,
    )
    query = select(*columns).where(m.author_id == user_id, m.id > after).order_by(m.id).limit(limit)
    rows = connection.execute(query).all()
    attached: dict[int, list[str]] = defaultdict(list)
    shown = select(message_attachments.c.msg_id, message_attachments.c.file_id).where(
        message_attachments.c.msg_id.in_([row[0] for row in rows])
    )
    for msg_id, file_id in connection.execute(shown.order_by(message_attachments.c.position)):
        attached[msg_id].append(file_id)
    return [OwnMessage(*row, attachments=attached[row[0]]) for row in rows]


def read_files(connection: Connection, user_id: UserId, after: str, limit: int) -> list[OwnFile]:
    """Files of a user above an id, by id."""
    f = files.c
    query = (
        select(f.id, f.name, f.size, f.mime, f.url, f.created_at)
        .where(f.uploader_id == user_id, f.state == "ready", f.id > after)
        .order_by(f.id)
        .limit(limit)
    )
    return [OwnFile(*row) for row in connection.execute(query)]


def erase(connection: Connection, user_id: UserId, username: str, display_name: str) -> None:
    """Deletes what names a user and empties their row but for these names: what others said and did still refers to it."""
    for table, columns in _tables_of_users():
        if table.name not in _KEPT:
            owned = [column for column in columns if any(key.ondelete == "CASCADE" for key in column.foreign_keys)]
            if owned:
                connection.execute(delete(table).where(or_(*(column == user_id for column in owned))))
    override = permission_overrides.c
    connection.execute(
        delete(permission_overrides).where(override.target_type == "user", override.target_id == user_id)
    )
    emptied = dict.fromkeys(("avatar", "bio", "nickname", "password_hash"))
    row = {"username": username, "username_key": name_key(username), "display_name": display_name, **emptied}
    connection.execute(update(users).where(users.c.id == user_id).values(**row))


def _tables_of_users() -> Iterator[tuple[Table, list[Column[Any]]]]:
    """Tables that refer to users, but for messages and files, with the columns that do."""
    for table in reversed(metadata.sorted_tables):
        columns = [
            column for column in table.columns if any(key.column.table.name == "users" for key in column.foreign_keys)
        ]
        if columns and table.name not in _APART:
            yield table, columns


def _is_secret(name: str) -> bool:
    return any(part in name for part in _SECRET)
