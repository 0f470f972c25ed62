"""What browser clients need: mentions of everyone, settings of users, subscriptions to pushes."""

import sqlalchemy as sa
from alembic import op

revision = "7e41d0c95ab3"
down_revision = "b07c5a1e93d4"
branch_labels = None
depends_on = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "everyone_mentions",
        sa.Column("msg_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("feed_id", _WHOLE, nullable=True),
        sa.Column("dm_id", _WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("msg_id", name="pk_everyone_mentions"),
        _reference("everyone_mentions", "msg_id", "messages"),
        _reference("everyone_mentions", "feed_id", "feeds"),
        _reference("everyone_mentions", "dm_id", "dms"),
    )
    op.create_index("ix_everyone_mentions_feed_id_msg_id", "everyone_mentions", ["feed_id", "msg_id"])
    op.create_index("ix_everyone_mentions_dm_id", "everyone_mentions", ["dm_id"])
    op.create_table(
        "user_settings",
        sa.Column("user_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("revision", _WHOLE, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_settings"),
        _reference("user_settings", "user_id", "users"),
    )
    op.create_table(
        "push_subscriptions",
        sa.Column("id", _WHOLE, autoincrement=True, nullable=False),
        sa.Column("session_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("user_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("auth_secret", sa.Text(), nullable=False),
        sa.Column("created_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_push_subscriptions"),
        sa.UniqueConstraint("session_id", name="uq_push_subscriptions_session_id"),
        _reference("push_subscriptions", "session_id", "sessions"),
        _reference("push_subscriptions", "user_id", "users"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_push_subscriptions_user_id", "push_subscriptions", ["user_id"])
    op.create_index("ix_push_subscriptions_endpoint", "push_subscriptions", ["endpoint"])


def downgrade() -> None:
    """Removes them; what clients stored there is lost."""
    for name in ("push_subscriptions", "user_settings", "everyone_mentions"):
        op.drop_table(name)


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}_{target}", ondelete="CASCADE")
