"""What was imported from other programs, and how long feeds keep their messages."""

import sqlalchemy as sa
from alembic import op

revision = "d4a7c1e85b30"
down_revision = "a41e6d0c7b35"
branch_labels = None
depends_on = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "imported",
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("foreign_id", sa.Text, nullable=False),
        sa.Column("local_id", _WHOLE, nullable=True),
        sa.Column("detail", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("origin", "kind", "foreign_id", name="pk_imported"),
        sa.CheckConstraint("origin IN ('discord', 'slack')", name=op.f("ck_imported_origin")),
        sa.CheckConstraint("kind IN ('person', 'category', 'feed', 'thread', 'part')", name=op.f("ck_imported_kind")),
    )
    op.create_index("ix_imported_kind_local_id", "imported", ["kind", "local_id"])
    op.create_table(
        "feed_retention",
        sa.Column("feed_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("keep_s", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("feed_id", name="pk_feed_retention"),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_feed_retention_feed_id_feeds", ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Removes them; what was imported stays, and is imported once more by a later import."""
    op.drop_table("feed_retention")
    op.drop_table("imported")
