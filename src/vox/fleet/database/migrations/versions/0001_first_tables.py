"""The tables of the first release: keys, bots, settings, calls, attempts, events, webhooks, idempotency keys, results."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNTER = {"sqlite": "INTEGER", "postgresql": "BIGSERIAL"}
_TABLES = {
    "bridge_api_keys": """
        id VARCHAR NOT NULL PRIMARY KEY,
        name VARCHAR NOT NULL,
        digest VARCHAR NOT NULL UNIQUE,
        scopes TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        revoked_at_ms BIGINT""",
    "bridge_bots": """
        id VARCHAR NOT NULL PRIMARY KEY,
        name VARCHAR NOT NULL,
        is_active BOOLEAN NOT NULL,
        config TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL""",
    "bridge_settings": """
        key VARCHAR NOT NULL PRIMARY KEY,
        value TEXT NOT NULL,
        updated_at_ms BIGINT NOT NULL""",
    "bridge_calls": """
        id VARCHAR NOT NULL PRIMARY KEY,
        contact_key VARCHAR NOT NULL UNIQUE,
        call_class VARCHAR NOT NULL,
        status VARCHAR NOT NULL,
        to_number VARCHAR NOT NULL,
        from_number VARCHAR NOT NULL,
        bot_id VARCHAR NOT NULL,
        provider VARCHAR NOT NULL,
        request TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        max_attempts INTEGER NOT NULL,
        due_at_ms BIGINT NOT NULL,
        expires_at_ms BIGINT,
        is_cancel_requested BOOLEAN NOT NULL,
        outcome TEXT NOT NULL,
        worker_id VARCHAR NOT NULL,
        carrier_call_id VARCHAR NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL,
        dialed_at_ms BIGINT,
        answered_at_ms BIGINT,
        ended_at_ms BIGINT,
        lease_holder VARCHAR NOT NULL,
        lease_until_ms BIGINT NOT NULL,
        check_at_ms BIGINT NOT NULL,
        next_sequence INTEGER NOT NULL""",
    "bridge_attempts": """
        call_id VARCHAR NOT NULL,
        attempt INTEGER NOT NULL,
        tag VARCHAR NOT NULL UNIQUE,
        provider VARCHAR NOT NULL,
        status VARCHAR NOT NULL,
        carrier_call_id VARCHAR NOT NULL,
        placement TEXT NOT NULL,
        reason VARCHAR NOT NULL,
        started_at_ms BIGINT NOT NULL,
        ended_at_ms BIGINT,
        PRIMARY KEY (call_id, attempt),
        FOREIGN KEY (call_id) REFERENCES bridge_calls (id) ON DELETE CASCADE""",
    "bridge_call_events": """
        number {counter} NOT NULL PRIMARY KEY,
        call_id VARCHAR NOT NULL,
        at_ms BIGINT NOT NULL,
        kind VARCHAR NOT NULL,
        status VARCHAR NOT NULL,
        data TEXT NOT NULL,
        FOREIGN KEY (call_id) REFERENCES bridge_calls (id) ON DELETE CASCADE""",
    "bridge_webhooks": """
        number {counter} NOT NULL PRIMARY KEY,
        call_id VARCHAR NOT NULL,
        sequence INTEGER NOT NULL,
        event VARCHAR NOT NULL,
        url TEXT NOT NULL,
        body TEXT NOT NULL,
        state VARCHAR NOT NULL,
        tries INTEGER NOT NULL,
        due_at_ms BIGINT NOT NULL,
        last_error VARCHAR NOT NULL,
        created_at_ms BIGINT NOT NULL,
        delivered_at_ms BIGINT,
        UNIQUE (call_id, sequence)""",
    "bridge_idempotency_keys": """
        api_key_id VARCHAR NOT NULL,
        key VARCHAR NOT NULL,
        digest VARCHAR NOT NULL,
        call_id VARCHAR NOT NULL,
        reply TEXT NOT NULL,
        expires_at_ms BIGINT NOT NULL,
        PRIMARY KEY (api_key_id, key)""",
    "bridge_results": """
        id VARCHAR NOT NULL PRIMARY KEY,
        call_id VARCHAR NOT NULL,
        bot_id VARCHAR NOT NULL,
        body TEXT NOT NULL,
        received_at_ms BIGINT NOT NULL""",
}
_INDEXES = {
    "idx_bridge_calls_due": "bridge_calls (status, due_at_ms)",
    "idx_bridge_calls_check": "bridge_calls (status, check_at_ms)",
    "idx_bridge_calls_created": "bridge_calls (created_at_ms, id)",
    "idx_bridge_calls_to": "bridge_calls (to_number)",
    "idx_bridge_calls_worker": "bridge_calls (worker_id, status)",
    "idx_bridge_attempts_carrier": "bridge_attempts (provider, carrier_call_id)",
    "ix_bridge_call_events_call_id": "bridge_call_events (call_id)",
    "idx_bridge_webhooks_due": "bridge_webhooks (state, due_at_ms)",
    "idx_bridge_idempotency_keys_expires": "bridge_idempotency_keys (expires_at_ms)",
    "ix_bridge_results_call_id": "bridge_results (call_id)",
}


def upgrade() -> None:
    """Makes the tables."""
    connection = op.get_bind()
    for name, columns in _TABLES.items():
        connection.exec_driver_sql(f"CREATE TABLE {name} ({columns.format(counter=_COUNTER[connection.dialect.name])})")
    for name, columns in _INDEXES.items():
        connection.exec_driver_sql(f"CREATE INDEX {name} ON {columns}")
