"""From the original's tables to those of our first release, and back.

Times become whole Unix seconds, references are enforced, messages are found by their text. The new tables stand in SQL files
beside this one, as they were at the time: later revisions start from them.
"""

from pathlib import Path

from alembic import op
from sqlalchemy import Connection, text

from vox.chat.database.migrations.original import original_tables
from vox.chat.database.migrations.rebuild import rebuild
from vox.chat.database.schema import full_text

revision = "5d0c3e1f7a42"
down_revision = "98a0cee110c2"
branch_labels = None
depends_on = None

_DDL = Path(__file__).parent.parent / "ddl"
_ADDED = ("meta", "message_mentions", "message_nonces")
_SHORTEST_LOGIN_S = 900
"""Tickets for second factors and set-ups lived 5 to 10 minutes, logins for days."""


def upgrade() -> None:
    """Goes to our tables."""
    connection = op.get_bind()
    rebuild(connection, list(original_tables().tables), _create)
    _tell_namesakes_apart(connection)
    tickets = text("UPDATE sessions SET kind = 'ticket' WHERE expires_at - created_at <= :shortest")
    connection.execute(tickets, {"shortest": _SHORTEST_LOGIN_S})
    connection.exec_driver_sql("UPDATE files SET purpose = 'emoji' WHERE url IN (SELECT image FROM emoji)")
    connection.exec_driver_sql("UPDATE files SET purpose = 'sticker' WHERE url IN (SELECT image FROM stickers)")
    connection.exec_driver_sql("UPDATE files SET purpose = 'icon' WHERE url IN (SELECT value FROM config)")
    _name_pairs(connection)
    connection.exec_driver_sql("INSERT INTO meta (id, version) VALUES (1, 0)")
    _make_indexes(connection)
    full_text.create(connection, "body")


def downgrade() -> None:
    """Goes back to the original's tables; what only ours have is lost."""
    connection = op.get_bind()
    full_text.drop(connection)
    tables = original_tables()
    rebuild(connection, list(tables.tables), tables.create_all)
    for name in _ADDED:
        op.drop_table(name)


def _create(connection: Connection) -> None:
    for statement in _statements(connection):
        if statement.startswith("CREATE TABLE"):
            connection.exec_driver_sql(statement)


def _make_indexes(connection: Connection) -> None:
    for statement in _statements(connection):
        if not statement.startswith("CREATE TABLE"):
            connection.exec_driver_sql(statement)


def _statements(connection: Connection) -> list[str]:
    script = (_DDL / f"first_release_{connection.dialect.name}.sql").read_text(encoding="utf-8")
    return [statement.strip() for statement in script.split(";\n") if statement.strip()]


def _tell_namesakes_apart(connection: Connection) -> None:
    """The original's constraint let two local accounts have one name; the older one keeps it."""
    connection.exec_driver_sql(
        "UPDATE users SET username = username || '~' || id WHERE home_domain IS NULL AND EXISTS"
        " (SELECT 1 FROM users o WHERE o.home_domain IS NULL AND o.username = users.username AND o.id < users.id)"
    )


def _name_pairs(connection: Connection) -> None:
    """Gives conversations of two their name; of several between the same two the oldest one."""
    rows = connection.exec_driver_sql(
        "SELECT d.id, min(p.user_id), max(p.user_id) FROM dms d JOIN dm_participants p ON p.dm_id = d.id"
        " WHERE NOT d.is_group GROUP BY d.id HAVING count(*) = 2 ORDER BY d.id"
    ).all()
    named: set[str] = set()
    for dm_id, lower, higher in rows:
        pair = f"{lower}:{higher}"
        if pair not in named:
            named.add(pair)
            connection.execute(text("UPDATE dms SET pair = :pair WHERE id = :id"), {"pair": pair, "id": dm_id})
