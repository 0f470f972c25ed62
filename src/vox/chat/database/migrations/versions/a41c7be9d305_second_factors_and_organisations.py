"""How and when logins proved themselves, transports of passkeys, and logins at an organisation's provider."""

from alembic import op
from sqlalchemy import Column, Index, MetaData, Table, UniqueConstraint

from vox.chat.database.schema.conventions import Whole, belongs_to, metadata, part_of, whole, words

revision = "a41c7be9d305"
down_revision = "7e41d0c95ab3"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("sessions", "method", "TEXT DEFAULT 'password' NOT NULL"),
    ("sessions", "proved_at", "{whole}"),
    ("sessions", "started_by", "{whole}"),
    ("webauthn_credentials", "transports", "TEXT"),
)


def upgrade() -> None:
    """Adds the columns and tables."""
    connection = op.get_bind()
    integer = "INTEGER" if connection.dialect.name == "sqlite" else "BIGINT"
    for table, name, kind in _COLUMNS:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} {kind.format(whole=integer)}")
    for table in _tables():
        table.create(connection)


def downgrade() -> None:
    """Removes them; accounts that only an organisation's provider let in have no password then."""
    op.drop_table("oidc_flows")
    op.drop_table("oidc_identities")
    for table, name, _ in _COLUMNS:
        op.drop_column(table, name)


def _tables() -> tuple[Table, Table]:
    """The new tables as they are at this revision, whatever the schema makes of them later."""
    here = MetaData(naming_convention=metadata.naming_convention)
    Table("users", here, Column("id", Whole, primary_key=True))
    identities = Table(
        "oidc_identities",
        here,
        words("issuer", key=True),
        words("subject", key=True),
        belongs_to("user_id", "users.id"),
        whole("created_at"),
        Index(None, "user_id"),
    )
    flows = Table(
        "oidc_flows",
        here,
        words("state", key=True),
        words("ticket", optional=True),
        words("purpose"),
        part_of("user_id", "users.id"),
        words("challenge"),
        words("nonce"),
        words("code_verifier"),
        words("return_to"),
        words("subject", optional=True),
        words("profile", optional=True),
        whole("expires_at"),
        UniqueConstraint("ticket"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
    )
    return identities, flows
