"""The SQL of devices and pairings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from vox.chat.database.schema import (
    device_pairings,
    devices,
    dm_participants,
    mls_key_packages,
    one_time_prekeys,
    prekeys,
    sessions,
)
from vox.chat.events.ids import LoginId, UserId
from vox.chat.features.keys.schemas import Device


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """Whose a device is, its name, and the login that registered it."""

    user_id: UserId
    name: str
    login_id: LoginId | None


@dataclass(frozen=True, slots=True)
class KnownPairing:
    """A pairing; `expires_at` in Unix seconds."""

    login_id: LoginId
    state: str
    expires_at: int


def find_device(connection: Connection, device_id: str) -> KnownDevice | None:
    """A device of any user."""
    row = connection.execute(
        select(devices.c.user_id, devices.c.device_name, devices.c.login_id).where(devices.c.id == device_id)
    ).first()
    return None if row is None else KnownDevice(row.user_id, row.device_name, row.login_id)


def lock_device(connection: Connection, user_id: UserId, device_id: str) -> bool:
    """Whether a device is a user's; it stays until the transaction ends, and its changes come one after the other."""
    query = select(devices.c.id).where(devices.c.id == device_id, devices.c.user_id == user_id)
    return connection.execute(query.with_for_update(key_share=True)).first() is not None


def count_devices(connection: Connection, user_id: UserId) -> int:
    """How many devices a user has."""
    return connection.execute(
        select(func.count()).select_from(devices).where(devices.c.user_id == user_id)
    ).scalar_one()


def insert_device(
    connection: Connection, *, user_id: UserId, device_id: str, name: str, login_id: LoginId, now_s: int
) -> None:
    """Stores a new device."""
    row = {"id": device_id, "user_id": user_id, "device_name": name, "login_id": login_id, "created_at": now_s}
    connection.execute(insert(devices).values(row))


def update_device(connection: Connection, device_id: str, *, name: str, login_id: LoginId) -> None:
    """Stores another name of a device, and the login that has it now."""
    connection.execute(update(devices).where(devices.c.id == device_id).values(device_name=name, login_id=login_id))


def delete_device(connection: Connection, device_id: str) -> None:
    """Deletes a device with its keys and everything that waits for it."""
    connection.execute(delete(devices).where(devices.c.id == device_id))


def names_of_devices(connection: Connection, user_id: UserId) -> list[tuple[str, str]]:
    """Id and name of a user's devices, the oldest first."""
    query = select(devices.c.id, devices.c.device_name).where(devices.c.user_id == user_id)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(devices.c.created_at, devices.c.id))]


def list_devices(connection: Connection, *, user_id: UserId, login_id: LoginId) -> list[Device]:
    """A user's devices, the oldest first, with what others can still fetch."""
    device, key, package = devices.c, one_time_prekeys.c, mls_key_packages.c
    keys = select(func.count()).select_from(one_time_prekeys).where(key.device_id == device.id)
    packages = (
        select(func.count())
        .select_from(mls_key_packages)
        .where(package.device_id == device.id, package.is_last_resort.is_(False))
    )
    columns = (device.id, device.device_name, device.created_at, keys.scalar_subquery(), packages.scalar_subquery())
    query = select(*columns, device.login_id).where(device.user_id == user_id)
    rows = connection.execute(query.order_by(device.created_at, device.id))
    return [Device(*row[:5], is_current=row[5] == login_id) for row in rows]


def is_login_of_device(connection: Connection, login_id: LoginId) -> bool:
    """Whether a login has registered a device that is still there."""
    return connection.execute(select(devices.c.id).where(devices.c.login_id == login_id)).first() is not None


def set_keyless(connection: Connection, login_ids: Sequence[LoginId], *, is_keyless: bool) -> list[LoginId]:
    """Stores whether logins receive events of keys; those of which that was changed."""
    changed = (
        update(sessions)
        .where(sessions.c.id.in_(login_ids), sessions.c.is_keyless.is_not(is_keyless))
        .values(is_keyless=is_keyless)
        .returning(sessions.c.id)
    )
    return list(connection.execute(changed).scalars())


def contacts_of(connection: Connection, user_id: UserId) -> list[UserId]:
    """The users who share a conversation with a user, ascending."""
    own = select(dm_participants.c.dm_id).where(dm_participants.c.user_id == user_id)
    query = select(dm_participants.c.user_id).where(
        dm_participants.c.dm_id.in_(own), dm_participants.c.user_id != user_id
    )
    return list(connection.execute(query.distinct().order_by(dm_participants.c.user_id)).scalars())


def has_keys(connection: Connection, device_id: str) -> bool:
    """Whether others can fetch anything of a device."""
    columns = (prekeys.c.device_id, mls_key_packages.c.device_id)
    return any(
        connection.execute(select(column).where(column == device_id).limit(1)).first() is not None for column in columns
    )


def devices_of(connection: Connection, user_ids: Collection[UserId]) -> list[tuple[str, UserId]]:
    """Id and owner of the devices of some users."""
    query = select(devices.c.id, devices.c.user_id).where(devices.c.user_id.in_(user_ids)).order_by(devices.c.id)
    return [(row[0], row[1]) for row in connection.execute(query)]


def pending_pairings(connection: Connection, user_id: UserId, now_s: int) -> list[int]:
    """When each pairing of a user that waits for an answer expires, the next first."""
    pairing = device_pairings.c
    query = select(pairing.expires_at).where(
        pairing.user_id == user_id, pairing.state == "pending", pairing.expires_at > now_s
    )
    return list(connection.execute(query.order_by(pairing.expires_at)).scalars())


def insert_pairing(
    connection: Connection, *, pair_id: str, user_id: UserId, login_id: LoginId, expires_at: int
) -> None:
    """Stores a pairing that waits for an answer."""
    row = {"id": pair_id, "user_id": user_id, "login_id": login_id, "expires_at": expires_at}
    connection.execute(insert(device_pairings).values(row))


def find_pairing(connection: Connection, user_id: UserId, pair_id: str) -> KnownPairing | None:
    """A pairing of a user."""
    pairing = device_pairings.c
    query = select(pairing.login_id, pairing.state, pairing.expires_at)
    row = connection.execute(query.where(pairing.id == pair_id, pairing.user_id == user_id)).first()
    return None if row is None else KnownPairing(*row)


def answer_pairing(connection: Connection, pair_id: str, state: str) -> bool:
    """Stores the answer to a pairing; False where it has one. Check and answer are one statement."""
    pairing = device_pairings.c
    statement = update(device_pairings).where(pairing.id == pair_id, pairing.state == "pending").values(state=state)
    return bool(connection.execute(statement).rowcount)


def delete_pairings_before(connection: Connection, expired_s: int) -> int:
    """Deletes pairings that expired before a moment."""
    return connection.execute(delete(device_pairings).where(device_pairings.c.expires_at < expired_s)).rowcount
