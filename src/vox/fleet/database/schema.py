"""The bridge's tables: bots, settings and keys, and outbound calls with their attempts, events, webhooks and results.

Times are whole Unix milliseconds; what has no column of its own is JSON as text, which both engines store alike. A change here needs
a revision in `migrations/versions` that leads to the same; a test compares the two.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData()

NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up; SQLite does so for what is exactly INTEGER."""

api_keys: Final = Table(
    "bridge_api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
)

login_links: Final = Table(
    "bridge_login_links",
    metadata,
    Column("digest", String, primary_key=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)

operator_sessions: Final = Table(
    "bridge_operator_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)

bots: Final = Table(
    "bridge_bots",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("config", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)

settings: Final = Table(
    "bridge_settings",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)

calls: Final = Table(
    "bridge_calls",
    metadata,
    Column("id", String, primary_key=True),
    Column("contact_key", String, nullable=False, unique=True),
    Column("call_class", String, nullable=False),
    Column("status", String, nullable=False),
    Column("to_number", String, nullable=False),
    Column("from_number", String, nullable=False),
    Column("bot_id", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("request", Text, nullable=False),  # what the call was submitted with, whole
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("is_cancel_requested", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),  # reason, answered_by, SIP status and the like, as JSON
    Column("worker_id", String, nullable=False),
    Column("carrier_call_id", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("dialed_at_ms", BigInteger),
    Column("answered_at_ms", BigInteger),
    Column("ended_at_ms", BigInteger),
    Column("lease_holder", String, nullable=False),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("check_at_ms", BigInteger, nullable=False),  # when the carrier is asked about a live call
    Column("next_sequence", Integer, nullable=False),
    Index("idx_bridge_calls_due", "status", "due_at_ms"),
    Index("idx_bridge_calls_check", "status", "check_at_ms"),
    Index("idx_bridge_calls_created", "created_at_ms", "id"),
    Index("idx_bridge_calls_to", "to_number"),
    Index("idx_bridge_calls_worker", "worker_id", "status"),
)

attempts: Final = Table(
    "bridge_attempts",
    metadata,
    Column("call_id", String, ForeignKey("bridge_calls.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("tag", String, nullable=False, unique=True),
    Column("provider", String, nullable=False),
    Column("status", String, nullable=False),
    Column("carrier_call_id", String, nullable=False),
    Column("placement", Text, nullable=False),  # where its media stream goes, and the one-time token, until it is used
    Column("reason", String, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger),
    Index("idx_bridge_attempts_carrier", "provider", "carrier_call_id"),
)

call_events: Final = Table(
    "bridge_call_events",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("call_id", String, ForeignKey("bridge_calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("status", String, nullable=False),
    Column("data", Text, nullable=False),
)

webhooks: Final = Table(
    "bridge_webhooks",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("call_id", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("event", String, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False),  # waiting, delivered, dead
    Column("tries", Integer, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("last_error", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("delivered_at_ms", BigInteger),
    UniqueConstraint("call_id", "sequence"),
    Index("idx_bridge_webhooks_due", "state", "due_at_ms"),
)

idempotency_keys: Final = Table(
    "bridge_idempotency_keys",
    metadata,
    Column("api_key_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("call_id", String, nullable=False),
    Column("reply", Text, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Index("idx_bridge_idempotency_keys_expires", "expires_at_ms"),
)

results: Final = Table(
    "bridge_results",
    metadata,
    Column("id", String, primary_key=True),
    Column("call_id", String, nullable=False, index=True),
    Column("bot_id", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
)


def create(connection: Connection) -> None:
    """Makes all tables in a database that has none of them, in the connection's transaction."""
    metadata.create_all(connection, checkfirst=False)
