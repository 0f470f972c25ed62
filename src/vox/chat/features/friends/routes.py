"""Friends, blocks and the setting of who may write to a user.

Whether two users are friends concerns only them, so events go to both and to no one else.
"""

from functools import partial

from vox.chat.api.access import self_or
from vox.chat.api.pagination import Items, page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.friends import queries, service
from vox.chat.features.friends.schemas import Blocks, DmSettings, DmSettingsChange, Friend, FriendQuery

OWN = self_or(P.ADMINISTRATOR)

routes = RouteTable()


@routes.get("/users/{user_id}/blocks", access=OWN, returns=Blocks)
async def list_blocks(call: Call) -> Blocks:
    """Lists the users that a user has blocked."""
    return Blocks(await call.chat.read(partial(queries.list_blocks, user_id=call.target_id)))


@routes.put("/users/{user_id}/blocks/{target}", access=OWN)
async def block(call: Call) -> None:
    """Blocks a user; a repeated block is no error."""
    user_id, target = _pair(call)
    await call.chat.change(partial(service.block, user_id=user_id, target=target, now_s=_now_s(call)))


@routes.delete("/users/{user_id}/blocks/{target}", access=OWN)
async def unblock(call: Call) -> None:
    """Lifts a block; without one it is no error."""
    user_id, target = _pair(call)
    await call.chat.change(partial(service.unblock, user_id=user_id, target=target))


@routes.get("/users/{user_id}/friends", access=OWN, query=FriendQuery, returns=Items[Friend])
async def list_friends(call: Call[None, FriendQuery]) -> Items[Friend]:
    """Lists the friends and open requests of a user, by id."""
    chat, page = call.chat, call.query
    limit = page_limit(chat, page.limit, "friends")
    if page.status == "incoming":
        read = partial(queries.list_incoming, user_id=call.target_id, after=page.after, limit=limit)
    else:
        read = partial(queries.list_friends, user_id=call.target_id, status=page.status, after=page.after, limit=limit)
    rows = await chat.read(read)
    return Items(rows, str(rows[-1].user_id) if rows else None)


@routes.put("/users/{user_id}/friends/{target}", access=OWN)
async def ask(call: Call) -> None:
    """Sends a friend request."""
    user_id, target = _pair(call)
    await call.chat.change(partial(service.ask, user_id=user_id, target=target, now_s=_now_s(call)))


@routes.post("/users/{user_id}/friends/{target}/accept", access=OWN)
async def accept(call: Call) -> None:
    """Accepts a friend request."""
    user_id, target = _pair(call)
    await call.chat.change(partial(service.accept, user_id=user_id, target=target, now_s=_now_s(call)))


@routes.post("/users/{user_id}/friends/{target}/reject", access=OWN)
async def reject(call: Call) -> None:
    """Rejects a friend request."""
    user_id, target = _pair(call)
    await call.chat.change(partial(service.reject, user_id=user_id, target=target))


@routes.delete("/users/{user_id}/friends/{target}", access=OWN)
async def unfriend(call: Call) -> None:
    """Ends a friendship, or withdraws a request."""
    user_id, target = _pair(call)
    await call.chat.change(partial(service.unfriend, user_id=user_id, target=target))


@routes.get("/users/{user_id}/dm-settings", access=OWN, returns=DmSettings)
async def get_dm_settings(call: Call) -> DmSettings:
    """Returns who may write to a user."""
    return DmSettings(await call.chat.read(partial(queries.read_dm_permission, user_id=call.target_id)))


@routes.patch("/users/{user_id}/dm-settings", access=OWN, body=DmSettingsChange, returns=DmSettings)
async def change_dm_settings(call: Call[DmSettingsChange]) -> DmSettings:
    """Sets who may write to a user."""
    user_id, dm_permission = call.target_id, call.body.dm_permission
    if dm_permission is None:
        return await get_dm_settings(call)
    await call.chat.change(partial(service.set_dm_permission, user_id=user_id, dm_permission=dm_permission))
    return DmSettings(dm_permission)


def _pair(call: Call) -> tuple[UserId, UserId]:
    user_id, target = call.target_id, call.id("target")
    if target == user_id:
        raise refuse("INVALID_TARGET", "You cannot do this to yourself; choose another user.")
    if target not in call.chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {target}.")
    return user_id, target


def _now_s(call: Call) -> int:
    return call.chat.clock.unix_s()
