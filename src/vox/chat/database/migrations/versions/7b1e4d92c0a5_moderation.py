"""Rules of auto-moderation, time-outs, slow mode, and who works on a report."""

import sqlalchemy as sa
from alembic import op

revision = "7b1e4d92c0a5"
down_revision = "a41c7be9d305"
branch_labels = None
depends_on = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REPORT_COLUMNS = ("assignee_id", "resolver_id", "rule_id")


def upgrade() -> None:
    """Adds tables and columns."""
    op.create_table(
        "automod_rules",
        sa.Column("id", _WHOLE, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("creator_id", _WHOLE, nullable=True),
        sa.Column("created_at", _WHOLE, nullable=False),
        sa.Column("updated_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_automod_rules"),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name="fk_automod_rules_creator_id_users", ondelete="SET NULL"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_automod_rules_creator_id", "automod_rules", ["creator_id"])
    op.create_table(
        "timeouts",
        sa.Column("user_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("until", _WHOLE, nullable=False),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("actor_id", _WHOLE, nullable=True),
        sa.Column("created_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_timeouts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_timeouts_user_id_users", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name="fk_timeouts_actor_id_users", ondelete="SET NULL"),
    )
    op.create_index("ix_timeouts_until", "timeouts", ["until"])
    op.create_index("ix_timeouts_actor_id", "timeouts", ["actor_id"])
    op.create_table(
        "slow_mode_posts",
        sa.Column("feed_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("user_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("sent_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "user_id", name="pk_slow_mode_posts"),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_slow_mode_posts_feed_id_feeds", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_slow_mode_posts_user_id_users", ondelete="CASCADE"),
    )
    op.create_index("ix_slow_mode_posts_user_id", "slow_mode_posts", ["user_id"])
    op.create_index("ix_slow_mode_posts_sent_at", "slow_mode_posts", ["sent_at"])
    op.add_column("feeds", sa.Column("slow_mode_s", _WHOLE, nullable=False, server_default=sa.text("0")))
    for name in _REPORT_COLUMNS:
        op.add_column("reports", sa.Column(name, _WHOLE, nullable=True))


def downgrade() -> None:
    """Removes them; time-outs and slow modes end, and rules are lost."""
    for name in _REPORT_COLUMNS:
        op.drop_column("reports", name)
    op.drop_column("feeds", "slow_mode_s")
    for name in ("slow_mode_posts", "timeouts", "automod_rules"):
        op.drop_table(name)
