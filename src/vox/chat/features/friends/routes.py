"""Friends, blocks and who may write to whom: what a user decides about others.

A friendship is two rows, one in each direction; a request is one row of the one who asks. Nobody can ask who was blocked by the
other, and asking again changes nothing.
"""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, delete, or_, select, update

from vox.chat.api.access import self_or
from vox.chat.api.pages import Items
from vox.chat.api.pagination import page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.database import quotas
from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import blocks, dm_settings, friends, users
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import block_add, block_remove, friend_add, friend_reject, friend_remove, friend_request
from vox.chat.events.permissions import P
from vox.chat.features.friends.schemas import Blocks, DmSettings, DmSettingsChange, Friend, FriendQuery

OWN = self_or(P.ADMINISTRATOR)

routes = RouteTable()


@routes.get("/users/{user_id}/blocks", access=OWN, returns=Blocks)
async def list_blocks(call: Call) -> Blocks:
    """Whom a user has blocked."""
    ids = await call.chat.read(partial(_blocked, user_id=call.target_id))
    return Blocks(list(ids))


@routes.put("/users/{user_id}/blocks/{target}", access=OWN)
async def block(call: Call) -> None:
    """Blocks somebody; once more is no error."""
    user_id, target = _pair(call)
    await call.chat.change(partial(_block, user_id=user_id, target=target, now_s=_now_s(call)))


@routes.delete("/users/{user_id}/blocks/{target}", access=OWN)
async def unblock(call: Call) -> None:
    """Lifts a block; one that is not there is no error."""
    user_id, target = _pair(call)
    await call.chat.change(partial(_unblock, user_id=user_id, target=target))


@routes.get("/users/{user_id}/friends", access=OWN, query=FriendQuery, returns=Items[Friend])
async def list_friends(call: Call[None, FriendQuery]) -> Items[Friend]:
    """Friends and open requests of a user, by id."""
    chat, page = call.chat, call.query
    rows = await chat.read(
        partial(
            _friends,
            user_id=call.target_id,
            status=page.status,
            after=page.after,
            limit=page_limit(chat, page.limit, "friends"),
        )
    )
    return Items(rows, str(rows[-1].user_id) if rows else None)


@routes.put("/users/{user_id}/friends/{target}", access=OWN)
async def ask(call: Call) -> None:
    """Asks somebody to become a friend."""
    user_id, target = _pair(call)
    await call.chat.change(partial(_ask, user_id=user_id, target=target, now_s=_now_s(call)))


@routes.post("/users/{user_id}/friends/{target}/accept", access=OWN)
async def accept(call: Call) -> None:
    """Accepts the request of somebody; both are friends then."""
    user_id, target = _pair(call)
    await call.chat.change(partial(_accept, user_id=user_id, target=target, now_s=_now_s(call)))


@routes.post("/users/{user_id}/friends/{target}/reject", access=OWN)
async def reject(call: Call) -> None:
    """Turns the request of somebody down."""
    user_id, target = _pair(call)
    await call.chat.change(partial(_reject, user_id=user_id, target=target))


@routes.delete("/users/{user_id}/friends/{target}", access=OWN)
async def unfriend(call: Call) -> None:
    """Ends a friendship, or takes a request back."""
    user_id, target = _pair(call)
    await call.chat.change(partial(_unfriend, user_id=user_id, target=target))


@routes.get("/users/{user_id}/dm-settings", access=OWN, returns=DmSettings)
async def get_dm_settings(call: Call) -> DmSettings:
    """Who may write to a user."""
    user_id = call.target_id
    found = await call.chat.read(
        lambda connection: connection.execute(
            select(dm_settings.c.dm_permission).where(dm_settings.c.user_id == user_id)
        ).scalar()
    )
    return DmSettings(found or "everyone")


@routes.patch("/users/{user_id}/dm-settings", access=OWN, body=DmSettingsChange, returns=DmSettings)
async def change_dm_settings(call: Call[DmSettingsChange]) -> DmSettings:
    """Another choice of who may write to a user."""
    user_id, wanted = call.target_id, call.body.dm_permission
    if wanted is None:
        return await get_dm_settings(call)

    def unit(connection: Connection) -> Change[None]:
        if not insert_if_absent(connection, dm_settings, {"user_id": user_id, "dm_permission": wanted}):
            connection.execute(update(dm_settings).where(dm_settings.c.user_id == user_id).values(dm_permission=wanted))
        return Change(None)

    await call.chat.change(unit)
    return DmSettings(wanted)


def _blocked(connection: Connection, *, user_id: int) -> Sequence[int]:
    return (
        connection.execute(select(blocks.c.blocked_id).where(blocks.c.user_id == user_id).order_by(blocks.c.blocked_id))
        .scalars()
        .all()
    )


def _block(connection: Connection, *, user_id: int, target: int, now_s: int) -> Change[None]:
    if not insert_if_absent(connection, blocks, {"user_id": user_id, "blocked_id": target, "created_at": now_s}):
        return Change(None)
    # The new one is among those that are counted.
    check_quota(connection, blocks, quotas.MAX_BLOCKS + 1, "blocked users", blocks.c.user_id == user_id)
    return Change(None, [block_add(user_id=user_id, target_id=target)])


def _unblock(connection: Connection, *, user_id: int, target: int) -> Change[None]:
    row = (blocks.c.user_id == user_id) & (blocks.c.blocked_id == target)
    if not connection.execute(delete(blocks).where(row)).rowcount:
        return Change(None)
    return Change(None, [block_remove(user_id=user_id, target_id=target)])


def _friends(connection: Connection, *, user_id: int, status: str | None, after: int, limit: int) -> list[Friend]:
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


def _ask(connection: Connection, *, user_id: int, target: int, now_s: int) -> Change[None]:
    refused = (blocks.c.user_id == target) & (blocks.c.blocked_id == user_id)
    if connection.execute(select(blocks.c.user_id).where(refused)).first() is not None:
        raise refuse("USER_BLOCKED", "This user has blocked you.")
    if not insert_if_absent(connection, friends, _row(user_id, target, "pending", now_s)):
        return Change(None)
    return Change(None, [friend_request(user_id=user_id, target_id=target)])


def _accept(connection: Connection, *, user_id: int, target: int, now_s: int) -> Change[None]:
    there = (friends.c.user_id == target) & (friends.c.friend_id == user_id) & (friends.c.status == "pending")
    back = (friends.c.user_id == user_id) & (friends.c.friend_id == target)
    if not connection.execute(update(friends).where(there).values(status="accepted")).rowcount:
        raise _no_request(target)
    if not insert_if_absent(connection, friends, _row(user_id, target, "accepted", now_s)):
        connection.execute(update(friends).where(back).values(status="accepted"))
    return Change(None, [friend_add(user_id=user_id, target_id=target)])


def _reject(connection: Connection, *, user_id: int, target: int) -> Change[None]:
    pending = (friends.c.user_id == target) & (friends.c.friend_id == user_id) & (friends.c.status == "pending")
    if not connection.execute(delete(friends).where(pending)).rowcount:
        raise _no_request(target)
    return Change(None, [friend_reject(user_id=user_id, target_id=target)])


def _unfriend(connection: Connection, *, user_id: int, target: int) -> Change[None]:
    either = or_(
        (friends.c.user_id == user_id) & (friends.c.friend_id == target),
        (friends.c.user_id == target) & (friends.c.friend_id == user_id),
    )
    if not connection.execute(delete(friends).where(either)).rowcount:
        return Change(None)
    return Change(None, [friend_remove(user_id=user_id, target_id=target)])


def _row(user_id: int, friend_id: int, status: str, now_s: int) -> dict[str, int | str]:
    return {"user_id": user_id, "friend_id": friend_id, "status": status, "created_at": now_s}


def _pair(call: Call) -> tuple[int, int]:
    user_id, target = call.target_id, call.id("target")
    if target == user_id:
        raise refuse("INVALID_TARGET", "This is meant for somebody else.")
    if target not in call.chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {target}.")
    return user_id, target


def _no_request(target: int) -> Exception:
    return refuse("REQUEST_NOT_FOUND", f"User {target} has not asked.")


def _now_s(call: Call) -> int:
    return int(call.chat.clock.wall().timestamp())
