"""Leases: who may do a thing at present, where several processes share the work.

A lease ends by itself, so a process that dies holds nothing up for longer than `ttl_s`. Its token grows with every change
of hands: whoever writes under a lease writes the token along, and a write with an older token than the last one is refused.
That is what makes a holder harmless that was paused and does not know that its time is over.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    func,
    literal,
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
_LARGEST_BATCH: Final = 500


class Leases(Protocol):
    """Takes, keeps and gives back leases by name."""

    async def acquire(self, names: Sequence[str], holder: str, ttl_s: float) -> Mapping[str, int]:
        """Takes those leases that are free, keeps those that are the holder's, all for another `ttl_s`.

        Returns the token of each lease that is the holder's now; one that is missing belongs to somebody else.
        """
        ...

    async def release(self, holder: str) -> None:
        """Gives back everything the holder has; the tokens go on from where they are."""
        ...


class MemoryLeases:
    """Leases within one process, for a part that runs once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: dict[str, tuple[str, int, float]] = {}

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

    async def release(self, holder: str) -> None:
        """See `Leases`."""
        for name, (owner, token, _) in self._leases.items():
            if owner == holder:
                self._leases[name] = ("", token, 0.0)


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
        await self._database.run(create_table)

    async def acquire(self, names: Sequence[str], holder: str, ttl_s: float) -> Mapping[str, int]:
        """See `Leases`."""
        wanted = sorted(set(names))  # one order for all, so that two holders cannot wait for each other
        held: dict[str, int] = {}
        for start in range(0, len(wanted), _LARGEST_BATCH):
            batch = wanted[start : start + _LARGEST_BATCH]
            held |= await self._database.run(
                lambda connection, batch=batch: self._take(connection, batch, holder, ttl_s)
            )
        return held

    async def release(self, holder: str) -> None:
        """See `Leases`."""
        mine = update(_leases).where(_leases.c.holder == holder)
        await self._database.run(lambda connection: connection.execute(mine.values(holder="", expires_at_s=0.0)))

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
    """Makes the table of leases where it is missing."""
    _tables.create_all(connection)
