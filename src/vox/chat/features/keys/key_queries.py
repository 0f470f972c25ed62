"""The SQL of public keys: what devices upload, and what is given out, each one-time key to one caller only.

A key is taken by the statement that finds it (`SKIP LOCKED` on PostgreSQL, one writer on SQLite), so two callers at once get two
keys, or one of them none. What was given out stays known by its digest: an upload that is sent twice does not bring it back.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import (
    devices,
    dm_participants,
    dms,
    key_backups,
    mls_key_packages,
    one_time_prekeys,
    prekeys,
    spent_keys,
)
from vox.chat.events.ids import UserId
from vox.chat.features.keys.limits import MAX_SPENT
from vox.security.tokens import digest


def store_prekeys(connection: Connection, device_id: str, identity_key: str, signed_prekey: str) -> str | None:
    """Stores the lasting keys of a device; the identity key that was there before, None for none."""
    row = {"device_id": device_id, "identity_key": identity_key, "signed_prekey": signed_prekey}
    before = connection.execute(select(prekeys.c.identity_key).where(prekeys.c.device_id == device_id)).scalar()
    if before is None and insert_if_absent(connection, prekeys, row):
        return None
    connection.execute(update(prekeys).where(prekeys.c.device_id == device_id).values(row))
    return before


def add_one_time_keys(connection: Connection, device_id: str, keys: Sequence[str], most: int) -> None:
    """Adds one-time keys that are neither there nor were given out; beyond `most` the oldest go."""
    row = one_time_prekeys.c
    fresh = _fresh(connection, one_time_prekeys, device_id, keys)
    if fresh:
        connection.execute(insert(one_time_prekeys), [{"device_id": device_id, "key_data": key} for key in fresh])
    newest = select(row.id).where(row.device_id == device_id).order_by(row.id.desc()).limit(most)
    connection.execute(delete(one_time_prekeys).where(row.device_id == device_id, row.id.not_in(newest)))


def add_key_packages(connection: Connection, device_id: str, keys: Sequence[str], most: int, now_s: int) -> None:
    """Adds key packages that are neither there nor were given out; beyond `most` the oldest go."""
    row = mls_key_packages.c
    fresh = _fresh(connection, mls_key_packages, device_id, keys)
    if fresh:
        rows = [{"device_id": device_id, "key_data": key, "created_at": now_s} for key in fresh]
        connection.execute(insert(mls_key_packages), rows)
    usual = (row.device_id == device_id) & row.is_last_resort.is_(False)
    newest = select(row.id).where(usual).order_by(row.id.desc()).limit(most)
    connection.execute(delete(mls_key_packages).where(usual, row.id.not_in(newest)))


def replace_last_resort(connection: Connection, device_id: str, key: str, now_s: int) -> None:
    """Stores the key package that is given out when no other is left."""
    row = mls_key_packages.c
    connection.execute(
        delete(mls_key_packages).where(row.device_id == device_id, row.is_last_resort.is_(True) | (row.key_data == key))
    )
    values = {"device_id": device_id, "key_data": key, "created_at": now_s, "is_last_resort": True}
    connection.execute(insert(mls_key_packages).values(values))


def prekeys_of(connection: Connection, user_id: UserId) -> list[tuple[str, str, str]]:
    """Device, identity key and signed prekey of those devices of a user that have them."""
    device, key = devices.c, prekeys.c
    query = select(key.device_id, key.identity_key, key.signed_prekey).join(devices, device.id == key.device_id)
    rows = connection.execute(query.where(device.user_id == user_id).order_by(device.created_at, device.id))
    return [(row[0], row[1], row[2]) for row in rows]


def device_ids_of(connection: Connection, user_id: UserId) -> list[str]:
    """The ids of a user's devices, the oldest first."""
    query = select(devices.c.id).where(devices.c.user_id == user_id).order_by(devices.c.created_at, devices.c.id)
    return list(connection.execute(query).scalars())


def take_one_time_key(connection: Connection, device_id: str) -> str | None:
    """Gives out the oldest one-time key of a device; None where none is left."""
    return _take(connection, one_time_prekeys, device_id)


def take_key_package(connection: Connection, device_id: str, now_s: int, kept_s: int) -> tuple[str, bool] | None:
    """Gives out the oldest key package of a device, or its last resort, and says which; None where there is neither.

    Args:
        connection: of the writer.
        device_id: whose.
        now_s: Unix seconds.
        kept_s: packages that are older than this are not given out; they are past their lifetime.
    """
    row = mls_key_packages.c
    connection.execute(
        delete(mls_key_packages).where(
            row.device_id == device_id, row.is_last_resort.is_(False), row.created_at < now_s - kept_s
        )
    )
    key = _take(connection, mls_key_packages, device_id)
    if key is not None:
        return key, False
    last = last_resort_of(connection, device_id)
    return None if last is None else (last, True)


def last_resort_of(connection: Connection, device_id: str) -> str | None:
    """The last resort of a device."""
    row = mls_key_packages.c
    query = select(row.key_data).where(row.device_id == device_id, row.is_last_resort.is_(True)).limit(1)
    return connection.execute(query).scalar()


def count_left(connection: Connection, device_id: str) -> tuple[int, int]:
    """How many one-time keys and key packages of a device others can still fetch."""
    key, package = one_time_prekeys.c, mls_key_packages.c
    keys = select(func.count()).select_from(one_time_prekeys).where(key.device_id == device_id)
    packages = (
        select(func.count())
        .select_from(mls_key_packages)
        .where(package.device_id == device_id, package.is_last_resort.is_(False))
    )
    return connection.execute(keys).scalar_one(), connection.execute(packages).scalar_one()


def shares_dm(connection: Connection, one: UserId, other: UserId, *, is_group: bool | None = None) -> bool:
    """Whether two users take part in the same conversation; only groups, or only conversations of two, where that is said."""
    mine = dm_participants.alias()
    theirs = dm_participants.alias()
    query = (
        select(mine.c.dm_id)
        .join(theirs, mine.c.dm_id == theirs.c.dm_id)
        .where(mine.c.user_id == one, theirs.c.user_id == other)
    )
    if is_group is not None:
        query = query.join(dms, dms.c.id == mine.c.dm_id).where(dms.c.is_group.is_(is_group))
    return connection.execute(query.limit(1)).first() is not None


def store_backup(connection: Connection, user_id: UserId, encrypted_blob: str) -> None:
    """Stores the encrypted keys of a user in place of those that were there."""
    row = {"user_id": user_id, "encrypted_blob": encrypted_blob}
    if not insert_if_absent(connection, key_backups, row):
        connection.execute(update(key_backups).where(key_backups.c.user_id == user_id).values(row))


def read_backup(connection: Connection, *, user_id: UserId) -> str | None:
    """The encrypted keys of a user."""
    query = select(key_backups.c.encrypted_blob).where(key_backups.c.user_id == user_id)
    return connection.execute(query).scalar()


def delete_keys(connection: Connection, user_id: UserId) -> None:
    """Deletes the public keys of all devices of a user; the devices stay."""
    own = select(devices.c.id).where(devices.c.user_id == user_id)
    for table in (prekeys, one_time_prekeys, mls_key_packages):
        connection.execute(delete(table).where(table.c.device_id.in_(own)))


def delete_expired_packages(connection: Connection, before_s: int) -> int:
    """Deletes key packages that were uploaded before a moment; last resorts stay."""
    row = mls_key_packages.c
    statement = delete(mls_key_packages).where(row.created_at < before_s, row.is_last_resort.is_(False))
    return connection.execute(statement).rowcount


def _take(connection: Connection, table: Table, device_id: str) -> str | None:
    row = table.c
    query = select(row.id).where(row.device_id == device_id)
    if table is mls_key_packages:
        query = query.where(mls_key_packages.c.is_last_resort.is_(False))
    oldest = query.order_by(row.id).limit(1).with_for_update(skip_locked=True).scalar_subquery()
    key = connection.execute(delete(table).where(row.id == oldest).returning(row.key_data)).scalar()
    if key is not None:
        insert_if_absent(connection, spent_keys, {"device_id": device_id, "digest": digest(key)})
    return key


def _fresh(connection: Connection, table: Table, device_id: str, keys: Sequence[str]) -> list[str]:
    """Those of some keys that the device does not have and that were not given out, each once; the device is locked."""
    digests = {digest(key): key for key in dict.fromkeys(keys)}
    if not digests:
        return []
    spent = select(spent_keys.c.digest).where(spent_keys.c.device_id == device_id)
    known = set(connection.execute(spent.where(spent_keys.c.digest.in_(digests))).scalars())
    there = set(
        connection.execute(
            select(table.c.key_data).where(table.c.device_id == device_id, table.c.key_data.in_(digests.values()))
        ).scalars()
    )
    newest = (
        select(spent_keys.c.id)
        .where(spent_keys.c.device_id == device_id)
        .order_by(spent_keys.c.id.desc())
        .limit(MAX_SPENT)
    )
    connection.execute(delete(spent_keys).where(spent_keys.c.device_id == device_id, spent_keys.c.id.not_in(newest)))
    return [key for name, key in digests.items() if name not in known and key not in there]
