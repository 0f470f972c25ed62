"""Conversations over REST: of two users, of which there is one for each pair, and groups."""

from functools import partial
from typing import Any

from vox.chat.api.access import IN_DM, USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_address, validate_length, with_name
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.features.dms import service
from vox.chat.features.dms.queries import dms_of_user
from vox.chat.features.dms.schemas import DmInfo, DmPage, DmPageQuery, OpenDm, UpdateDm
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.delete import purge_messages

routes = RouteTable()


@routes.post("/dms", access=USER, body=OpenDm, status=201, returns=DmInfo)
async def open_dm(call: Call[OpenDm]) -> DmInfo:
    """Opens the conversation with another user, which may exist already, or creates a group."""
    chat, caller = call.chat, call.user_id
    body = with_name(chat.config.limit, call.body, "dm_name_max")
    most, now_s = chat.config.limit("group_dm_recipients_max"), chat.clock.unix_s()
    if body.recipient_id is not None:
        if body.recipient_id == caller:
            raise refuse("INVALID_TARGET", "You cannot start a conversation with yourself.")
        pair = partial(
            service.open_pair,
            community=chat.community,
            caller_id=caller,
            other_id=UserId(body.recipient_id),
            now_s=now_s,
        )
        opened = await chat.change(pair)
        other = chat.community.users.get(pair.keywords["other_id"])
        if chat.federation is not None and other is not None and other.is_federated:
            await chat.federation.ask_presence(other.username)
        return opened
    if not body.recipient_ids:
        raise refuse("PROTOCOL_VERSION_MISMATCH", "Send recipient_id or recipient_ids.")
    if len(body.recipient_ids) > most:
        raise refuse("VALIDATION_ERROR", f"body.recipient_ids: expected at most {most} ids")
    members = sorted({*map(UserId, body.recipient_ids), caller})
    if len(members) > most:
        raise refuse("TOO_MANY_RECIPIENTS", f"A group has at most {most} members.")
    group = partial(
        service.open_group,
        community=chat.community,
        caller_id=caller,
        member_ids=members,
        name=body.name,
        now_s=now_s,
    )
    return await chat.change(group)


@routes.get("/dms", access=USER, query=DmPageQuery, returns=DmPage)
async def list_dms(call: Call[None, DmPageQuery]) -> DmPage:
    """The caller's conversations by id."""
    limit = min(call.query.limit, call.chat.config.limit("page_limit_dms"))
    items = await call.chat.read(partial(dms_of_user, user_id=call.user_id, after=call.query.after or 0, limit=limit))
    return DmPage(items, str(items[-1].dm_id) if items else None)


@routes.patch("/dms/{dm_id}", access=IN_DM, body=UpdateDm, returns=DmInfo)
async def update_dm(call: Call[UpdateDm]) -> DmInfo:
    """Changes name or icon."""
    body = with_name(call.chat.config.limit, call.body, "dm_name_max")
    validate_length(call.chat.config.limit, "icon", body.icon, "dm_icon_max")
    validate_address("icon", body.icon)
    given: dict[str, Any] = {"name": body.name, "icon": body.icon}
    changed = {name: value for name, value in given.items() if value is not None}
    return await call.chat.change(
        partial(
            service.update_dm,
            community=call.chat.community,
            dm_id=call.id("dm_id"),
            user_id=call.user_id,
            changed=changed,
        )
    )


@routes.post("/dms/{dm_id}/convert-to-group", access=IN_DM, returns=DmInfo)
async def convert_to_group(call: Call) -> DmInfo:
    """Makes a conversation of two a group, so that members can be added."""
    changed = {"is_group": True}
    return await call.chat.change(
        partial(
            service.update_dm,
            community=call.chat.community,
            dm_id=call.id("dm_id"),
            user_id=call.user_id,
            changed=changed,
        )
    )


@routes.delete("/dms/{dm_id}", access=IN_DM)
async def leave_dm(call: Call) -> None:
    """Leaves a conversation; it is deleted when its last participant leaves."""
    chat, dm_id = call.chat, call.id("dm_id")
    is_empty = await chat.change(partial(service.leave_dm, dm_id=dm_id, user_id=call.user_id))
    if is_empty:
        await purge_messages(chat, MessageLocation("dm", dm_id))
        await chat.change(partial(service.delete_dm, dm_id=dm_id))


@routes.put("/dms/{dm_id}/recipients/{recipient_id}", access=IN_DM)
async def add_recipient(call: Call) -> None:
    """Adds a user to a group."""
    chat, recipient = call.chat, call.id("recipient_id")
    limit = chat.config.limit("group_dm_recipients_max")
    await chat.change(
        partial(
            service.add_recipient,
            community=chat.community,
            dm_id=call.id("dm_id"),
            caller_id=call.user_id,
            recipient_id=recipient,
            limit=limit,
        )
    )


@routes.delete("/dms/{dm_id}/recipients/{recipient_id}", access=IN_DM)
async def remove_recipient(call: Call) -> None:
    """Removes another user from a group."""
    recipient = call.id("recipient_id")
    if recipient == call.user_id:
        raise refuse("INVALID_OPERATION", "You cannot remove yourself; delete the conversation to leave it.")
    await call.chat.change(
        partial(service.remove_recipient, dm_id=call.id("dm_id"), caller_id=call.user_id, recipient_id=recipient)
    )
