"""Leases: who may do a thing at present, where several processes share the work.

A lease ends by itself, so a process that dies holds nothing up for longer than `ttl_s`. Its token grows with every change
of hands: a write under a lease carries the token, and a write with an older token than the last one is refused.
That is what makes a holder harmless that was paused and does not know that its time is over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from vox.runtime.clock import Clock
from vox.stores.sql import SqlDatabase

_tables = MetaData()
_leases = Table(
    "leases",
    _tables,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at_s", Float, nullable=False),
)
_members = Table(
    "lease_members",
    _tables,
    Column("holder", String, primary_key=True),
    Column("expires_at_s", Float, nullable=False),
)
_LARGEST_BATCH: Final = 500
_SCHEMA_LOCK: Final = 0x766F786C  # any number that other programs on the database do not use
STALE_S: Final = 3600.0
"""No holder still writes under a lease that ended this long ago."""


class Leases(Protocol):
    """Takes, keeps and gives back leases by name."""

    async def acquire(self, names: Sequence[str], holder: str, ttl_s: float) -> Mapping[str, int]:
        """Takes those leases that are free, keeps those that are the holder's, all for another `ttl_s` from now.

        Returns the token of each lease that is the holder's now; one that is missing belongs to another holder.
        """
        ...

    async def join(self, holder: str, ttl_s: float) -> Sequence[str]:
        """Counts the holder among those who share the work for another `ttl_s`; returns all of them, in order."""
        ...

    async def release(self, holder: str, left_s: float = 0.0) -> None:
        """Gives back everything the holder has, for others after `left_s` at most, and no longer counts it.

        The tokens go on from where they are.
        """
        ...

    async def prune(self, names: Collection[str], *, prefix: str = "") -> int:
        """Forgets leases that ended over `STALE_S` ago of things that are not among these, which is all there are.

        Returns how many. What comes to be again under an old name gets tokens from 1.

        Args:
            names: those that stay.
            prefix: what the names begin with, where others keep leases in the same place.
        """
        ...


class MemoryLeases:
    """Leases within one process, for a part that runs once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: dict[str, tuple[str, int, float]] = {}
        self._members: dict[str, float] = {}

    async def acquire(self, names: Sequence[str], holder: str, ttl_s: float) -> Mapping[str, int]:
        """See `Leases`."""
        now = self._clock.now()
        held: dict[str, int] = {}
        for name in names:
            owner, token, expires = self._leases.get(name, ("", 0, 0.0))
            if owner == holder or expires <= now:
                token += 0 if owner == holder and expires > now else 1
                self._leases[name] = (holder, token, now + ttl_s)
                held[name] = token
        return held

    async def join(self, holder: str, ttl_s: float) -> Sequence[str]:
        """See `Leases`."""
        now = self._clock.now()
        self._members = {one: until for one, until in self._members.items() if until > now}
        self._members[holder] = now + ttl_s
        return sorted(self._members)

    async def release(self, holder: str, left_s: float = 0.0) -> None:
        """See `Leases`."""
        self._members.pop(holder, None)
        until = self._clock.now() + left_s
        for name, (owner, token, expires) in self._leases.items():
            if owner == holder:
                self._leases[name] = ("", token, min(expires, until))

    async def prune(self, names: Collection[str], *, prefix: str = "") -> int:
        """See `Leases`."""
        before, until = len(self._leases), self._clock.now() - STALE_S
        self._leases = {
            name: one
            for name, one in self._leases.items()
            if name in names or one[2] > until or not name.startswith(prefix)
        }
        return before - len(self._leases)


class SqlLeases:
    """Leases in a database, for parts that run several times; on PostgreSQL time is the database's own.

    Args:
        database: open while this is used.
        clock: the time on SQLite, whose processes share one machine.
    """

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self) -> None:
        """Makes the table where it is missing."""
        await self._database.write(create_table)

    async def acquire(self, names: Sequence[str], holder: str, ttl_s: float) -> Mapping[str, int]:
        """See `Leases`."""
        ordered = sorted(set(names))  # one order for all, so that two holders cannot wait for each other
        held: dict[str, int] = {}
        for start in range(0, len(ordered), _LARGEST_BATCH):
            batch = ordered[start : start + _LARGEST_BATCH]
            held |= await self._database.write(
                lambda connection, batch=batch: self._take(connection, batch, holder, ttl_s)
            )
        return held

    async def join(self, holder: str, ttl_s: float) -> Sequence[str]:
        """See `Leases`."""

        def unit(connection: Connection) -> list[str]:
            now = self._now(connection)
            until = now + literal(ttl_s)
            build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            ours = build(_members).values(holder=holder, expires_at_s=until)
            connection.execute(ours.on_conflict_do_update(index_elements=["holder"], set_={"expires_at_s": until}))
            present = select(_members.c.holder).where(_members.c.expires_at_s > now)
            return sorted(connection.execute(present).scalars())

        return await self._database.write(unit)

    async def release(self, holder: str, left_s: float = 0.0) -> None:
        """See `Leases`."""

        def unit(connection: Connection) -> None:
            until = self._now(connection) + literal(left_s)
            mine = update(_leases).where(_leases.c.holder == holder)
            connection.execute(mine.values(holder="", expires_at_s=_sooner(until)))
            connection.execute(delete(_members).where(_members.c.holder == holder))

        await self._database.write(unit)

    async def prune(self, names: Collection[str], *, prefix: str = "") -> int:
        """See `Leases`; also forgets who shared the work that long ago."""
        known = set(names)

        def unit(connection: Connection) -> int:
            until = self._now(connection) - literal(STALE_S)
            connection.execute(delete(_members).where(_members.c.expires_at_s < until))
            ended = select(_leases.c.name).where(_leases.c.expires_at_s < until)
            found = connection.execute(ended).scalars()
            stale = [name for name in found if name not in known and name.startswith(prefix)]
            for name in stale:
                connection.execute(delete(_leases).where(_leases.c.name == name, _leases.c.expires_at_s < until))
            return len(stale)

        return await self._database.write(unit)

    def _take(self, connection: Connection, names: Iterable[str], holder: str, ttl_s: float) -> dict[str, int]:
        now = self._now(connection)
        build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        fresh = build(_leases).values(
            name=bindparam("lease"), holder=holder, token=1, expires_at_s=now + literal(ttl_s)
        )
        is_mine = (_leases.c.holder == holder) & (_leases.c.expires_at_s > now)
        taken = fresh.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "holder": holder,
                "token": _leases.c.token + case((is_mine, 0), else_=1),
                "expires_at_s": now + literal(ttl_s),
            },
            where=(_leases.c.holder == holder) | (_leases.c.expires_at_s <= now),
        ).returning(_leases.c.token)
        held: dict[str, int] = {}
        for name in names:
            token = connection.execute(taken, {"lease": name}).scalar_one_or_none()
            if token is not None:
                held[name] = int(token)
        return held

    def _now(self, connection: Connection) -> ColumnElement[float]:
        if connection.dialect.name == "postgresql":
            return cast(func.extract("epoch", func.clock_timestamp()), Float)
        return literal(self._clock.wall().timestamp())


def create_table(connection: Connection) -> None:
    """Makes the tables of leases and of their holders where they are missing; several processes may do so at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    _tables.create_all(connection)


def forget_leases(connection: Connection, names: Iterable[str]) -> None:
    """Forgets the leases of things that are no more, within a transaction of the caller's."""
    for name in names:
        connection.execute(delete(_leases).where(_leases.c.name == name))


def _sooner(until: ColumnElement[float]) -> ColumnElement[float]:
    return case((_leases.c.expires_at_s < until, _leases.c.expires_at_s), else_=until)
