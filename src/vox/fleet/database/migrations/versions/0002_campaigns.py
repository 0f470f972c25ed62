"""The tables of campaigns: recipients, attempts, the ledger of decisions, do-not-call lists, imports."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTER = {"sqlite": "INTEGER", "postgresql": "BIGSERIAL"}
_TABLES = {
    "bridge_campaigns": """
        id VARCHAR NOT NULL PRIMARY KEY,
        tenant VARCHAR NOT NULL,
        name VARCHAR NOT NULL,
        bot_id VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        rules_digest VARCHAR NOT NULL,
        plan TEXT NOT NULL,
        problem TEXT NOT NULL,
        starts_at_ms BIGINT NOT NULL,
        expires_at_ms BIGINT NOT NULL,
        first_dial_ms BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL""",
    "bridge_campaign_rules": """
        digest VARCHAR NOT NULL PRIMARY KEY,
        body TEXT NOT NULL""",
    "bridge_campaign_recipients": """
        id {counter} NOT NULL PRIMARY KEY,
        campaign_id VARCHAR NOT NULL,
        number VARCHAR NOT NULL,
        region VARCHAR NOT NULL,
        zones TEXT NOT NULL,
        variables TEXT NOT NULL,
        state VARCHAR NOT NULL,
        due_at_ms BIGINT NOT NULL,
        attempts INTEGER NOT NULL,
        submissions INTEGER NOT NULL,
        last_outcome VARCHAR NOT NULL,
        claim_until_ms BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        UNIQUE (campaign_id, number),
        FOREIGN KEY (campaign_id) REFERENCES bridge_campaigns (id) ON DELETE CASCADE""",
    "bridge_campaign_attempts": """
        call_id VARCHAR NOT NULL PRIMARY KEY,
        campaign_id VARCHAR NOT NULL,
        recipient_id BIGINT NOT NULL,
        submission INTEGER NOT NULL,
        tenant VARCHAR NOT NULL,
        number VARCHAR NOT NULL,
        provider VARCHAR NOT NULL,
        caller_id VARCHAR NOT NULL,
        started_at_ms BIGINT NOT NULL,
        is_open BOOLEAN NOT NULL,
        is_dialled BOOLEAN NOT NULL,
        outcome VARCHAR NOT NULL,
        is_answered BOOLEAN NOT NULL,
        is_abandoned BOOLEAN NOT NULL,
        ended_at_ms BIGINT NOT NULL,
        UNIQUE (recipient_id, submission)""",
    "bridge_dial_ledger": """
        number {counter} NOT NULL PRIMARY KEY,
        campaign_id VARCHAR NOT NULL,
        recipient_id BIGINT NOT NULL,
        call_id VARCHAR NOT NULL,
        at_ms BIGINT NOT NULL,
        verdict VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        not_before_ms BIGINT NOT NULL,
        rules_digest VARCHAR NOT NULL,
        inputs TEXT NOT NULL,
        digest VARCHAR NOT NULL""",
    "bridge_do_not_call": """
        digest VARCHAR NOT NULL,
        scope VARCHAR NOT NULL,
        owner VARCHAR NOT NULL,
        source VARCHAR NOT NULL,
        added_at_ms BIGINT NOT NULL,
        PRIMARY KEY (digest, scope, owner)""",
    "bridge_imports": """
        id VARCHAR NOT NULL PRIMARY KEY,
        kind VARCHAR NOT NULL,
        owner VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        last_row BIGINT NOT NULL,
        accepted BIGINT NOT NULL,
        duplicates BIGINT NOT NULL,
        rejected BIGINT NOT NULL,
        rows_digest VARCHAR NOT NULL,
        problem TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL""",
    "bridge_import_errors": """
        import_id VARCHAR NOT NULL,
        row BIGINT NOT NULL,
        "column" VARCHAR NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (import_id, row),
        FOREIGN KEY (import_id) REFERENCES bridge_imports (id) ON DELETE CASCADE""",
}
_INDEXES = {
    "idx_bridge_campaigns_state": "bridge_campaigns (state)",
    "idx_bridge_campaign_recipients_due": "bridge_campaign_recipients (campaign_id, state, due_at_ms, id)",
    "idx_bridge_campaign_attempts_open": "bridge_campaign_attempts (campaign_id, is_open)",
    "idx_bridge_campaign_attempts_started": "bridge_campaign_attempts (campaign_id, started_at_ms)",
    "idx_bridge_campaign_attempts_number": "bridge_campaign_attempts (tenant, number, started_at_ms)",
    "idx_bridge_campaign_attempts_ended": "bridge_campaign_attempts (ended_at_ms)",
    "idx_bridge_dial_ledger_call": "bridge_dial_ledger (call_id)",
    "idx_bridge_dial_ledger_campaign": "bridge_dial_ledger (campaign_id, number)",
    "idx_bridge_dial_ledger_recipient": "bridge_dial_ledger (recipient_id, number)",
    "idx_bridge_do_not_call_scope": "bridge_do_not_call (scope, owner)",
}


def upgrade() -> None:
    """Makes the tables."""
    connection = op.get_bind()
    for name, columns in _TABLES.items():
        connection.exec_driver_sql(f"CREATE TABLE {name} ({columns.format(counter=_COUNTER[connection.dialect.name])})")
    for name, columns in _INDEXES.items():
        connection.exec_driver_sql(f"CREATE INDEX {name} ON {columns}")
