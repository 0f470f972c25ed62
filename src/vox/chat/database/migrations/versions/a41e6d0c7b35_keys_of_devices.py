"""Keys of devices: pairings, keys that were given out, MLS messages that wait, and which login a device belongs to."""

from alembic import op

revision = "a41e6d0c7b35"
down_revision = "e41b6f0d92a7"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("sessions", "is_keyless", "BOOLEAN DEFAULT {no} NOT NULL"),
    ("devices", "login_id", "{whole}"),
    ("devices", "has_missed", "BOOLEAN DEFAULT {no} NOT NULL"),
    ("mls_key_packages", "is_last_resort", "BOOLEAN DEFAULT {no} NOT NULL"),
)
_TABLES = (
    """CREATE TABLE device_pairings (
        id TEXT NOT NULL,
        user_id {whole} NOT NULL,
        login_id {whole} NOT NULL,
        state TEXT DEFAULT 'pending' NOT NULL,
        expires_at {whole} NOT NULL,
        CONSTRAINT pk_device_pairings PRIMARY KEY (id),
        CONSTRAINT ck_device_pairings_state CHECK (state IN ('pending', 'approved', 'denied')),
        CONSTRAINT fk_device_pairings_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    )""",
    """CREATE TABLE spent_keys (
        {numbered},
        device_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        CONSTRAINT uq_spent_keys_device_id_digest UNIQUE (device_id, digest),
        CONSTRAINT fk_spent_keys_device_id_devices FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
    )""",
    """CREATE TABLE mls_groups (
        dm_id {whole} NOT NULL,
        group_id TEXT NOT NULL,
        epoch {whole} NOT NULL,
        used_at {whole} NOT NULL,
        CONSTRAINT pk_mls_groups PRIMARY KEY (dm_id, group_id),
        CONSTRAINT fk_mls_groups_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE CASCADE
    )""",
    """CREATE TABLE mls_messages (
        id {whole} NOT NULL,
        dm_id {whole} NOT NULL,
        sender_id {whole},
        sender_device_id TEXT,
        kind TEXT NOT NULL,
        data TEXT NOT NULL,
        group_id TEXT,
        epoch {whole},
        created_at {whole} NOT NULL,
        CONSTRAINT pk_mls_messages PRIMARY KEY (id),
        CONSTRAINT ck_mls_messages_kind CHECK (kind IN ('welcome', 'commit', 'proposal')),
        CONSTRAINT fk_mls_messages_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE CASCADE,
        CONSTRAINT fk_mls_messages_sender_id_users FOREIGN KEY(sender_id) REFERENCES users (id) ON DELETE SET NULL
    )""",
    """CREATE TABLE mls_deliveries (
        device_id TEXT NOT NULL,
        message_id {whole} NOT NULL,
        CONSTRAINT pk_mls_deliveries PRIMARY KEY (device_id, message_id),
        CONSTRAINT fk_mls_deliveries_device_id_devices FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE,
        CONSTRAINT fk_mls_deliveries_message_id_mls_messages FOREIGN KEY(message_id)
            REFERENCES mls_messages (id) ON DELETE CASCADE
    )""",
)
_INDEXES = (
    "CREATE INDEX ix_device_pairings_expires_at ON device_pairings (expires_at)",
    "CREATE INDEX ix_device_pairings_user_id ON device_pairings (user_id)",
    "CREATE INDEX ix_spent_keys_device_id_id ON spent_keys (device_id, id)",
    "CREATE INDEX ix_mls_messages_created_at ON mls_messages (created_at)",
    "CREATE INDEX ix_mls_messages_dm_id_id ON mls_messages (dm_id, id)",
    "CREATE INDEX ix_mls_messages_sender_id ON mls_messages (sender_id)",
    "CREATE INDEX ix_mls_deliveries_message_id ON mls_deliveries (message_id)",
)
_ADDED = ("mls_deliveries", "mls_messages", "mls_groups", "spent_keys", "device_pairings")


def upgrade() -> None:
    """Adds the tables and columns."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    words = {
        "whole": "INTEGER" if is_sqlite else "BIGINT",
        "no": "0" if is_sqlite else "false",
        "numbered": "id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
        if is_sqlite
        else "id BIGSERIAL NOT NULL CONSTRAINT pk_spent_keys PRIMARY KEY",
    }
    for table, column, kind in _COLUMNS:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind.format(**words)}")
    for statement in _TABLES:
        connection.exec_driver_sql(statement.format(**words))
    for statement in _INDEXES:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    """Removes them; messages that wait are lost, as the server before did not keep any."""
    for table in _ADDED:
        op.drop_table(table)
    for table, column, _ in _COLUMNS:
        op.drop_column(table, column)
