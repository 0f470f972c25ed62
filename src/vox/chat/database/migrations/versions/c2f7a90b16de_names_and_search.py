"""Keys of names that look the same, one spelling for each emoji, and the text that searches compare.

What is alike already stays: of names with one key the oldest gets it, and the others keep their name without a key.
"""

from alembic import op
from sqlalchemy import Connection, text

from vox.chat.database.schema import full_text
from vox.text.emoji import canonical_emoji
from vox.text.folding import folded
from vox.text.names import name_key

revision = "c2f7a90b16de"
down_revision = "5d0c3e1f7a42"
branch_labels = None
depends_on = None

_KEYS = (("users", "username", "username_key"), ("emoji", "name", "name_key"), ("stickers", "name", "name_key"))
_INDEXES = (
    "CREATE UNIQUE INDEX ix_users_local_username_key ON users (username_key) WHERE home_domain IS NULL",
    "CREATE UNIQUE INDEX ix_emoji_name_key ON emoji (name_key)",
    "CREATE UNIQUE INDEX ix_stickers_name_key ON stickers (name_key)",
)
_BATCH = 2000


def upgrade() -> None:
    """Adds the columns and fills them."""
    connection = op.get_bind()
    full_text.drop(connection)
    connection.exec_driver_sql("ALTER TABLE messages ADD COLUMN search_text TEXT")
    for table, name, key in _KEYS:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {key} TEXT")
        _fill_keys(connection, table, name, key)
    for statement in _INDEXES:
        connection.exec_driver_sql(statement)
    _spell_reactions(connection)
    _fold_messages(connection)
    full_text.create(connection, "search_text")


def downgrade() -> None:
    """Removes the columns; reactions keep their spelling."""
    connection = op.get_bind()
    full_text.drop(connection)
    for statement in _INDEXES:
        op.drop_index(statement.split()[3])
    for table, _, key in _KEYS:
        op.drop_column(table, key)
    op.drop_column("messages", "search_text")
    full_text.create(connection, "body")


def _fill_keys(connection: Connection, table: str, name: str, key: str) -> None:
    local = "WHERE home_domain IS NULL" if table == "users" else ""
    rows = connection.execute(text(f"SELECT id, {name} FROM {table} {local} ORDER BY id"))  # noqa: S608  our own texts only
    oldest: dict[str, int] = {}
    for row_id, value in rows:
        oldest.setdefault(name_key(value), row_id)
    keys = [{"id": row_id, "key": value} for value, row_id in oldest.items() if value]
    if keys:
        connection.execute(text(f"UPDATE {table} SET {key} = :key WHERE id = :id"), keys)  # noqa: S608  as above


def _spell_reactions(connection: Connection) -> None:
    """Gives each emoji one spelling; where a user reacted with two spellings, one reaction stays."""
    for (old,) in connection.execute(text("SELECT DISTINCT emoji FROM reactions")).all():
        new = canonical_emoji(old)
        if new in {"", old}:
            continue
        values = {"old": old, "new": new}
        twice = text(
            "DELETE FROM reactions WHERE emoji = :old AND EXISTS (SELECT 1 FROM reactions o"
            " WHERE o.msg_id = reactions.msg_id AND o.user_id = reactions.user_id AND o.emoji = :new)"
        )
        connection.execute(twice, values)
        connection.execute(text("UPDATE reactions SET emoji = :new WHERE emoji = :old"), values)


def _fold_messages(connection: Connection) -> None:
    page = text("SELECT id, body FROM messages WHERE id > :after AND body IS NOT NULL ORDER BY id LIMIT :limit")
    update = text("UPDATE messages SET search_text = :folded WHERE id = :id")
    after = -(1 << 63)
    while rows := connection.execute(page, {"after": after, "limit": _BATCH}).all():
        connection.execute(update, [{"id": msg_id, "folded": folded(body)} for msg_id, body in rows])
        after = rows[-1][0]
