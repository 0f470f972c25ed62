"""The SQL of MLS messages: the epoch of each group, and what waits for which device."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import devices, dm_participants, mls_deliveries, mls_groups, mls_messages
from vox.chat.events.ids import DmId, UserId
from vox.chat.features.keys.limits import MAX_GROUPS, MAX_WAITING, MAX_WAITING_OF_DM
from vox.chat.features.keys.schemas import WaitingMessage

_message = mls_messages.c
_delivery = mls_deliveries.c


def participants_of(connection: Connection, dm_id: DmId) -> list[UserId]:
    """The participants of a conversation."""
    query = select(dm_participants.c.user_id).where(dm_participants.c.dm_id == dm_id)
    return list(connection.execute(query.order_by(dm_participants.c.user_id)).scalars())


def last_message_id(connection: Connection, dm_id: DmId) -> int:
    """The number of the last message of a conversation that still waits somewhere; 0 for none."""
    return connection.execute(select(func.max(_message.id)).where(_message.dm_id == dm_id)).scalar() or 0


def advance_epoch(connection: Connection, dm_id: DmId, group_id: str, epoch: int, used_at: int) -> int | None:
    """Takes a commit of a group; the conversation is locked.

    Args:
        connection: of the writer.
        dm_id: the conversation.
        group_id: the group.
        epoch: in which the commit was made.
        used_at: the commit's number.

    Returns:
        None where it is taken, else the epoch that the group is in.
    """
    group = mls_groups.c
    this = (group.dm_id == dm_id) & (group.group_id == group_id)
    current = connection.execute(select(group.epoch).where(this)).scalar()
    if current is not None and current != epoch:
        return int(current)
    if current is not None:
        connection.execute(update(mls_groups).where(this).values(epoch=epoch + 1, used_at=used_at))
        return None
    row = {"dm_id": dm_id, "group_id": group_id, "epoch": epoch + 1, "used_at": used_at}
    connection.execute(insert(mls_groups).values(row))
    kept = select(group.group_id).where(group.dm_id == dm_id).order_by(group.used_at.desc()).limit(MAX_GROUPS)
    connection.execute(delete(mls_groups).where(group.dm_id == dm_id, group.group_id.not_in(kept)))
    return None


def insert_message(connection: Connection, message: WaitingMessage, device_ids: Sequence[str]) -> None:
    """Stores a message that waits for some devices; what is too much for one of them is dropped there, the oldest first."""
    connection.execute(
        insert(mls_messages).values(
            id=message.relay_id,
            dm_id=message.dm_id,
            sender_id=message.sender_id,
            sender_device_id=message.sender_device_id,
            kind=message.mls_type,
            data=message.data,
            group_id=message.group_id,
            epoch=message.epoch,
            created_at=message.created_at,
        )
    )
    for device_id in device_ids:
        insert_if_absent(connection, mls_deliveries, {"device_id": device_id, "message_id": message.relay_id})
    waiting = select(_delivery.device_id, func.count()).where(_delivery.device_id.in_(device_ids))
    of_dm = waiting.join(mls_messages, _message.id == _delivery.message_id).where(_message.dm_id == message.dm_id)
    counts = _counts(connection, waiting)
    counts_of_dm = _counts(connection, of_dm)
    # In one order over all conversations: two that drop for the same devices wait for each other, and not in a circle.
    for device_id in sorted(counts):
        surplus = max(0, counts_of_dm.get(device_id, 0) - MAX_WAITING_OF_DM)
        rest = counts[device_id] - surplus - MAX_WAITING
        if surplus > 0 or rest > 0:
            connection.execute(update(devices).where(devices.c.id == device_id).values(has_missed=True))
        if surplus > 0:
            _drop_oldest(connection, device_id, surplus, message.dm_id)
        if rest > 0:
            _drop_oldest(connection, device_id, rest, _fullest_dm(connection, device_id))


def waiting_for(connection: Connection, *, device_id: str, after: int, limit: int) -> list[WaitingMessage]:
    """What a device has not yet acknowledged, oldest first."""
    columns = (
        _message.id,
        _message.kind,
        _message.data,
        _message.dm_id,
        _message.sender_id,
        _message.sender_device_id,
        _message.group_id,
        _message.epoch,
        _message.created_at,
    )
    query = (
        select(*columns)
        .join(mls_deliveries, _delivery.message_id == _message.id)
        .where(_delivery.device_id == device_id, _message.id > after)
        .order_by(_message.id)
        .limit(limit)
    )
    return [WaitingMessage(*row) for row in connection.execute(query)]


def has_missed(connection: Connection, *, device_id: str) -> bool:
    """Whether messages for a device were dropped since it last said that it knows."""
    return bool(connection.execute(select(devices.c.has_missed).where(devices.c.id == device_id)).scalar())


def acknowledge(connection: Connection, device_id: str, relay_ids: Sequence[int]) -> None:
    """Forgets messages that a device has; those that no device waits for go."""
    connection.execute(
        delete(mls_deliveries).where(_delivery.device_id == device_id, _delivery.message_id.in_(relay_ids))
    )
    awaited = select(_delivery.message_id).where(_delivery.message_id.in_(relay_ids))
    connection.execute(delete(mls_messages).where(_message.id.in_(relay_ids), _message.id.not_in(awaited)))


def clear_missed(connection: Connection, device_id: str) -> None:
    """A device knows that it missed messages."""
    connection.execute(update(devices).where(devices.c.id == device_id).values(has_missed=False))


def delete_waiting_before(connection: Connection, created_s: int) -> int:
    """Deletes messages that were sent before a moment, and marks the devices that they waited for."""
    old = select(_message.id).where(_message.created_at < created_s)
    missing = select(_delivery.device_id).where(_delivery.message_id.in_(old))
    connection.execute(update(devices).where(devices.c.id.in_(missing)).values(has_missed=True))
    removed = connection.execute(delete(mls_messages).where(_message.created_at < created_s)).rowcount
    awaited = select(_delivery.message_id).where(_delivery.message_id == _message.id)
    return removed + connection.execute(delete(mls_messages).where(~awaited.exists())).rowcount


def _drop_oldest(connection: Connection, device_id: str, count: int, dm_id: int) -> None:
    oldest = (
        select(_message.id)
        .join(mls_deliveries, _delivery.message_id == _message.id)
        .where(_delivery.device_id == device_id, _message.dm_id == dm_id)
        .order_by(_message.id)
        .limit(count)
    )
    acknowledge(connection, device_id, list(connection.execute(oldest).scalars()))


def _counts(connection: Connection, query: Select[Any, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query.group_by(_delivery.device_id))}


def _fullest_dm(connection: Connection, device_id: str) -> int:
    """The conversation that most of what waits for a device is of."""
    query = (
        select(_message.dm_id)
        .join(mls_deliveries, _delivery.message_id == _message.id)
        .where(_delivery.device_id == device_id)
        .group_by(_message.dm_id)
        .order_by(func.count().desc(), _message.dm_id)
        .limit(1)
    )
    return connection.execute(query).scalar_one()
