"""Peers, keys, deliveries and receipts of federation, and contacts among the users."""

from alembic import op
from sqlalchemy import Boolean, CheckConstraint, Column, Text, false, text

from vox.chat.database.schema.conventions import Whole

revision = "e41b6f0d92a7"
down_revision = "7b1e4d92c0a5"
branch_labels = None
depends_on = None

_TABLES = ("federation_received", "federation_outbox", "federation_keys", "federation_peers")


def upgrade() -> None:
    """Makes the tables; users of other servers stay members, as the original had them."""
    op.add_column("users", Column("contact", Boolean, nullable=False, server_default=false()))
    op.create_table(
        "federation_peers",
        Column("domain", Text, primary_key=True, nullable=False),
        Column("pins", Text, nullable=False, server_default="{}"),
        Column("signs_fully", Boolean, nullable=False, server_default=false()),
        _number("failures", default=0),
        _number("not_before", default=0),
        Column("last_error", Text),
        _number("first_seen_at"),
        _number("last_seen_at", optional=True),
    )
    op.create_table(
        "federation_keys",
        Column("key_id", Text, primary_key=True, nullable=False),
        Column("public_key", Text, nullable=False),
        Column("private_key", Text),
        Column("state", Text, nullable=False),
        _number("created_at"),
        CheckConstraint("state IN ('next', 'active', 'retired')", name=op.f("ck_federation_keys_state")),
    )
    op.create_table(
        "federation_outbox",
        Column("id", Whole, primary_key=True, autoincrement=True),
        Column("domain", Text, nullable=False),
        Column("conversation", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("body", Text, nullable=False),
        _number("msg_id", optional=True),
        _number("author_id", optional=True),
        _number("created_at"),
        _number("attempts", default=0),
        _number("not_before", default=0),
        Column("state", Text, nullable=False, server_default="pending"),
        Column("code", Text),
        CheckConstraint("state IN ('pending', 'failed')", name=op.f("ck_federation_outbox_state")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_federation_outbox_state_domain_conversation_id",
        "federation_outbox",
        ["state", "domain", "conversation", "id"],
    )
    op.create_table(
        "federation_received",
        Column("domain", Text, primary_key=True, nullable=False),
        Column("delivery_id", Text, primary_key=True, nullable=False),
        _number("sequence"),
        _number("dm_id", optional=True),
        _number("msg_id", optional=True),
        _number("received_at"),
    )
    op.create_index("ix_federation_received_domain_sequence", "federation_received", ["domain", "sequence"])
    op.create_index("ix_federation_received_dm_id_msg_id", "federation_received", ["dm_id", "msg_id"])


def downgrade() -> None:
    """Removes them; what was not yet delivered is lost."""
    for name in _TABLES:
        op.drop_table(name)
    op.drop_column("users", "contact")


def _number(name: str, *, default: int | None = None, optional: bool = False) -> Column[int]:
    fallback = None if default is None else text(str(default))
    return Column(name, Whole, nullable=optional, server_default=fallback)
