"""Units of work around public keys: what a device uploads, what others fetch, backup and reset.

Who may write to a member may fetch the member's keys: everyone who shares a group with them, and otherwise as for opening a
conversation, blocks first. One-time keys are scarce, so each fetch of another member counts against the pair and the target.
"""

from vox.chat.community import Community
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import Event, device_keys_update, key_reset_notify, one_time_keys_low
from vox.chat.events.ids import UserId
from vox.chat.features.keys import device_queries, key_queries
from vox.chat.features.keys.limits import KEY_PACKAGES_KEPT_S, LOW, MAX_KEY_PACKAGES, MAX_ONE_TIME_KEYS
from vox.chat.features.keys.schemas import (
    DeviceKeyPackage,
    DevicePrekeys,
    KeyPackages,
    Prekeys,
    UploadKeyPackages,
    UploadPrekeys,
)
from vox.chat.features.messages.dm_rules import assert_reachable
from vox.chat.features.messages.queries import is_blocked_by_any
from vox.stores.sql import Connection


def upload_prekeys(connection: Connection, *, user_id: UserId, device_id: str, keys: UploadPrekeys) -> Change[None]:
    """Replaces the lasting keys of a device and adds its one-time keys.

    Raises:
        Refusal: DEVICE_NOT_FOUND.
    """
    _lock_own(connection, user_id, device_id)
    had_keys = device_queries.has_keys(connection, device_id)
    before = key_queries.store_prekeys(connection, device_id, keys.identity_key, keys.signed_prekey)
    key_queries.add_one_time_keys(connection, device_id, keys.one_time_prekeys, MAX_ONE_TIME_KEYS)
    if before == keys.identity_key or (before is None and had_keys):
        return Change(None)
    return Change(None, [_news(connection, user_id, device_id, is_first=before is None)])


def upload_key_packages(
    connection: Connection, *, user_id: UserId, device_id: str, keys: UploadKeyPackages, now_s: int
) -> Change[None]:
    """Adds key packages of a device, and replaces its last resort where one is given.

    Raises:
        Refusal: DEVICE_NOT_FOUND.
    """
    _lock_own(connection, user_id, device_id)
    had_keys = device_queries.has_keys(connection, device_id)
    key_queries.add_key_packages(connection, device_id, keys.key_packages, MAX_KEY_PACKAGES, now_s)
    if keys.last_resort is not None:
        key_queries.replace_last_resort(connection, device_id, keys.last_resort, now_s)
    if had_keys or not device_queries.has_keys(connection, device_id):
        return Change(None)
    return Change(None, [_news(connection, user_id, device_id, is_first=True)])


def fetch_prekeys(
    connection: Connection, *, community: Community, caller_id: UserId, target_id: UserId, with_one_time: bool
) -> Change[Prekeys]:
    """The keys of a user's devices, with one one-time key of each.

    Args:
        connection: of the writer.
        community: knows the members.
        caller_id: who asks.
        target_id: whose keys.
        with_one_time: False where too many have been fetched lately: then none is given out.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    assert_may_fetch(connection, community, caller_id, target_id)
    return give_prekeys(connection, target_id=target_id, with_one_time=with_one_time)


def give_prekeys(connection: Connection, *, target_id: UserId, with_one_time: bool) -> Change[Prekeys]:
    """Gives out the keys of a user's devices to those who may have them, with one one-time key of each; see `fetch_prekeys`."""
    found: list[DevicePrekeys] = []
    events: list[Event] = []
    for device_id, identity_key, signed_prekey in key_queries.prekeys_of(connection, target_id):
        key = key_queries.take_one_time_key(connection, device_id) if with_one_time else None
        found.append(DevicePrekeys(device_id, identity_key, signed_prekey, key))
        if key is not None:
            left, packages = key_queries.count_left(connection, device_id)
            if left in {0, LOW}:
                events.append(_low(target_id, device_id, left, packages))
    is_exhausted = any(one.one_time_prekey is None for one in found)
    return Change(Prekeys(target_id, found, "PREKEY_EXHAUSTED" if is_exhausted else None), events)


def fetch_key_packages(
    connection: Connection,
    *,
    community: Community,
    caller_id: UserId,
    target_id: UserId,
    with_one_time: bool,
    now_s: int,
) -> Change[KeyPackages]:
    """One key package of each of a user's devices; see `fetch_prekeys`.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    assert_may_fetch(connection, community, caller_id, target_id)
    found: list[DeviceKeyPackage] = []
    events: list[Event] = []
    for device_id in key_queries.device_ids_of(connection, target_id):
        if with_one_time:
            taken = key_queries.take_key_package(connection, device_id, now_s, KEY_PACKAGES_KEPT_S)
        else:
            last = key_queries.last_resort_of(connection, device_id)
            taken = None if last is None else (last, True)
        if taken is None:
            continue
        found.append(DeviceKeyPackage(device_id, *taken))
        if not taken[1]:
            keys, left = key_queries.count_left(connection, device_id)
            if left in {0, LOW}:
                events.append(_low(target_id, device_id, keys, left))
    return Change(KeyPackages([one.key_package for one in found], found), events)


def assert_may_fetch(connection: Connection, community: Community, caller_id: UserId, target_id: UserId) -> None:
    """Refuses who may not write to a member.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    if caller_id == target_id:
        return
    person = community.users.get(target_id)
    if person is None or not person.is_active:
        raise refuse("USER_NOT_FOUND", f"There is no user {target_id}.")
    if key_queries.shares_dm(connection, caller_id, target_id, is_group=True):
        return
    if key_queries.shares_dm(connection, caller_id, target_id, is_group=False):
        if is_blocked_by_any(connection, [target_id], caller_id):
            raise refuse("USER_BLOCKED", "This person has blocked you.")
        return
    assert_reachable(connection, community, caller_id, [target_id])


def store_backup(connection: Connection, *, user_id: UserId, encrypted_blob: str) -> Change[None]:
    """Stores the encrypted keys of a user in place of those that were there."""
    key_queries.store_backup(connection, user_id, encrypted_blob)
    return Change(None)


def reset_keys(connection: Connection, *, user_id: UserId) -> Change[None]:
    """Deletes the public keys of all devices of a user and tells the user's contacts; devices and backup stay."""
    key_queries.delete_keys(connection, user_id)
    contacts = device_queries.contacts_of(connection, user_id)
    return Change(None, [key_reset_notify(user_id=user_id, contacts=contacts)] if contacts else [])


def _lock_own(connection: Connection, user_id: UserId, device_id: str) -> None:
    if not device_queries.lock_device(connection, user_id, device_id):
        raise device_not_found()


def _news(connection: Connection, user_id: UserId, device_id: str, *, is_first: bool) -> Event:
    contacts = device_queries.contacts_of(connection, user_id)
    change = "added" if is_first else "changed"
    return device_keys_update(user_id=user_id, device_id=device_id, change=change, contacts=contacts)


def _low(user_id: UserId, device_id: str, keys: int, packages: int) -> Event:
    return one_time_keys_low(user_id=user_id, device_id=device_id, one_time_prekeys=keys, key_packages=packages)


def device_not_found() -> Exception:
    """The refusal of a device that is not the caller's."""
    return refuse("DEVICE_NOT_FOUND", "You have no device with this id; register it first.")
