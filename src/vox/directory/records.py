"""Relays in SQL: the documented table, unchanged, and what it has no column for in further tables.

Each function is a unit of work for `SqlDatabase.run`. Every change takes the next revision from one row, whose lock puts
changes of several directories in one order: who asks for what came after a revision misses nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)

from vox.directory.relay import Relay

_DOCUMENTED: Final = """\
CREATE TABLE IF NOT EXISTS relays (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  region TEXT NOT NULL,
  capacity INTEGER NOT NULL,
  current_connections INTEGER NOT NULL DEFAULT 0,
  public_key TEXT NOT NULL DEFAULT '',
  registered_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  healthy INTEGER NOT NULL DEFAULT 1,
  failed_checks INTEGER NOT NULL DEFAULT 0
)"""
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS idx_relays_healthy ON relays(healthy)",
    "CREATE INDEX IF NOT EXISTS idx_relays_region ON relays(region)",
)
_SCHEMA_LOCK: Final = 0x766F7864  # any number that other programs on the database do not use

_tables = MetaData()
_relays = Table(
    "relays",
    _tables,
    Column("id", String, primary_key=True),
    *(Column(name, String) for name in ("name", "url", "region", "public_key", "registered_at", "last_seen_at")),
    *(Column(name, Float) for name in ("latitude", "longitude")),
    *(Column(name, BigInteger) for name in ("capacity", "current_connections", "healthy", "failed_checks")),
)
_details = Table(
    "relay_details",
    _tables,
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
_tombstones = Table(
    "relay_tombstones",
    _tables,
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
_state = Table(
    "directory_state",
    _tables,
    Column("key", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("value", String, nullable=False),
)
_seen_nonces = Table(
    "request_nonces",
    _tables,
    Column("nonce", String, primary_key=True),
    Column("expires_at_s", Integer, nullable=False),
)

_DOCUMENTED_FIELDS: Final = (
    "name",
    "url",
    "latitude",
    "longitude",
    "region",
    "capacity",
    "current_connections",
    "public_key",
    "registered_at",
    "last_seen_at",
    "failed_checks",
)
_DETAIL_FIELDS: Final = ("owner", "signing_key", "is_bootstrap", "is_draining", "version", "stress", "state")


@dataclass(frozen=True, slots=True)
class Record:
    """A relay with the memory of its health, as text that only the health module reads."""

    relay: Relay
    health: str = ""
    probe_token: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened after a revision."""

    revision: int
    records: tuple[Record, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is remembered of a relay that was removed, so that it can come back as itself."""

    relay_id: str
    owner: str
    signing_key: str
    registered_at: str
    health: str


def create_schema(connection: Connection) -> None:
    """Makes the tables that are missing; several directories may do so at once."""
    is_postgres = connection.dialect.name == "postgresql"
    if is_postgres:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _SCHEMA_LOCK})
    documented = _DOCUMENTED.replace("REAL", "DOUBLE PRECISION") if is_postgres else _DOCUMENTED
    for statement in (documented, *_INDEXES):
        connection.execute(text(statement))
    _tables.create_all(connection, tables=[_details, _tombstones, _state, _seen_nonces])
    if connection.execute(select(_state).where(_state.c.key == "revision")).first() is None:
        connection.execute(insert(_state).values(key="revision", number=0, value=""))


def changes_since(connection: Connection, revision: int) -> Changes:
    """Every relay and every removal after a revision; -1 for all there are."""
    current = connection.execute(select(_state.c.number).where(_state.c.key == "revision")).scalar_one()
    joined = select(_relays, _details).join_from(_relays, _details, _relays.c.id == _details.c.relay_id, isouter=True)
    if revision >= 0:
        joined = joined.where(_details.c.revision > revision)
    rows = connection.execute(joined).all()
    gone: Sequence[str] = ()
    if revision >= 0:
        gone = (
            connection.execute(select(_tombstones.c.relay_id).where(_tombstones.c.revision > revision)).scalars().all()
        )
    return Changes(current, tuple(_record(row) for row in rows), tuple(gone))


def save(connection: Connection, record: Record) -> int:
    """Writes a relay whole, new or not, and forgets that it was ever removed; returns the revision."""
    revision = _next_revision(connection)
    relay = record.relay
    documented = {name: getattr(relay, name) for name in _DOCUMENTED_FIELDS}
    documented["healthy"] = int(relay.healthy)
    details: dict[str, Any] = {name: getattr(relay, name) for name in _DETAIL_FIELDS}
    details |= {
        "features": " ".join(relay.features),
        "health": record.health,
        "probe_token": record.probe_token,
        "revision": revision,
    }
    if not connection.execute(update(_relays).where(_relays.c.id == relay.id).values(documented)).rowcount:
        connection.execute(insert(_relays).values(id=relay.id, **documented))
    if not connection.execute(update(_details).where(_details.c.relay_id == relay.id).values(details)).rowcount:
        connection.execute(insert(_details).values(relay_id=relay.id, **details))
    connection.execute(delete(_tombstones).where(_tombstones.c.relay_id == relay.id))
    return revision


def remove(connection: Connection, record: Record, now_s: float) -> int:
    """Deletes a relay and remembers that it was; returns the revision."""
    revision, relay = _next_revision(connection), record.relay
    connection.execute(delete(_details).where(_details.c.relay_id == relay.id))
    connection.execute(delete(_relays).where(_relays.c.id == relay.id))
    connection.execute(delete(_tombstones).where(_tombstones.c.relay_id == relay.id))
    connection.execute(
        insert(_tombstones).values(
            relay_id=relay.id,
            url=relay.url,
            owner=relay.owner,
            signing_key=relay.signing_key,
            registered_at=relay.registered_at,
            health=record.health,
            removed_at_s=now_s,
            revision=revision,
        )
    )
    return revision


def find_removed(connection: Connection, url: str, owner: str, since_s: float) -> Tombstone | None:
    """The relay that was removed from this address since then, and forgets all that were removed before."""
    connection.execute(delete(_tombstones).where(_tombstones.c.removed_at_s < since_s))
    wanted = select(_tombstones).where(_tombstones.c.url == url, _tombstones.c.owner == owner)
    row = connection.execute(wanted.order_by(_tombstones.c.removed_at_s.desc())).first()
    return Tombstone(row.relay_id, row.owner, row.signing_key, row.registered_at, row.health) if row else None


def save_heartbeats(connection: Connection, relays: Iterable[Relay]) -> int:
    """Writes what heartbeats changed; a relay that was deleted meanwhile stays deleted."""
    revision = _next_revision(connection)
    rows = [
        {
            "of": relay.id,
            "last_seen_at": relay.last_seen_at,
            "current_connections": relay.current_connections,
            "capacity": relay.capacity,
            "is_draining": relay.is_draining,
            "version": relay.version,
            "stress": relay.stress,
            "features": " ".join(relay.features),
            "revision": revision,
        }
        for relay in relays
    ]
    if rows:
        _update_many(connection, _relays, "id", ("last_seen_at", "current_connections", "capacity"), rows)
        columns = ("is_draining", "version", "stress", "features", "revision")
        _update_many(connection, _details, "relay_id", columns, rows)
    return revision


def save_health(connection: Connection, records: Iterable[Record]) -> int:
    """Writes what probes found; a finding with an older lease than the last one is passed over."""
    revision = _next_revision(connection)
    for record in records:
        relay = record.relay
        details = update(_details).where(_details.c.relay_id == relay.id, _details.c.probe_token <= record.probe_token)
        values = {
            "state": relay.state,
            "health": record.health,
            "probe_token": record.probe_token,
            "revision": revision,
        }
        if connection.execute(details.values(values)).rowcount:
            health = {"healthy": int(relay.healthy), "failed_checks": relay.failed_checks}
            connection.execute(update(_relays).where(_relays.c.id == relay.id).values(health))
    return revision


def read_value(connection: Connection, key: str, default: str) -> str:
    """A value of the directory's own, such as its signing key; written where it is missing."""
    found = connection.execute(select(_state.c.value).where(_state.c.key == key)).scalar_one_or_none()
    if found is None:
        connection.execute(insert(_state).values(key=key, number=0, value=default))
        return default
    return found


def use_nonce(connection: Connection, nonce: str, now_s: int, expires_at_s: int) -> bool:
    """Whether this nonce is used for the first time; it is remembered until it expires."""
    connection.execute(delete(_seen_nonces).where(_seen_nonces.c.expires_at_s < now_s))
    if connection.execute(select(_seen_nonces).where(_seen_nonces.c.nonce == nonce)).first() is not None:
        return False
    connection.execute(insert(_seen_nonces).values(nonce=nonce, expires_at_s=expires_at_s))
    return True


def _next_revision(connection: Connection) -> int:
    bump = update(_state).where(_state.c.key == "revision").values(number=_state.c.number + 1)
    return int(connection.execute(bump.returning(_state.c.number)).scalar_one())


def _update_many(
    connection: Connection, table: Table, key: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    statement = update(table).where(table.c[key] == bindparam("of")).values({name: bindparam(name) for name in columns})
    connection.execute(statement, [{name: row[name] for name in ("of", *columns)} for row in rows])


def _record(row: Row[Any]) -> Record:
    documented: dict[str, Any] = {name: getattr(row, name) for name in _DOCUMENTED_FIELDS}
    has_details = row.owner is not None  # a table that the original wrote has none
    details: dict[str, Any] = (
        {name: getattr(row, name) for name in _DETAIL_FIELDS} if has_details else {"state": "pending"}
    )
    features = tuple((row.features or "").split())
    relay = Relay(id=row.id, healthy=bool(row.healthy) and has_details, features=features, **documented, **details)
    return Record(relay, row.health or "", row.probe_token or 0)
