"""SQL of friends, blocks and the setting of who may write to a user.

A friendship is two rows, one in each direction; a request is one row, owned by the user who asks.
"""

from sqlalchemy import Connection, delete, or_, select, update

from vox.chat.database import quotas
from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import blocks, dm_settings, friends, users
from vox.chat.events.ids import UserId
from vox.chat.features.friends.schemas import DmPermission, Friend


def list_blocks(connection: Connection, *, user_id: UserId) -> list[int]:
    """The users that a user has blocked, ascending."""
    return list(
        connection.execute(select(blocks.c.blocked_id).where(blocks.c.user_id == user_id).order_by(blocks.c.blocked_id))
        .scalars()
        .all()
    )


def has_blocked(connection: Connection, *, user_id: UserId, target: UserId) -> bool:
    """Whether a user has blocked the target."""
    pair = (blocks.c.user_id == user_id) & (blocks.c.blocked_id == target)
    return connection.execute(select(blocks.c.user_id).where(pair)).first() is not None


def insert_block(connection: Connection, *, user_id: UserId, target: UserId, now_s: int) -> bool:
    """Stores a block; False where there is one already.

    Raises:
        Refusal: INVALID_OPERATION, the user has as many blocks as there may be.
    """
    if not insert_if_absent(connection, blocks, {"user_id": user_id, "blocked_id": target, "created_at": now_s}):
        return False
    # The new one is among those that are counted.
    check_quota(connection, blocks, quotas.MAX_BLOCKS + 1, "blocked users", blocks.c.user_id == user_id)
    return True


def delete_block(connection: Connection, *, user_id: UserId, target: UserId) -> bool:
    """Deletes a block; False where there is none."""
    row = (blocks.c.user_id == user_id) & (blocks.c.blocked_id == target)
    return bool(connection.execute(delete(blocks).where(row)).rowcount)


def list_friends(
    connection: Connection, *, user_id: UserId, status: str | None, after: int, limit: int
) -> list[Friend]:
    """Friends of a user and the requests the user has sent, by id.

    Args:
        connection: of a reader.
        user_id: the owner.
        status: pending or accepted; None for both.
        after: lists higher ids only.
        limit: how many at most.
    """
    rows = connection.execute(
        select(users.c.id, users.c.display_name, users.c.username, users.c.avatar, friends.c.status)
        .join(friends, friends.c.friend_id == users.c.id)
        .where(
            friends.c.user_id == user_id,
            friends.c.friend_id > after,
            *([friends.c.status == status] if status else []),
        )
        .order_by(friends.c.friend_id)
        .limit(limit)
    )
    return [Friend(row.id, row.display_name or row.username, row.avatar, row.status) for row in rows]


def list_incoming(connection: Connection, *, user_id: UserId, after: int, limit: int) -> list[Friend]:
    """Users who ask a user for friendship and have no answer yet, by id; those the user has blocked are left out.

    Args:
        connection: of a reader.
        user_id: who is asked.
        after: lists higher ids only.
        limit: how many at most.
    """
    blocked = select(blocks.c.blocked_id).where(blocks.c.user_id == user_id)
    rows = connection.execute(
        select(users.c.id, users.c.display_name, users.c.username, users.c.avatar)
        .join(friends, friends.c.user_id == users.c.id)
        .where(
            friends.c.friend_id == user_id,
            friends.c.status == "pending",
            friends.c.user_id > after,
            friends.c.user_id.not_in(blocked),
        )
        .order_by(friends.c.user_id)
        .limit(limit)
    )
    return [Friend(row.id, row.display_name or row.username, row.avatar, "incoming") for row in rows]


def insert_request(connection: Connection, *, user_id: UserId, target: UserId, now_s: int) -> bool:
    """Stores a request of a user to the target; False where there is a request or friendship already."""
    return insert_if_absent(connection, friends, _row(user_id, target, "pending", now_s))


def accept_request(connection: Connection, *, user_id: UserId, target: UserId, now_s: int) -> bool:
    """Makes the request of the target to a user a friendship of both; False where there is no request."""
    there = (friends.c.user_id == target) & (friends.c.friend_id == user_id) & (friends.c.status == "pending")
    back = (friends.c.user_id == user_id) & (friends.c.friend_id == target)
    if not connection.execute(update(friends).where(there).values(status="accepted")).rowcount:
        return False
    if not insert_if_absent(connection, friends, _row(user_id, target, "accepted", now_s)):
        connection.execute(update(friends).where(back).values(status="accepted"))
    return True


def delete_request(connection: Connection, *, user_id: UserId, target: UserId) -> bool:
    """Deletes the request of the target to a user; False where there is none."""
    pending = (friends.c.user_id == target) & (friends.c.friend_id == user_id) & (friends.c.status == "pending")
    return bool(connection.execute(delete(friends).where(pending)).rowcount)


def delete_friendship(connection: Connection, *, user_id: UserId, target: UserId) -> bool:
    """Deletes friendship and requests between two users, in both directions; False where there is none."""
    either = or_(
        (friends.c.user_id == user_id) & (friends.c.friend_id == target),
        (friends.c.user_id == target) & (friends.c.friend_id == user_id),
    )
    return bool(connection.execute(delete(friends).where(either)).rowcount)


def read_dm_permission(connection: Connection, *, user_id: UserId) -> DmPermission:
    """Who may write to a user; everyone where nothing is stored."""
    found = connection.execute(select(dm_settings.c.dm_permission).where(dm_settings.c.user_id == user_id)).scalar()
    return found or "everyone"


def store_dm_permission(connection: Connection, *, user_id: UserId, dm_permission: DmPermission) -> None:
    """Stores who may write to a user."""
    if not insert_if_absent(connection, dm_settings, {"user_id": user_id, "dm_permission": dm_permission}):
        connection.execute(
            update(dm_settings).where(dm_settings.c.user_id == user_id).values(dm_permission=dm_permission)
        )


def _row(user_id: UserId, friend_id: UserId, status: str, now_s: int) -> dict[str, int | str]:
    return {"user_id": user_id, "friend_id": friend_id, "status": status, "created_at": now_s}
