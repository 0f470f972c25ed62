"""Where the media of voice rooms is, who of a room is connected to it, guests of rooms, and telephone numbers of rooms."""

import sqlalchemy as sa
from alembic import op

revision = "f3b8d02c6e19"
down_revision = "d4a7c1e85b30"
branch_labels = None
depends_on = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "voice_connections",
        _key("user_id"),
        sa.Column("absent_since", _WHOLE, nullable=True),
        sa.Column("was_present", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("token_until", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("user_id", name="pk_voice_connections"),
        _cascade("voice_connections", "user_id", "voice_states", "user_id"),
    )
    op.create_table(
        "voice_marks",
        _key("user_id"),
        sa.Column("server_mute", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("server_deaf", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("user_id", name="pk_voice_marks"),
        _cascade("voice_marks", "user_id", "users"),
    )
    op.create_table(
        "voice_placements",
        _key("room_id"),
        sa.Column("relay_id", sa.Text, nullable=False),
        sa.Column("media_url", sa.Text, nullable=False),
        sa.Column("placed_at", _WHOLE, nullable=False),
        sa.Column("checked_at", _WHOLE, nullable=False, server_default=sa.text("0")),
        sa.Column("failing_since", _WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("room_id", name="pk_voice_placements"),
        _cascade("voice_placements", "room_id", "rooms"),
    )
    op.create_table(
        "voice_guests",
        sa.Column("id", _WHOLE, autoincrement=True, nullable=False),
        _key("room_id"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("inviter_id", _WHOLE, nullable=True),
        sa.Column("created_at", _WHOLE, nullable=False),
        sa.Column("joined_at", _WHOLE, nullable=True),
        sa.Column("absent_since", _WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_voice_guests"),
        sa.CheckConstraint("kind IN ('agent', 'caller')", name=op.f("ck_voice_guests_kind")),
        _cascade("voice_guests", "room_id", "rooms"),
        _emptied("voice_guests", "inviter_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_voice_guests_room_id", "voice_guests", ["room_id"])
    op.create_index("ix_voice_guests_inviter_id", "voice_guests", ["inviter_id"])
    op.create_table(
        "voice_numbers",
        sa.Column("id", _WHOLE, autoincrement=True, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        _key("room_id"),
        sa.Column("creator_id", _WHOLE, nullable=True),
        sa.Column("created_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voice_numbers"),
        sa.UniqueConstraint("number", "code", name="uq_voice_numbers_number_code"),
        _cascade("voice_numbers", "room_id", "rooms"),
        _emptied("voice_numbers", "creator_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_voice_numbers_room_id", "voice_numbers", ["room_id"])
    op.create_index("ix_voice_numbers_creator_id", "voice_numbers", ["creator_id"])
    op.create_table(
        "voice_settings",
        _key("room_id"),
        sa.Column("transcript_feed_id", _WHOLE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("room_id", name="pk_voice_settings"),
        _cascade("voice_settings", "room_id", "rooms"),
        _cascade("voice_settings", "transcript_feed_id", "feeds"),
    )
    op.create_index("ix_voice_settings_transcript_feed_id", "voice_settings", ["transcript_feed_id"])
    op.create_table(
        "voice_transcripts",
        _key("room_id"),
        sa.Column("segment_id", sa.Text, nullable=False),
        sa.Column("created_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "segment_id", name="pk_voice_transcripts"),
        _cascade("voice_transcripts", "room_id", "rooms"),
    )
    op.create_index("ix_voice_transcripts_created_at", "voice_transcripts", ["created_at"])


def downgrade() -> None:
    """Removes them; who is in a room must join anew."""
    for table in (
        "voice_transcripts", "voice_settings", "voice_numbers", "voice_guests", "voice_placements", "voice_marks", "voice_connections",
    ):  # fmt: skip
        op.drop_table(table)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, autoincrement=False, nullable=False)


def _cascade(table: str, column: str, target: str, target_column: str = "id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.{target_column}"], name=f"fk_{table}_{column}_{target}", ondelete="CASCADE"
    )


def _emptied(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["users.id"], name=f"fk_{table}_{column}_users", ondelete="SET NULL")
