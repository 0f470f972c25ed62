"""The SQL of imports. What is inserted twice stays as it is, so that an import that was cut can simply begin again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, text

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import (
    categories,
    feeds,
    files,
    imported,
    permission_overrides,
    pins,
    roles,
    threads,
    users,
)
from vox.stores.engines import raw
from vox.text.folding import folded
from vox.text.names import RESERVED_KEYS, name_key

AT_ONCE: Final = 500
"""Values of one IN."""
_MESSAGE: Final = (
    "id", "feed_id", "thread_id", "author_id", "body", "timestamp", "edit_timestamp", "reply_to", "embed", "search_text",
)  # fmt: skip


def mapped(connection: Connection, origin: str, kind: str, foreign_ids: Collection[str]) -> dict[str, int]:
    """The local ids of foreign things, as far as they were imported."""
    found: dict[str, int] = {}
    asked_for = list(foreign_ids)
    for start in range(0, len(asked_for), AT_ONCE):
        rows = connection.execute(
            select(imported.c.foreign_id, imported.c.local_id).where(
                imported.c.origin == origin,
                imported.c.kind == kind,
                imported.c.foreign_id.in_(asked_for[start : start + AT_ONCE]),
            )
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def keep_mapped(
    connection: Connection, origin: str, kind: str, foreign_id: str, local_id: int | None, detail: str | None = None
) -> None:
    """Remembers what a foreign thing has become; a later one replaces it."""
    connection.execute(
        text(
            "INSERT INTO imported (origin, kind, foreign_id, local_id, detail)"
            " VALUES (:origin, :kind, :foreign_id, :local_id, :detail)"
            " ON CONFLICT (origin, kind, foreign_id) DO UPDATE SET local_id = excluded.local_id, detail = excluded.detail"
        ),
        {"origin": origin, "kind": kind, "foreign_id": foreign_id, "local_id": local_id, "detail": detail},
    )


def existing(connection: Connection, kind: str, local_ids: Iterable[int]) -> set[int]:
    """Which of these categories, feeds, threads or users are still there."""
    table = {"category": categories, "feed": feeds, "thread": threads, "person": users}[kind]
    found: set[int] = set()
    asked_for = list(local_ids)
    for start in range(0, len(asked_for), AT_ONCE):
        found.update(connection.scalars(select(table.c.id).where(table.c.id.in_(asked_for[start : start + AT_ONCE]))))
    return found


def is_name_free(connection: Connection, username: str) -> bool:
    """Whether a new account can have a name."""
    key = name_key(username)
    if key in RESERVED_KEYS:
        return False
    taken = select(users.c.id).where(
        users.c.home_domain.is_(None), (users.c.username == username) | (users.c.username_key == key)
    )
    return connection.execute(taken.limit(1)).first() is None


def insert_placeholder(connection: Connection, username: str, display_name: str | None, now_s: int) -> int:
    """Inserts an account without a password, and returns its id."""
    values = {
        "username": username,
        "username_key": name_key(username) or None,
        "display_name": display_name,
        "created_at": now_s,
    }
    return int(connection.execute(insert(users).values(**values).returning(users.c.id)).scalar_one())


def insert_category(connection: Connection, name: str) -> int:
    """Inserts a category behind the others, and returns its id."""
    position = connection.execute(select(func.coalesce(func.max(categories.c.position) + 1, 0))).scalar_one()
    values = {"name": name, "position": position}
    return int(connection.execute(insert(categories).values(**values).returning(categories.c.id)).scalar_one())


def insert_feed(connection: Connection, name: str, kind: str, topic: str | None, category_id: int | None) -> int:
    """Inserts a feed behind the others, and returns its id."""
    position = connection.execute(select(func.coalesce(func.max(feeds.c.position) + 1, 0))).scalar_one()
    values = {"name": name, "type": kind, "topic": topic, "category_id": category_id, "position": position}
    return int(connection.execute(insert(feeds).values(**values).returning(feeds.c.id)).scalar_one())


def insert_thread(connection: Connection, name: str, feed_id: int, parent_msg_id: int | None) -> int:
    """Inserts a thread, and returns its id."""
    values = {"name": name, "feed_id": feed_id, "parent_msg_id": parent_msg_id}
    return int(connection.execute(insert(threads).values(**values).returning(threads.c.id)).scalar_one())


def count_feeds(connection: Connection) -> int:
    """How many feeds there are."""
    return int(connection.execute(select(func.count()).select_from(feeds)).scalar_one())


def everyone_role_id(connection: Connection) -> int:
    """The role of all members."""
    return int(connection.execute(select(roles.c.id).order_by(roles.c.position, roles.c.id).limit(1)).scalar_one())


def insert_override(connection: Connection, feed_id: int, target: tuple[str, int], allow: int, deny: int) -> None:
    """Inserts an override of a feed for a role or a user."""
    kind, target_id = target
    values = {"space_type": "feed", "space_id": feed_id, "target_type": kind, "target_id": target_id}
    connection.execute(insert(permission_overrides).values(**values, allow=allow, deny=deny))


def insert_messages(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Inserts messages with their search text, and returns how many of them were not there."""
    columns = ", ".join(_MESSAGE)
    values = [tuple(folded(row["body"]) if name == "search_text" else row[name] for name in _MESSAGE) for row in rows]
    return _insert_all(connection, f"messages ({columns})", len(_MESSAGE), values)


def insert_reactions(connection: Connection, rows: Sequence[tuple[int, int, str]]) -> int:
    """Inserts reactions: message, user, emoji."""
    return _insert_all(connection, "reactions (msg_id, user_id, emoji)", 3, rows)


def insert_attachments(connection: Connection, rows: Sequence[tuple[int, str, int]]) -> int:
    """Inserts what shows files: message, file, position."""
    return _insert_all(connection, "message_attachments (msg_id, file_id, position)", 3, rows)


def insert_pins(connection: Connection, rows: Sequence[tuple[int, int, int]]) -> int:
    """Inserts pins: feed, message, Unix seconds."""
    return _insert_all(connection, "pins (feed_id, msg_id, pinned_at)", 3, rows)


def count_pins(connection: Connection, feed_id: int) -> int:
    """How many messages of a feed are pinned."""
    return int(connection.execute(select(func.count()).where(pins.c.feed_id == feed_id)).scalar_one())


def insert_file(connection: Connection, values: Mapping[str, Any]) -> None:
    """Inserts a file that is stored."""
    insert_if_absent(connection, files, values)


def _insert_all(connection: Connection, into: str, width: int, values: Sequence[tuple[Any, ...]]) -> int:
    if not values:
        return 0
    is_sqlite = connection.dialect.name == "sqlite"
    places = ", ".join(["?" if is_sqlite else "%s"] * width)
    cursor = raw(connection).cursor()
    cursor.executemany(f"INSERT INTO {into} VALUES ({places}) ON CONFLICT DO NOTHING", values)  # noqa: S608  names of ours
    return max(0, int(cursor.rowcount))


def lift_deadline(connection: Connection, setting: str) -> None:
    """Lets statements of this transaction take as long as they need; SQLite has no such setting."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT set_config(:setting, '0', true)"), {"setting": setting})


def count_version(connection: Connection) -> None:
    """Tells every process that who may see what has changed."""
    connection.execute(text("UPDATE meta SET version = version + 1"))
