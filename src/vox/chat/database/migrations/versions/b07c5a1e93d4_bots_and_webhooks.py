"""Bots that can be disabled, interactions, outgoing webhooks, what few messages have; tokens of webhooks as digests.

On the way back the digests stay: a webhook from before needs a new token then.
"""

import hashlib

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    false,
    text,
    true,
)

revision = "b07c5a1e93d4"
down_revision = "c2f7a90b16de"
branch_labels = None
depends_on = None

_WHOLE = BigInteger().with_variant(Integer(), "sqlite")
_INDEXES = {
    "interactions": (("expires_at",), ("bot_user_id",), ("user_id",), ("feed_id",), ("dm_id",), ("thread_id",)),
    "webhook_subscriptions": (("feed_id",), ("creator_id",)),
    "webhook_deliveries": (("subscription_id", "state", "id"), ("state", "due_at"), ("finished_at",)),
}
_DIGEST = 64
"""Characters of a SHA-256 in hex; tokens are shorter and begin with whk_."""


def upgrade() -> None:
    """Adds the tables and columns."""
    op.add_column("messages", Column("extras", Text))
    op.add_column("bots", Column("disabled", Boolean, nullable=False, server_default=false()))
    op.add_column("bots", _count("secret_version", "1"))
    op.add_column("bots", Column("secret_rotated_at", _WHOLE))
    _create_interactions()
    _create_subscriptions()
    _create_deliveries()
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
    connection = op.get_bind()
    for row_id, token in connection.execute(text("SELECT id, token FROM webhooks")).all():
        if len(token) != _DIGEST:
            digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
            connection.execute(
                text("UPDATE webhooks SET token = :digest WHERE id = :id"), {"digest": digest, "id": row_id}
            )


def downgrade() -> None:
    """Removes them; the tokens of bots end."""
    op.get_bind().execute(text("DELETE FROM sessions WHERE kind IN ('bot', 'bot_disabled')"))
    for table in reversed(_INDEXES):
        op.drop_table(table)
    for column in ("disabled", "secret_version", "secret_rotated_at"):
        op.drop_column("bots", column)
    op.drop_column("messages", "extras")


def _create_interactions() -> None:
    op.create_table(
        "interactions",
        Column("id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("bot_user_id", _WHOLE, nullable=False),
        Column("user_id", _WHOLE, nullable=False),
        Column("feed_id", _WHOLE),
        Column("dm_id", _WHOLE),
        Column("thread_id", _WHOLE),
        Column("msg_id", _WHOLE),
        Column("content", Text),
        Column("state", Text, nullable=False, server_default=text("'open'")),
        Column("expires_at", _WHOLE, nullable=False),
        PrimaryKeyConstraint("id", name="pk_interactions"),
        CheckConstraint("state IN ('open', 'answered')", name=op.f("ck_interactions_state")),
        *(
            _reference("interactions", column, table)
            for column, table in (
                ("bot_user_id", "users"), ("user_id", "users"), ("feed_id", "feeds"), ("dm_id", "dms"), ("thread_id", "threads"),
            )
        ),
    )  # fmt: skip


def _create_subscriptions() -> None:
    op.create_table(
        "webhook_subscriptions",
        Column("id", _WHOLE, autoincrement=True, nullable=False),
        Column("name", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("feed_id", _WHOLE),
        Column("events", Text, nullable=False),
        Column("string_ids", Boolean, nullable=False, server_default=false()),
        Column("enabled", Boolean, nullable=False, server_default=true()),
        Column("disabled_reason", Text),
        Column("creator_id", _WHOLE),
        Column("created_at", _WHOLE, nullable=False),
        _count("secret_version", "1"),
        Column("secret_rotated_at", _WHOLE),
        Column("failing_since", _WHOLE),
        Column("last_delivered_at", _WHOLE),
        Column("last_error", Text),
        _count("dropped", "0"),
        PrimaryKeyConstraint("id", name="pk_webhook_subscriptions"),
        _reference("webhook_subscriptions", "feed_id", "feeds"),
        _reference("webhook_subscriptions", "creator_id", "users", "SET NULL"),
        sqlite_autoincrement=True,
    )


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        Column("id", _WHOLE, autoincrement=True, nullable=False),
        Column("subscription_id", _WHOLE, nullable=False),
        Column("event", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("created_at", _WHOLE, nullable=False),
        Column("due_at", _WHOLE, nullable=False),
        Column("state", Text, nullable=False, server_default=text("'waiting'")),
        _count("attempts", "0"),
        Column("status", _WHOLE),
        Column("error", Text),
        Column("duration_ms", _WHOLE),
        Column("finished_at", _WHOLE),
        PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name=op.f("ck_webhook_deliveries_state")),
        sqlite_autoincrement=True,
    )


def _count(name: str, default: str) -> Column[int]:
    return Column(name, _WHOLE, nullable=False, server_default=text(default))


def _reference(table: str, column: str, target: str, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target}"
    return ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)
