"""The tables of sign-ins to the operator's pages: links that work once, and sessions."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = {
    "bridge_login_links": """
        digest VARCHAR NOT NULL PRIMARY KEY,
        created_at_ms BIGINT NOT NULL,
        expires_at_ms BIGINT NOT NULL""",
    "bridge_operator_sessions": """
        id VARCHAR NOT NULL PRIMARY KEY,
        digest VARCHAR NOT NULL UNIQUE,
        created_at_ms BIGINT NOT NULL,
        expires_at_ms BIGINT NOT NULL""",
}


def upgrade() -> None:
    """Makes the tables."""
    connection = op.get_bind()
    for name, columns in _TABLES.items():
        connection.exec_driver_sql(f"CREATE TABLE {name} ({columns})")
