"""What a unit of work gives back, and how its events and audit entries enter the database with it.

The record is written inside the same transaction: an event exists exactly if its change does. Versions count the changes of
who may see or do what; they are taken from one row, which puts such changes in one order over all processes. Whatever is kept
for /sync is numbered while that row is held, above everything that is kept already: numbers ascend in the order of the commits,
whatever the clocks of the processes say, so no client's cursor ever passes an event that is yet to come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, func, insert, select, text

from vox.chat.database.schema import audit_log, event_log
from vox.chat.events import CHANGES_ACCESS, PERSISTED, Event, audience_text
from vox.chat.events.ids import UserId
from vox.chat.events.kinds import NOT_KEPT

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log.

    Args:
        event_type: dotted, such as role.create.
        actor_id: who did it.
        target_id: the user or thing it was done to; None where there is no single one.
        metadata: what else is worth knowing; never secrets.
    """

    event_type: str
    actor_id: UserId | None
    target_id: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """The outcome of a unit of work.

    Args:
        value: what the endpoint gets.
        events: what is sent to everyone concerned, in order.
        audit: what the audit log keeps.
    """

    value: T_co
    events: Sequence[Event] = ()
    audit: Sequence[AuditEntry] = ()


UnitOfWork = Callable[[Connection], Change[T]]


class Read(Protocol):
    """Runs a read-only unit of work on a reader's thread."""

    async def __call__(self, unit: Callable[[Connection], T]) -> T:
        """What the unit returns.

        Raises:
            DependencyError: the database failed or is too busy.
        """
        ...


class ApplyChange(Protocol):
    """Runs a unit of work in the writer's transaction, and sends its events."""

    async def __call__(self, unit: UnitOfWork[T]) -> T:
        """The value of the unit's change.

        Raises:
            VoxError: what the unit raised; nothing of it is stored then.
            DependencyError: the database failed or is too busy.
        """
        ...


class NextId(Protocol):
    """Gives snowflakes."""

    def __call__(self, above: int = 0) -> int:
        """The next one, larger than those before it, and than `above`."""
        ...


def lock_event_order(connection: Connection) -> None:
    """Lets no other kept event and no other change of access be between this point and the end of the transaction.

    SQLite has one writer anyway; on PostgreSQL it locks the row that every such change must count up. It comes first in its
    unit of work: who locked another row before it could wait in a circle.
    """
    connection.execute(text("UPDATE meta SET version = version"))


def persist_outcome(connection: Connection, change: Change[T], next_id: NextId, now_ms: int) -> Change[T]:
    """Writes what must outlive the process, and returns the change with ids and versions in its events.

    Args:
        connection: the unit's own, in its transaction.
        change: the outcome.
        next_id: gives snowflakes.
        now_ms: Unix milliseconds.
    """
    events: list[Event] = []
    last = _last_kept(connection) if any(map(_is_kept, change.events)) else 0
    for event in change.events:
        kept, counts = _is_kept(event), event.type in CHANGES_ACCESS
        if kept or counts:
            version = _next_version(connection) if counts else 0
            event = replace(event, id=next_id(last), version=version)  # noqa: PLW2901  the same event, completed
        if kept:
            connection.execute(
                insert(event_log).values(
                    id=event.id,
                    event_type=event.type,
                    payload=msgspec.json.encode(event.payload).decode(),
                    timestamp=now_ms,
                    audience=audience_text(event.audience),
                    version=event.version,
                )
            )
        events.append(event)
    for entry in change.audit:
        connection.execute(
            insert(audit_log).values(
                id=next_id(),
                event_type=entry.event_type,
                actor_id=entry.actor_id,
                target_id=entry.target_id,
                metadata=msgspec.json.encode(entry.metadata).decode(),
                timestamp=now_ms,
            )
        )
    return replace(change, events=tuple(events))


def _is_kept(event: Event) -> bool:
    return event.type in PERSISTED and not event.facts.get(NOT_KEPT)


def _last_kept(connection: Connection) -> int:
    """A statement of its own behind the lock: the lock's own statement would not see what it waited for."""
    lock_event_order(connection)
    return int(connection.execute(select(func.max(event_log.c.id))).scalar() or 0)


def _next_version(connection: Connection) -> int:
    return int(connection.execute(text("UPDATE meta SET version = version + 1 RETURNING version")).scalar_one())
