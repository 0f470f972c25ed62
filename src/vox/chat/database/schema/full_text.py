"""Full text search over messages: an index beside the table that changes in the same transaction as the message.

SQLite: the FTS5 table `message_search` (rowid = message id), kept by triggers. PostgreSQL: the generated column
`messages.search_vector` with a GIN index, and a trigram index for parts of words where the extension may be created. What is
indexed is `messages.search_text`, the body without what a search ignores (`vox.text.folding`), so both engines ignore the same.
An opaque blob is unreadable to the server. Neither engine knows a language, so words are matched as written.

Every message has its row in the index, also one without a body: FTS5 checks and rebuilds itself by that.

A deleted word leaves SQLite's index at once from 3.42 on (`secure-delete`); before, when its segment is merged: `tidy`.
"""

import sqlite3
from typing import Final

from sqlalchemy import Connection, text

SECURE_DELETE_SINCE: Final = (3, 42, 0)
LONGEST_INDEXED: Final = 200_000
"""Characters: PostgreSQL's vector holds 1 MB, and no message may fail for its length."""

OBJECTS: Final = frozenset(
    {"message_search", "search_vector", "ix_messages_search_vector", "ix_messages_body_trigrams"}
)
"""Names in the database that the tables' declarations do not know."""

_TABLE: Final = """
CREATE VIRTUAL TABLE message_search USING fts5(
    {0}, content='messages', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
)"""
_ON_INSERT: Final = """
CREATE TRIGGER message_search_insert AFTER INSERT ON messages BEGIN
    INSERT INTO message_search (rowid, {0}) VALUES (new.id, new.{0});
END"""
_ON_DELETE: Final = """
CREATE TRIGGER message_search_delete AFTER DELETE ON messages BEGIN
    INSERT INTO message_search (message_search, rowid, {0}) VALUES ('delete', old.id, old.{0});
END"""
_ON_UPDATE: Final = """
CREATE TRIGGER message_search_update AFTER UPDATE OF {0} ON messages BEGIN
    INSERT INTO message_search (message_search, rowid, {0}) VALUES ('delete', old.id, old.{0});
    INSERT INTO message_search (rowid, {0}) VALUES (new.id, new.{0});
END"""
_SQLITE: Final = (_TABLE, _ON_INSERT, _ON_DELETE, _ON_UPDATE)
_VECTOR: Final = f"""
ALTER TABLE messages ADD COLUMN search_vector tsvector
    GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, left(coalesce({{0}}, ''), {LONGEST_INDEXED}))) STORED"""
_POSTGRESQL: Final = (_VECTOR, "CREATE INDEX ix_messages_search_vector ON messages USING gin (search_vector)")
_TRIGRAMS: Final = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX ix_messages_body_trigrams ON messages USING gin ({0} gin_trgm_ops)",
)


def create(connection: Connection, column: str = "search_text") -> None:
    """Makes the index of a `messages` table and fills it with what is there.

    Args:
        connection: of the writer.
        column: what is indexed; a migration names the column of its time.
    """
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE:
            connection.exec_driver_sql(statement.format(column))
        if sqlite3.sqlite_version_info >= SECURE_DELETE_SINCE:
            connection.exec_driver_sql("INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1)")
        connection.exec_driver_sql("INSERT INTO message_search (message_search) VALUES ('rebuild')")
        return
    for statement in _POSTGRESQL:
        connection.exec_driver_sql(statement.format(column))
    if _has_trigrams(connection):
        for statement in _TRIGRAMS:
            connection.exec_driver_sql(statement.format(column))


def drop(connection: Connection) -> None:
    """Removes what `create` made."""
    if connection.dialect.name == "sqlite":
        for name in ("insert", "delete", "update"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS message_search_{name}")
        connection.exec_driver_sql("DROP TABLE IF EXISTS message_search")
        return
    connection.exec_driver_sql("DROP INDEX IF EXISTS ix_messages_body_trigrams")
    connection.exec_driver_sql("ALTER TABLE messages DROP COLUMN IF EXISTS search_vector")


def tidy(connection: Connection, pages: int = 500) -> None:
    """Merges a bounded piece of SQLite's index, which removes deleted words from it; PostgreSQL does that by itself."""
    if connection.dialect.name == "sqlite":
        connection.execute(
            text("INSERT INTO message_search (message_search, rank) VALUES ('merge', :pages)"), {"pages": pages}
        )


def settle(connection: Connection) -> None:
    """Makes searches quick at once after very many messages came in; a database gets there by itself in minutes or hours.

    PostgreSQL keeps new words in a list that every search reads, and plans by what it knew of the table before.
    """
    if connection.dialect.name == "sqlite":
        return
    indexes = (
        connection.execute(
            text(
                "SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
                " WHERE indrelid = 'messages'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'gin')"
            )
        )
        .scalars()
        .all()
    )
    for index in indexes:
        connection.execute(text("SELECT gin_clean_pending_list(CAST(:index AS regclass))"), {"index": str(index)})
    connection.exec_driver_sql("ANALYZE")


def is_own(name: str | None) -> bool:
    """Whether a table, column or index in the database belongs to the search rather than to a declaration."""
    return name is not None and (name in OBJECTS or name.startswith("message_search"))


def _has_trigrams(connection: Connection) -> bool:
    """Whether the trigram extension is there or may be created; a database's owner may, others often not."""
    return bool(
        connection.execute(
            text(
                "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') OR ("
                "EXISTS (SELECT 1 FROM pg_available_extension_versions WHERE name = 'pg_trgm' AND trusted)"
                " AND has_database_privilege(current_database(), 'CREATE')) OR ("
                "EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm')"
                " AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))"
            )
        ).scalar_one()
    )
