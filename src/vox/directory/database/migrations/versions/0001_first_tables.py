"""The tables of the first release.

Whatever is there stays as it is: a directory made the same tables before there were revisions, and the original made `relays`.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_DEGREES = {"sqlite": "REAL", "postgresql": "DOUBLE PRECISION"}
_COUNTER = {"sqlite": "INTEGER", "postgresql": "BIGSERIAL"}
_TABLES = {
    "relays": """
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        url TEXT NOT NULL,
        latitude {degrees} NOT NULL,
        longitude {degrees} NOT NULL,
        region TEXT NOT NULL,
        capacity INTEGER NOT NULL,
        current_connections INTEGER NOT NULL DEFAULT 0,
        public_key TEXT NOT NULL DEFAULT '',
        registered_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        healthy INTEGER NOT NULL DEFAULT 1,
        failed_checks INTEGER NOT NULL DEFAULT 0""",
    "relay_details": """
        relay_id VARCHAR NOT NULL PRIMARY KEY,
        owner VARCHAR NOT NULL,
        signing_key VARCHAR NOT NULL,
        is_bootstrap BOOLEAN NOT NULL,
        is_draining BOOLEAN NOT NULL,
        version VARCHAR NOT NULL,
        stress FLOAT NOT NULL,
        features VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        health VARCHAR NOT NULL,
        probe_token BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        FOREIGN KEY (relay_id) REFERENCES relays (id) ON DELETE CASCADE""",
    "relay_urls": """
        url_key VARCHAR NOT NULL PRIMARY KEY,
        relay_id VARCHAR NOT NULL,
        FOREIGN KEY (relay_id) REFERENCES relays (id) ON DELETE CASCADE""",
    "relay_tombstones": """
        relay_id VARCHAR NOT NULL PRIMARY KEY,
        url VARCHAR NOT NULL,
        owner VARCHAR NOT NULL,
        signing_key VARCHAR NOT NULL,
        registered_at VARCHAR NOT NULL,
        health VARCHAR NOT NULL,
        removed_at_s FLOAT NOT NULL,
        revision BIGINT NOT NULL""",
    "relay_enrolments": """
        relay_id VARCHAR NOT NULL PRIMARY KEY,
        verdict VARCHAR NOT NULL,
        asked_at_s FLOAT NOT NULL""",
    "relay_assignments": """
        number {counter} NOT NULL PRIMARY KEY,
        holder VARCHAR NOT NULL,
        at_s FLOAT NOT NULL,
        counts VARCHAR NOT NULL""",
    "join_tokens": """
        id VARCHAR NOT NULL PRIMARY KEY,
        digest VARCHAR NOT NULL UNIQUE,
        note VARCHAR NOT NULL,
        created_by VARCHAR NOT NULL,
        created_at_s FLOAT NOT NULL,
        expires_at_s FLOAT NOT NULL""",
    "request_nonces": """
        nonce VARCHAR NOT NULL PRIMARY KEY,
        expires_at_s INTEGER NOT NULL""",
    "directory_state": """
        key VARCHAR NOT NULL PRIMARY KEY,
        number BIGINT NOT NULL,
        value VARCHAR NOT NULL""",
    "directory_audit": """
        number {counter} NOT NULL PRIMARY KEY,
        at_s FLOAT NOT NULL,
        action VARCHAR NOT NULL,
        relay_id VARCHAR NOT NULL,
        url VARCHAR NOT NULL,
        actor VARCHAR NOT NULL,
        detail VARCHAR NOT NULL""",
}
_INDEXES = {
    "idx_relays_healthy": "relays (healthy)",
    "idx_relays_region": "relays (region)",
    "idx_relay_details_revision": "relay_details (revision)",
    "ix_relay_urls_relay_id": "relay_urls (relay_id)",
    "idx_relay_tombstones_revision": "relay_tombstones (revision)",
    "idx_request_nonces_expires": "request_nonces (expires_at_s)",
    "ix_directory_audit_relay_id": "directory_audit (relay_id)",
}


def upgrade() -> None:
    """Makes what is missing."""
    connection = op.get_bind()
    dialect = connection.dialect.name
    for name, columns in _TABLES.items():
        made = columns.format(degrees=_DEGREES[dialect], counter=_COUNTER[dialect])
        connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {name} ({made})")
    for name, columns in _INDEXES.items():
        connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")
    connection.exec_driver_sql(
        "INSERT INTO directory_state (key, number, value) VALUES ('revision', 0, '') ON CONFLICT DO NOTHING"
    )
