"""Every SQL statement about outbound calls; rows in, rows out, inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping, and_, delete, exists, func, select, text, tuple_, update

from vox.fleet.calls.contract import FINAL, LIVE, WAITING, CallStatus
from vox.fleet.database.schema import attempts, call_events, calls, idempotency_keys, results, webhooks
from vox.stores.sql import Connection

_WAITING: Final = sorted(WAITING)
_LIVE: Final = sorted(LIVE)
_FINAL: Final = sorted(FINAL)

Row = RowMapping


def find(connection: Connection, call_id: str, *, locks: bool = False) -> Row | None:
    """A call by its id; locked against other transactions where it is to be changed."""
    query = select(calls).where(calls.c.id == call_id)
    return connection.execute(query.with_for_update() if locks else query).mappings().first()


def find_by_contacts(connection: Connection, contact_keys: Sequence[str]) -> dict[str, str]:
    """The ids of the calls with these contact keys, by key."""
    if not contact_keys:
        return {}
    query = select(calls.c.contact_key, calls.c.id).where(calls.c.contact_key.in_(contact_keys))
    return {row[0]: row[1] for row in connection.execute(query)}


def insert_all(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes new calls."""
    if rows:
        connection.execute(calls.insert(), rows)


def change(connection: Connection, call_id: str, values: Mapping[str, Any]) -> None:
    """Changes columns of a call."""
    connection.execute(update(calls).where(calls.c.id == call_id).values(**values))


def page(
    connection: Connection,
    *,
    limit: int,
    before: tuple[int, str] | None = None,
    status: str = "",
    bot_id: str = "",
    to: str = "",
) -> Sequence[Row]:
    """Calls, the newest first, from before a position."""
    query = select(calls).order_by(calls.c.created_at_ms.desc(), calls.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(calls.c.created_at_ms, calls.c.id) < before)
    for column, value in ((calls.c.status, status), (calls.c.bot_id, bot_id), (calls.c.to_number, to)):
        if value:
            query = query.where(column == value)
    return connection.execute(query).mappings().all()


def claim_due(connection: Connection, holder: str, now_ms: int, until_ms: int, limit: int) -> Sequence[Row]:
    """Calls that are to be dialled now, leased to the holder; those of campaigns after the others."""
    due = (
        select(calls.c.id)
        .where(calls.c.status.in_(_WAITING), calls.c.due_at_ms <= now_ms, calls.c.lease_until_ms <= now_ms)
        .order_by(calls.c.call_class == "campaign", calls.c.due_at_ms)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(due).scalars().all()
    if not ids:
        return []
    leased = update(calls).where(calls.c.id.in_(ids)).values(lease_holder=holder, lease_until_ms=until_ms)
    connection.execute(leased)
    order = (calls.c.call_class == "campaign", calls.c.due_at_ms)
    return connection.execute(select(calls).where(calls.c.id.in_(ids)).order_by(*order)).mappings().all()


def next_due_ms(connection: Connection) -> int | None:
    """When the next waiting call is due; None where none waits."""
    return connection.execute(select(func.min(calls.c.due_at_ms)).where(calls.c.status.in_(_WAITING))).scalar()


def count_due(connection: Connection, now_ms: int) -> int:
    """How many calls wait for a worker at this moment."""
    due = select(func.count()).select_from(calls).where(calls.c.status.in_(_WAITING), calls.c.due_at_ms <= now_ms)
    return int(connection.execute(due).scalar_one())


def claim_checks(connection: Connection, now_ms: int, until_ms: int, limit: int) -> Sequence[Row]:
    """Live calls whose state is to be found out now; others do not get them before `until_ms`."""
    due = (
        select(calls.c.id)
        .where(calls.c.status.in_(_LIVE), calls.c.check_at_ms <= now_ms)
        .order_by(calls.c.check_at_ms)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(due).scalars().all()
    if not ids:
        return []
    connection.execute(update(calls).where(calls.c.id.in_(ids)).values(check_at_ms=until_ms))
    return connection.execute(select(calls).where(calls.c.id.in_(ids))).mappings().all()


def check_all_live(connection: Connection, now_ms: int) -> None:
    """Has every live call checked: after a start, when callbacks may have been missed."""
    connection.execute(
        update(calls).where(calls.c.status.in_(_LIVE), calls.c.lease_until_ms <= now_ms).values(check_at_ms=now_ms)
    )


def forget_leases(connection: Connection) -> None:
    """Ends all leases, where no other bridge can hold any; events that wait are tried at once."""
    connection.execute(update(calls).where(calls.c.lease_until_ms > 0).values(lease_until_ms=0, lease_holder=""))
    connection.execute(update(webhooks).where(webhooks.c.state == "waiting").values(due_at_ms=0))


def live_count(connection: Connection, provider: str) -> int:
    """Calls that a provider carries, or may; exact under the lock that `lock_provider` takes."""
    counted = select(func.count()).select_from(calls).where(calls.c.status.in_(_LIVE), calls.c.provider == provider)
    return connection.execute(counted).scalar_one()


def lock_provider(connection: Connection, provider: str) -> None:
    """Lets one transaction at a time begin attempts with a provider; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"vox-bridge:{provider}"})


def counts_by_status(connection: Connection) -> dict[str, int]:
    """How many calls that are not over are in each status; by the index, however many are over."""
    status = calls.c.status
    counted = select(status, func.count()).where(status.in_([*_WAITING, *_LIVE])).group_by(status)
    return {str(row[0]): int(row[1]) for row in connection.execute(counted)}


def live(connection: Connection, limit: int) -> Sequence[Row]:
    """Calls that are with a carrier, the newest first."""
    query = select(calls).where(calls.c.status.in_(_LIVE))
    return connection.execute(query.order_by(calls.c.created_at_ms.desc()).limit(limit)).mappings().all()


def insert_attempt(connection: Connection, values: Mapping[str, Any]) -> None:
    """Writes an attempt; the second one with a number of the same call is a conflict."""
    connection.execute(attempts.insert().values(**values))


def find_attempt(connection: Connection, call_id: str, attempt: int) -> Row | None:
    """An attempt by its number."""
    query = select(attempts).where(attempts.c.call_id == call_id, attempts.c.attempt == attempt)
    return connection.execute(query).mappings().first()


def find_attempt_by_tag(connection: Connection, tag: str) -> Row | None:
    """An attempt by its tag."""
    return connection.execute(select(attempts).where(attempts.c.tag == tag)).mappings().first()


def attempts_of(connection: Connection, call_id: str) -> Sequence[Row]:
    """All attempts of a call, in order."""
    query = select(attempts).where(attempts.c.call_id == call_id).order_by(attempts.c.attempt)
    return connection.execute(query).mappings().all()


def change_attempt(connection: Connection, call_id: str, attempt: int, values: Mapping[str, Any]) -> None:
    """Changes columns of an attempt."""
    mine = and_(attempts.c.call_id == call_id, attempts.c.attempt == attempt)
    connection.execute(update(attempts).where(mine).values(**values))


def delete_attempt(connection: Connection, call_id: str, attempt: int) -> None:
    """Removes an attempt that the carrier never took."""
    connection.execute(delete(attempts).where(attempts.c.call_id == call_id, attempts.c.attempt == attempt))


def insert_events(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes what happened in calls."""
    if rows:
        connection.execute(call_events.insert(), rows)


def events_of(connection: Connection, call_id: str, limit: int) -> Sequence[Row]:
    """What happened in a call, in order."""
    query = select(call_events).where(call_events.c.call_id == call_id).order_by(call_events.c.number).limit(limit)
    return connection.execute(query).mappings().all()


def insert_webhook(connection: Connection, values: Mapping[str, Any]) -> None:
    """Writes an event that is to be sent."""
    connection.execute(webhooks.insert().values(**values))


def claim_webhooks(connection: Connection, now_ms: int, until_ms: int, limit: int) -> Sequence[Row]:
    """Events that are to be sent now, of each call the earliest only; others do not get them before `until_ms`."""
    earlier = webhooks.alias("earlier")
    is_behind = exists().where(
        earlier.c.call_id == webhooks.c.call_id,
        earlier.c.sequence < webhooks.c.sequence,
        earlier.c.state == "waiting",
    )
    due = (
        select(webhooks.c.number)
        .where(webhooks.c.state == "waiting", webhooks.c.due_at_ms <= now_ms, ~is_behind)
        .order_by(webhooks.c.due_at_ms)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    numbers = connection.execute(due).scalars().all()
    if not numbers:
        return []
    connection.execute(update(webhooks).where(webhooks.c.number.in_(numbers)).values(due_at_ms=until_ms))
    query = select(webhooks).where(webhooks.c.number.in_(numbers)).order_by(webhooks.c.number)
    return connection.execute(query).mappings().all()


def change_webhook(connection: Connection, number: int, values: Mapping[str, Any]) -> bool:
    """Changes columns of an event; whether there is one."""
    return connection.execute(update(webhooks).where(webhooks.c.number == number).values(**values)).rowcount > 0


def webhooks_in(connection: Connection, state: str, limit: int, after: int) -> Sequence[Row]:
    """Events in a state, in order."""
    query = select(webhooks).where(webhooks.c.state == state, webhooks.c.number > after)
    return connection.execute(query.order_by(webhooks.c.number).limit(limit)).mappings().all()


def waiting_webhooks(connection: Connection) -> int:
    """How many events wait to be sent."""
    counted = select(func.count()).select_from(webhooks).where(webhooks.c.state == "waiting")
    return connection.execute(counted).scalar_one()


def find_idempotency(connection: Connection, api_key_id: str, key: str, now_ms: int) -> Row | None:
    """What was answered under an idempotency key."""
    mine = and_(idempotency_keys.c.api_key_id == api_key_id, idempotency_keys.c.key == key)
    connection.execute(delete(idempotency_keys).where(mine, idempotency_keys.c.expires_at_ms <= now_ms))
    return connection.execute(select(idempotency_keys).where(mine)).mappings().first()


def insert_idempotency(connection: Connection, values: Mapping[str, Any]) -> None:
    """Remembers what was answered."""
    connection.execute(idempotency_keys.insert().values(**values))


def prune_idempotency(connection: Connection, now_ms: int) -> None:
    """Forgets answers whose time is over."""
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at_ms <= now_ms))


def insert_result(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Writes a result; False where it is there already."""
    if connection.execute(select(results.c.id).where(results.c.id == values["id"])).first() is not None:
        return False
    connection.execute(results.insert().values(**values))
    return True


def results_of(connection: Connection, call_id: str) -> Sequence[Any]:
    """The results that workers delivered for a call."""
    query = select(results.c.body).where(results.c.call_id == call_id).order_by(results.c.received_at_ms)
    return [msgspec.json.decode(body) for body in connection.execute(query).scalars()]


def prune(connection: Connection, before_ms: int) -> int:
    """Deletes calls that ended before a time, with all that belongs to them; those with events still to be sent stay."""
    unsent = exists().where(webhooks.c.call_id == calls.c.id, webhooks.c.state == "waiting")
    old = select(calls.c.id).where(calls.c.status.in_(_FINAL), calls.c.ended_at_ms < before_ms, ~unsent).limit(1000)
    ids = connection.execute(old).scalars().all()
    if ids:
        connection.execute(delete(webhooks).where(webhooks.c.call_id.in_(ids)))
        connection.execute(delete(results).where(results.c.call_id.in_(ids)))
        connection.execute(delete(calls).where(calls.c.id.in_(ids)))
    connection.execute(delete(results).where(results.c.call_id == "", results.c.received_at_ms < before_ms))
    return len(ids)


def carrier_ids_to(connection: Connection, to: str, but_tag: str) -> frozenset[str]:
    """The carriers' ids of all attempts to a number but one."""
    query = (
        select(attempts.c.carrier_call_id)
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(calls.c.to_number == to, attempts.c.tag != but_tag, attempts.c.carrier_call_id != "")
    )
    return frozenset(connection.execute(query).scalars())


def live_at(connection: Connection, worker_id: str) -> Sequence[str]:
    """The ids of calls whose conversation runs at a worker."""
    at_worker = calls.c.worker_id == worker_id
    query = select(calls.c.id).where(at_worker, calls.c.status == CallStatus.IN_PROGRESS)
    return connection.execute(query).scalars().all()


def note(
    connection: Connection, call_id: str, kind: str, data: Mapping[str, Any], now_ms: int, check_at_ms: int = 0
) -> None:
    """Writes something into a live call's log that does not move it, and has it checked where a time is given."""
    status = connection.execute(select(calls.c.status).where(calls.c.id == call_id)).scalar_one_or_none()
    if status not in _LIVE:
        return
    text_of_data = msgspec.json.encode(data).decode()
    event = {"call_id": call_id, "at_ms": now_ms, "kind": kind, "status": status, "data": text_of_data}
    insert_events(connection, [event])
    if check_at_ms:
        change(connection, call_id, {"check_at_ms": check_at_ms})
