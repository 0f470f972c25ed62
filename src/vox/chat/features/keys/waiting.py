"""Units of work around the MLS messages that wait for a device: fetch, acknowledge, and delete what is too old.

A device acknowledges by number, not up to one: processes number messages of different conversations by their own clocks, so a
lower number may come after a higher one.
"""

from vox.chat.database.unit_of_work import Change
from vox.chat.events.ids import UserId
from vox.chat.features.keys import relay_queries as queries
from vox.chat.features.keys.device_queries import delete_pairings_before, find_device, lock_device
from vox.chat.features.keys.key_queries import delete_expired_packages
from vox.chat.features.keys.limits import KEY_PACKAGES_KEPT_S, PAIRINGS_KEPT_S, WAITING_KEPT_S
from vox.chat.features.keys.published import device_not_found
from vox.chat.features.keys.schemas import Acknowledgement, Waiting
from vox.stores.sql import Connection


def waiting_for(connection: Connection, *, user_id: UserId, device_id: str, after: int, limit: int) -> Waiting:
    """What a device of a user has not yet acknowledged.

    Raises:
        Refusal: DEVICE_NOT_FOUND.
    """
    known = find_device(connection, device_id)
    if known is None or known.user_id != user_id:
        raise device_not_found()
    found = queries.waiting_for(connection, device_id=device_id, after=after, limit=limit)
    return Waiting(found, queries.has_missed(connection, device_id=device_id))


def acknowledge(connection: Connection, *, user_id: UserId, device_id: str, taken: Acknowledgement) -> Change[None]:
    """Forgets what a device has taken; numbers that do not wait for it change nothing.

    Raises:
        Refusal: DEVICE_NOT_FOUND.
    """
    if not lock_device(connection, user_id, device_id):
        raise device_not_found()
    queries.acknowledge(connection, device_id, taken.relay_ids)
    if taken.has_missed:
        queries.clear_missed(connection, device_id)
    return Change(None)


def delete_expired_keys(connection: Connection, now_s: int) -> int:
    """Deletes old pairings, key packages past their lifetime, and messages that no device took in time.

    Args:
        connection: in a unit of work.
        now_s: Unix seconds.

    Returns:
        How many rows were deleted.
    """
    removed = delete_pairings_before(connection, now_s - PAIRINGS_KEPT_S)
    removed += delete_expired_packages(connection, now_s - KEY_PACKAGES_KEPT_S)
    return removed + queries.delete_waiting_before(connection, now_s - WAITING_KEPT_S)
