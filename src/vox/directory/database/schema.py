"""The directory's tables: the documented one, `relays`, and what it has no column for in further tables.

The names of `relays` and of its columns are documented, and operators read them. A change here needs a revision in `migrations/versions`
that leads to the same; a test compares the two.
"""

from typing import Final

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata: Final = MetaData()

_DEGREES: Final[Double[float]] = Double[float]().with_variant(REAL(), "sqlite")
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts up what is exactly INTEGER."""

relays: Final = Table(
    "relays",
    metadata,
    Column("id", Text, primary_key=True, nullable=True),  # as documented: SQLite's TEXT PRIMARY KEY takes NULL
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("latitude", _DEGREES, nullable=False),
    Column("longitude", _DEGREES, nullable=False),
    Column("region", Text, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("current_connections", Integer, nullable=False, server_default=text("0")),
    Column("public_key", Text, nullable=False, server_default=text("''")),
    Column("registered_at", Text, nullable=False),
    Column("last_seen_at", Text, nullable=False),
    Column("healthy", Integer, nullable=False, server_default=text("1")),
    Column("failed_checks", Integer, nullable=False, server_default=text("0")),
    Index("idx_relays_healthy", "healthy"),
    Index("idx_relays_region", "region"),
)

relay_details: Final = Table(
    "relay_details",
    metadata,
    Column("relay_id", String, ForeignKey("relays.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String, nullable=False),
    Column("signing_key", String, nullable=False),
    Column("is_bootstrap", Boolean, nullable=False),
    Column("is_draining", Boolean, nullable=False),
    Column("version", String, nullable=False),
    Column("stress", Float, nullable=False),
    Column("features", String, nullable=False),
    Column("state", String, nullable=False),
    Column("health", String, nullable=False),
    Column("probe_token", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("idx_relay_details_revision", "revision"),
)

relay_urls: Final = Table(
    "relay_urls",
    metadata,
    Column("url_key", String, primary_key=True),
    Column("relay_id", String, ForeignKey("relays.id", ondelete="CASCADE"), nullable=False, index=True),
)

relay_tombstones: Final = Table(
    "relay_tombstones",
    metadata,
    Column("relay_id", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("signing_key", String, nullable=False),
    Column("registered_at", String, nullable=False),
    Column("health", String, nullable=False),
    Column("removed_at_s", Float, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("idx_relay_tombstones_revision", "revision"),
)

relay_enrolments: Final = Table(
    "relay_enrolments",
    metadata,
    Column("relay_id", String, primary_key=True),
    Column("verdict", String, nullable=False),
    Column("asked_at_s", Float, nullable=False),
)

relay_assignments: Final = Table(
    "relay_assignments",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("holder", String, nullable=False),
    Column("at_s", Float, nullable=False),
    Column("counts", String, nullable=False),
)

join_tokens: Final = Table(
    "join_tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("note", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at_s", Float, nullable=False),
    Column("expires_at_s", Float, nullable=False),
)

request_nonces: Final = Table(
    "request_nonces",
    metadata,
    Column("nonce", String, primary_key=True),
    Column("expires_at_s", Integer, nullable=False),
    Index("idx_request_nonces_expires", "expires_at_s"),
)

directory_state: Final = Table(
    "directory_state",
    metadata,
    Column("key", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("value", String, nullable=False),
)

directory_audit: Final = Table(
    "directory_audit",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("at_s", Float, nullable=False),
    Column("action", String, nullable=False),
    Column("relay_id", String, nullable=False, index=True),
    Column("url", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("detail", String, nullable=False),
)


def create(connection: Connection) -> None:
    """Makes all tables in a database that has none of them, in the connection's transaction."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(directory_state.insert().values(key="revision", number=0, value=""))
