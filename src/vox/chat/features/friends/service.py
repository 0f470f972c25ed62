"""Units of work that block, befriend and set who may write, with the events for both users.

A user who is blocked cannot ask for friendship, and asking again changes nothing.
"""

from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import block_add, block_remove, friend_add, friend_reject, friend_remove, friend_request
from vox.chat.events.ids import UserId
from vox.chat.features.friends import queries
from vox.chat.features.friends.schemas import DmPermission
from vox.stores.sql import Connection


def block(connection: Connection, *, user_id: UserId, target: UserId, now_s: int) -> Change[None]:
    """Blocks the target; a repeated block changes nothing.

    Raises:
        Refusal: INVALID_OPERATION, there are too many.
    """
    if not queries.insert_block(connection, user_id=user_id, target=target, now_s=now_s):
        return Change(None)
    return Change(None, [block_add(user_id=user_id, target_id=target)])


def unblock(connection: Connection, *, user_id: UserId, target: UserId) -> Change[None]:
    """Lifts a block; without one it changes nothing."""
    if not queries.delete_block(connection, user_id=user_id, target=target):
        return Change(None)
    return Change(None, [block_remove(user_id=user_id, target_id=target)])


def ask(connection: Connection, *, user_id: UserId, target: UserId, now_s: int) -> Change[None]:
    """Sends a friend request.

    Raises:
        Refusal: USER_BLOCKED, the target has blocked the user.
    """
    if queries.has_blocked(connection, user_id=target, target=user_id):
        raise refuse("USER_BLOCKED", "This user has blocked you.")
    if not queries.insert_request(connection, user_id=user_id, target=target, now_s=now_s):
        return Change(None)
    return Change(None, [friend_request(user_id=user_id, target_id=target)])


def accept(connection: Connection, *, user_id: UserId, target: UserId, now_s: int) -> Change[None]:
    """Accepts the request of the target.

    Raises:
        Refusal: REQUEST_NOT_FOUND.
    """
    if not queries.accept_request(connection, user_id=user_id, target=target, now_s=now_s):
        raise _no_request(target)
    return Change(None, [friend_add(user_id=user_id, target_id=target)])


def reject(connection: Connection, *, user_id: UserId, target: UserId) -> Change[None]:
    """Rejects the request of the target.

    Raises:
        Refusal: REQUEST_NOT_FOUND.
    """
    if not queries.delete_request(connection, user_id=user_id, target=target):
        raise _no_request(target)
    return Change(None, [friend_reject(user_id=user_id, target_id=target)])


def unfriend(connection: Connection, *, user_id: UserId, target: UserId) -> Change[None]:
    """Ends a friendship or withdraws a request; without either it changes nothing."""
    if not queries.delete_friendship(connection, user_id=user_id, target=target):
        return Change(None)
    return Change(None, [friend_remove(user_id=user_id, target_id=target)])


def set_dm_permission(connection: Connection, *, user_id: UserId, dm_permission: DmPermission) -> Change[None]:
    """Sets who may write to a user."""
    queries.store_dm_permission(connection, user_id=user_id, dm_permission=dm_permission)
    return Change(None)


def _no_request(target: UserId) -> Exception:
    return refuse("REQUEST_NOT_FOUND", f"There is no friend request from user {target}.")
