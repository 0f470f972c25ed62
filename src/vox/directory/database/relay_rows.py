"""Reads and writes relays in SQL.

Each function is a unit of work for `SqlDatabase.write`. Every change takes the next revision from one row, whose lock puts
changes of several directories in one order: who asks for what came after a revision misses nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vox.directory.database import enrolment
from vox.directory.database.enrolment import Verdict
from vox.directory.database.schema import directory_state as _state
from vox.directory.database.schema import relay_details as _details
from vox.directory.database.schema import relay_enrolments as _enrolments
from vox.directory.database.schema import relay_tombstones as _tombstones
from vox.directory.database.schema import relay_urls as _urls
from vox.directory.database.schema import relays as _relays
from vox.directory.database.schema import request_nonces as _seen_nonces
from vox.directory.health import state_machine
from vox.directory.relays.relay import Relay
from vox.directory.relays.url_keys import url_key

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
_DETAIL_FIELDS: Final = ("owner", "signing_key", "is_bootstrap", "version", "stress")
_NO_DETAILS: Final = {
    **dict.fromkeys(("owner", "signing_key", "version", "features", "health"), ""),
    "is_bootstrap": False,
    "is_draining": False,
    "stress": 0.0,
    "state": "pending",
    "probe_token": 0,
}


@dataclass(frozen=True, slots=True)
class Record:
    """A relay with the memory of its health, as text that only the health module reads."""

    relay: Relay
    health: str = ""
    probe_token: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened after a revision, or (`is_whole`) all that there is."""

    revision: int
    records: tuple[Record, ...]
    removed: tuple[str, ...]
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is remembered of a relay that was removed, so that it can come back as itself."""

    relay_id: str
    owner: str
    signing_key: str
    registered_at: str
    health: str


def adopt(connection: Connection) -> None:
    """Gives relays of the documented table what belongs to them in further tables: the original wrote them, or an operator."""
    bare = select(_relays.c.id).where(_relays.c.id.not_in(select(_details.c.relay_id)))
    for relay_id in connection.execute(bare).scalars().all():
        connection.execute(_new(connection, _details, {"relay_id": relay_id, "revision": 0, **_NO_DETAILS}))
    unkeyed = select(_relays.c.id, _relays.c.url).where(_relays.c.id.not_in(select(_urls.c.relay_id)))
    for row in connection.execute(unkeyed.order_by(_relays.c.registered_at)).all():
        connection.execute(_new(connection, _urls, {"url_key": url_key(row.url), "relay_id": row.id}))


def changes_since(connection: Connection, revision: int) -> Changes:
    """Every relay and every removal after a revision; -1 for all there are."""
    current = connection.execute(select(_state.c.number).where(_state.c.key == "revision")).scalar_one()
    joined = _whole()
    if revision >= 0:
        joined = joined.where(_details.c.revision > revision)
    rows = connection.execute(joined).all()
    gone: Sequence[str] = ()
    if revision >= 0:
        gone = (
            connection.execute(select(_tombstones.c.relay_id).where(_tombstones.c.revision > revision)).scalars().all()
        )
    return Changes(current, tuple(_record(row) for row in rows), tuple(gone), is_whole=revision < 0)


def register(
    connection: Connection,
    url: str,
    owner: str,
    since_s: float,
    decide: "Callable[[Record | None, Tombstone | None], Record]",
) -> tuple[Record, bool]:
    """Adds the relay at an address, or renews the one that is there, in whatever directory it was registered.

    `decide` is given what is at the address, or else what was there since then, and returns what shall be; what it raises
    undoes everything. Returns the relay, and whether it is new. All directories come through here one after the other.
    """
    revision = _next_revision(connection)
    existing = at_url(connection, url)
    record = decide(existing, None if existing else _find_removed(connection, url, owner, since_s))
    _put(connection, record, revision)
    return record, existing is None


def at_url(connection: Connection, url: str) -> Record | None:
    """The relay at an address, however it is written."""
    joined = _whole().join(_urls, _urls.c.relay_id == _relays.c.id).where(_urls.c.url_key == url_key(url))
    row = connection.execute(joined).first()
    return _record(row) if row is not None else None


def save(connection: Connection, record: Record) -> int:
    """Writes what a relay is, new or not, and forgets that it was ever removed; returns the revision.

    The health of a relay that is there already stays as it is: that is for its probes to write.
    """
    revision = _next_revision(connection)
    _put(connection, record, revision)
    enrolment.forget(connection, record.relay.id)
    return revision


def renew(connection: Connection, relay: Relay) -> bool:
    """Writes what a relay is; False, and nothing written, where it is gone."""
    revision = _next_revision(connection)
    if connection.execute(select(_relays.c.id).where(_relays.c.id == relay.id)).first() is None:
        return False
    _put(connection, Record(relay), revision)
    return True


def approve(connection: Connection, relay: Relay, now_s: float) -> bool | None:
    """Lets a relay join that waited for it, shown as it is then; False where it did not wait, None where it is gone."""
    revision = _next_revision(connection)
    if connection.execute(select(_relays.c.id).where(_relays.c.id == relay.id)).first() is None:
        return None
    if enrolment.verdict_of(connection, relay.id) is not Verdict.WAITING:
        return False
    enrolment.note(connection, relay.id, Verdict.APPROVED, now_s)
    connection.execute(update(_relays).where(_relays.c.id == relay.id).values(healthy=int(relay.healthy)))
    shown = update(_details).where(_details.c.relay_id == relay.id)
    connection.execute(shown.values(state=relay.state, revision=revision))
    return True


def save_drains(connection: Connection, records: Iterable[Record]) -> list[str]:
    """Writes who is on its way out, or no longer, and nothing else of its health; returns the ids that are there."""
    revision, there = _next_revision(connection), list[str]()
    for record in records:
        stored = select(_details.c.health).where(_details.c.relay_id == record.relay.id)
        found = connection.execute(stored).scalar_one_or_none()
        if found is None:
            continue
        merged = state_machine.with_drain_of(found or record.health, record.health)
        values = {"health": merged, "is_draining": state_machine.load(merged).is_draining, "revision": revision}
        connection.execute(update(_details).where(_details.c.relay_id == record.relay.id).values(values))
        there.append(record.relay.id)
    return there


def remove(connection: Connection, record: Record, now_s: float) -> int:
    """Deletes a relay and remembers that it was; returns the revision."""
    revision, relay = _next_revision(connection), record.relay
    for table in (_urls, _details):
        connection.execute(delete(table).where(table.c.relay_id == relay.id))
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


def _find_removed(connection: Connection, url: str, owner: str, since_s: float) -> Tombstone | None:
    """The relay that was removed from this address since then, and forgets all that were removed before."""
    old = select(_tombstones.c.relay_id).where(_tombstones.c.removed_at_s < since_s)
    if gone := connection.execute(old).scalars().all():
        enrolment.forget(connection, *gone)
        connection.execute(delete(_tombstones).where(_tombstones.c.removed_at_s < since_s))
    return removed_from(connection, url, owner, since_s)


def removed_from(connection: Connection, url: str, owner: str, since_s: float) -> Tombstone | None:
    """The relay of that owner that was removed from this address since then, the last one of several."""
    query = select(_tombstones).where(_tombstones.c.url == url, _tombstones.c.owner == owner)
    query = query.where(_tombstones.c.removed_at_s >= since_s)
    row = connection.execute(query.order_by(_tombstones.c.removed_at_s.desc())).first()
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
            "version": relay.version,
            "stress": relay.stress,
            "features": " ".join(relay.features),
            "revision": revision,
        }
        for relay in relays
    ]
    if rows:
        _update_many(connection, _relays, "id", ("last_seen_at", "current_connections", "capacity"), rows)
        columns = ("version", "stress", "features", "revision")
        _update_many(connection, _details, "relay_id", columns, rows)
    return revision


def save_health(connection: Connection, records: Iterable[Record]) -> int:
    """Writes what probes found; a finding with an older lease than the last one is passed over."""
    revision = _next_revision(connection)
    for record in records:
        relay = record.relay
        details = update(_details).where(_details.c.relay_id == relay.id, _details.c.probe_token <= record.probe_token)
        stored = connection.execute(select(_details.c.health).where(_details.c.relay_id == relay.id))
        values = {
            "state": relay.state,
            "health": state_machine.with_drain_of(record.health, stored.scalar_one_or_none() or record.health),
            "probe_token": record.probe_token,
            "revision": revision,
        }
        if connection.execute(details.values(values)).rowcount:
            shown = {"healthy": int(relay.healthy), "failed_checks": relay.failed_checks}
            connection.execute(update(_relays).where(_relays.c.id == relay.id).values(shown))
    return revision


def read_value(connection: Connection, key: str, default: str) -> str:
    """A value of the directory's own, such as its signing key; written where it is missing."""
    found = connection.execute(select(_state.c.value).where(_state.c.key == key)).scalar_one_or_none()
    if found is None:
        # Two directories may start at once: the second one reads what the first one wrote.
        connection.execute(_new(connection, _state, {"key": key, "number": 0, "value": default}))
        return connection.execute(select(_state.c.value).where(_state.c.key == key)).scalar_one()
    return found


def find_value(connection: Connection, key: str) -> str:
    """A value of the directory's own; empty where there is none."""
    return connection.execute(select(_state.c.value).where(_state.c.key == key)).scalar_one_or_none() or ""


def drop_value(connection: Connection, key: str) -> None:
    """Forgets a value of the directory's own."""
    connection.execute(delete(_state).where(_state.c.key == key))


def use_nonce(connection: Connection, nonce: str, now_s: int, expires_at_s: int) -> bool:
    """Whether this nonce is used for the first time; it is remembered until it expires."""
    connection.execute(delete(_seen_nonces).where(_seen_nonces.c.expires_at_s < now_s))
    fresh = _new(connection, _seen_nonces, {"nonce": nonce, "expires_at_s": expires_at_s})
    return connection.execute(fresh.returning(_seen_nonces.c.nonce)).first() is not None


def _next_revision(connection: Connection) -> int:
    bump = update(_state).where(_state.c.key == "revision").values(number=_state.c.number + 1)
    return int(connection.execute(bump.returning(_state.c.number)).scalar_one())


def _new(connection: Connection, table: Table, values: dict[str, Any]) -> "postgresql.Insert | sqlite.Insert":
    """An insert that does nothing where the row is there already, also where another process writes it just now."""
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return build(table).values(values).on_conflict_do_nothing()


def _whole() -> "Select[Any]":
    """All there is of relays."""
    joined = select(_relays, _details, _enrolments.c.verdict)
    joined = joined.join_from(_relays, _details, _relays.c.id == _details.c.relay_id)
    return joined.outerjoin(_enrolments, _enrolments.c.relay_id == _relays.c.id)


def _put(connection: Connection, record: Record, revision: int) -> None:
    relay = record.relay
    documented = {name: getattr(relay, name) for name in _DOCUMENTED_FIELDS if name != "failed_checks"}
    details: dict[str, Any] = {name: getattr(relay, name) for name in _DETAIL_FIELDS}
    details |= {"features": " ".join(relay.features), "revision": revision}
    found = {"health": record.health, "probe_token": record.probe_token, "state": relay.state}
    found["is_draining"] = relay.is_draining
    if not connection.execute(update(_relays).where(_relays.c.id == relay.id).values(documented)).rowcount:
        probed = {"healthy": int(relay.healthy), "failed_checks": relay.failed_checks}
        connection.execute(insert(_relays).values(id=relay.id, **documented, **probed))
    if not connection.execute(update(_details).where(_details.c.relay_id == relay.id).values(details)).rowcount:
        connection.execute(insert(_details).values(relay_id=relay.id, **details, **found))
    connection.execute(delete(_urls).where(_urls.c.relay_id == relay.id))
    connection.execute(_new(connection, _urls, {"url_key": url_key(relay.url), "relay_id": relay.id}))
    connection.execute(delete(_tombstones).where(_tombstones.c.relay_id == relay.id))


def _update_many(
    connection: Connection, table: Table, key: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    statement = update(table).where(table.c[key] == bindparam("of")).values({name: bindparam(name) for name in columns})
    connection.execute(statement, [{name: row[name] for name in ("of", *columns)} for row in rows])


def _record(row: Row[Any]) -> Record:
    documented: dict[str, Any] = {name: getattr(row, name) for name in _DOCUMENTED_FIELDS}
    details: dict[str, Any] = {name: getattr(row, name) for name in (*_DETAIL_FIELDS, "state", "is_draining")}
    # What the original called healthy was never probed by these rules.
    healthy = bool(row.healthy) and bool(row.health)
    is_waiting = row.verdict == Verdict.WAITING
    relay = Relay(
        id=row.id,
        healthy=healthy,
        features=tuple(row.features.split()),
        is_waiting=is_waiting,
        **documented,
        **details,
    )
    return Record(relay, row.health, row.probe_token)
