"""Conversations over REST: of two, of which there is one for each pair, and groups."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vox.chat.api.access import IN_DM, USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.community import Community
from vox.chat.database.schema import dm_participants, dms, files, messages
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import dm_create, dm_recipient_add, dm_recipient_remove, dm_update
from vox.chat.features.dms.schemas import DmInfo, DmPage, DmPageQuery, OpenDm, UpdateDm
from vox.chat.features.messages.delete import purge_messages
from vox.chat.features.messages.dm_rules import assert_reachable, assert_unblocked

routes = RouteTable()


@routes.post("/dms", access=USER, body=OpenDm, status=201, returns=DmInfo)
async def open_dm(call: Call[OpenDm]) -> DmInfo:
    """The conversation with somebody, which may exist already, or a new group."""
    chat, body, caller = call.chat, call.body, call.user_id
    validate_length(chat.config.limit, "name", body.name, "dm_name_max")
    most, now_s = chat.config.limit("group_dm_recipients_max"), int(chat.clock.wall().timestamp())
    if body.recipient_id is not None:
        if body.recipient_id == caller:
            raise refuse("INVALID_TARGET", "Nobody opens a conversation with himself.")
        unit = partial(_open_pair, community=chat.community, caller=caller, other=body.recipient_id, now_s=now_s)
        return await chat.change(unit)
    if not body.recipient_ids:
        raise refuse("PROTOCOL_VERSION_MISMATCH", "Send recipient_id or recipient_ids.")
    if len(body.recipient_ids) > most:
        raise refuse("VALIDATION_ERROR", f"body.recipient_ids: expected at most {most} ids")
    members = sorted({*body.recipient_ids, caller})
    if len(members) > most:
        raise refuse("TOO_MANY_RECIPIENTS", f"A group has at most {most} members.")
    group = partial(_open_group, community=chat.community, caller=caller, members=members, name=body.name, now_s=now_s)
    return await chat.change(group)


@routes.get("/dms", access=USER, query=DmPageQuery, returns=DmPage)
async def list_dms(call: Call[None, DmPageQuery]) -> DmPage:
    """The caller's conversations by id."""
    limit = min(call.query.limit, call.chat.config.limit("page_limit_dms"))
    items = await call.chat.read(partial(_page, user_id=call.user_id, after=call.query.after or 0, limit=limit))
    return DmPage(items, str(items[-1].dm_id) if items else None)


@routes.patch("/dms/{dm_id}", access=IN_DM, body=UpdateDm, returns=DmInfo)
async def update_dm(call: Call[UpdateDm]) -> DmInfo:
    """Another name or icon."""
    validate_length(call.chat.config.limit, "name", call.body.name, "dm_name_max")
    validate_length(call.chat.config.limit, "icon", call.body.icon, "dm_icon_max")
    wanted: dict[str, Any] = {"name": call.body.name, "icon": call.body.icon}
    changed = {name: value for name, value in wanted.items() if value is not None}
    return await call.chat.change(partial(_update, dm_id=call.id("dm_id"), user_id=call.user_id, changed=changed))


@routes.post("/dms/{dm_id}/convert-to-group", access=IN_DM, returns=DmInfo)
async def convert_to_group(call: Call) -> DmInfo:
    """Makes a group of a conversation of two, so that others can be added."""
    changed = {"is_group": True}
    return await call.chat.change(partial(_update, dm_id=call.id("dm_id"), user_id=call.user_id, changed=changed))


@routes.delete("/dms/{dm_id}", access=IN_DM)
async def leave_dm(call: Call) -> None:
    """Leaves a conversation; the last one takes it along."""
    chat, dm_id = call.chat, call.id("dm_id")
    is_empty = await chat.change(partial(_leave, dm_id=dm_id, user_id=call.user_id))
    if is_empty:
        await purge_messages(chat, messages.c.dm_id == dm_id)
        await chat.change(partial(_forget, dm_id=dm_id))


@routes.put("/dms/{dm_id}/recipients/{recipient_id}", access=IN_DM)
async def add_recipient(call: Call) -> None:
    """Adds somebody to a group."""
    chat, recipient = call.chat, call.id("recipient_id")
    most = chat.config.limit("group_dm_recipients_max")
    await chat.change(
        partial(
            _add,
            community=chat.community,
            dm_id=call.id("dm_id"),
            caller=call.user_id,
            recipient=recipient,
            most=most,
        )
    )


@routes.delete("/dms/{dm_id}/recipients/{recipient_id}", access=IN_DM)
async def remove_recipient(call: Call) -> None:
    """Removes somebody else from a group."""
    recipient = call.id("recipient_id")
    if recipient == call.user_id:
        raise refuse("INVALID_OPERATION", "To leave, delete the conversation.")
    await call.chat.change(partial(_remove, dm_id=call.id("dm_id"), caller=call.user_id, recipient=recipient))


def _open_pair(connection: Connection, *, community: Community, caller: int, other: int, now_s: int) -> Change[DmInfo]:
    assert_reachable(connection, community, caller, [other])
    members = sorted((caller, other))
    pair = f"{members[0]}:{members[1]}"
    insert_new = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"is_group": False, "created_at": now_s, "pair": pair}
    statement = insert_new(dms).values(row).on_conflict_do_nothing(index_elements=["pair"]).returning(dms.c.id)
    made = connection.execute(statement).first()
    if made is None:
        return Change(_info(connection, connection.execute(select(dms.c.id).where(dms.c.pair == pair)).scalar_one()))
    dm_id: int = made[0]
    _join(connection, dm_id, members)
    event = dm_create(dm_id=dm_id, participant_ids=members, is_group=False)
    return Change(DmInfo(dm_id, members, is_group=False, name=None, icon=None), (event,))


def _open_group(
    connection: Connection, *, community: Community, caller: int, members: Sequence[int], name: str | None, now_s: int
) -> Change[DmInfo]:
    assert_reachable(connection, community, caller, [member for member in members if member != caller])
    row = {"is_group": True, "created_at": now_s, "name": name}
    dm_id: int = connection.execute(insert(dms).values(row).returning(dms.c.id)).scalar_one()
    _join(connection, dm_id, members)
    event = dm_create(dm_id=dm_id, participant_ids=members, is_group=True, name=name)
    return Change(DmInfo(dm_id, list(members), is_group=True, name=name, icon=None), (event,))


def _page(connection: Connection, *, user_id: int, after: int, limit: int) -> list[DmInfo]:
    own = select(dm_participants.c.dm_id).where(dm_participants.c.user_id == user_id, dm_participants.c.dm_id > after)
    ids = connection.execute(own.order_by(dm_participants.c.dm_id).limit(limit)).scalars().all()
    return _infos(connection, ids)


def _info(connection: Connection, dm_id: int) -> DmInfo:
    return _infos(connection, [dm_id])[0]


def _infos(connection: Connection, dm_ids: Sequence[int]) -> list[DmInfo]:
    if not dm_ids:
        return []
    members: dict[int, list[int]] = {dm_id: [] for dm_id in dm_ids}
    participant = dm_participants.c
    everybody = select(participant.dm_id, participant.user_id).where(participant.dm_id.in_(dm_ids))
    for dm_id, user_id in connection.execute(everybody.order_by(participant.user_id)):
        members[dm_id].append(user_id)
    rows = select(dms.c.id, dms.c.is_group, dms.c.name, dms.c.icon).where(dms.c.id.in_(dm_ids)).order_by(dms.c.id)
    return [
        DmInfo(dm_id, members[dm_id], bool(is_group), name, icon)
        for dm_id, is_group, name, icon in connection.execute(rows)
    ]


def _update(connection: Connection, *, dm_id: int, user_id: int, changed: dict[str, Any]) -> Change[DmInfo]:
    is_group = _locked(connection, dm_id, user_id)
    assert_unblocked(connection, dm_id, user_id)
    told = dict(changed)
    if "is_group" in changed:
        if is_group:
            told = {}
        changed = {**changed, "pair": None}
    if changed:
        connection.execute(update(dms).where(dms.c.id == dm_id).values(changed))
    events = (dm_update(dm_id=dm_id, changed=told),) if told else ()
    return Change(_info(connection, dm_id), events)


def _leave(connection: Connection, *, dm_id: int, user_id: int) -> Change[bool]:
    _locked(connection, dm_id, user_id)
    participant = dm_participants.c
    connection.execute(delete(dm_participants).where(participant.dm_id == dm_id, participant.user_id == user_id))
    connection.execute(update(dms).where(dms.c.id == dm_id).values(pair=None))
    event = dm_recipient_remove(dm_id=dm_id, user_id=user_id, is_leaving=True)
    return Change(_count(connection, dm_id) == 0, (event,))


def _forget(connection: Connection, *, dm_id: int) -> Change[None]:
    connection.execute(update(files).where(files.c.dm_id == dm_id).values(state="uploading"))
    connection.execute(delete(dms).where(dms.c.id == dm_id))
    return Change(None)


def _add(
    connection: Connection, *, community: Community, dm_id: int, caller: int, recipient: int, most: int
) -> Change[None]:
    if not _locked(connection, dm_id, caller):
        raise refuse("NOT_GROUP_DM", "Only a group takes more members.")
    if _takes_part(connection, dm_id, recipient):
        return Change(None)
    assert_reachable(connection, community, caller, [recipient])
    if _count(connection, dm_id) >= most:
        raise refuse("TOO_MANY_RECIPIENTS", f"A group has at most {most} members.")
    _join(connection, dm_id, [recipient])
    return Change(None, (dm_recipient_add(dm_id=dm_id, user_id=recipient),))


def _remove(connection: Connection, *, dm_id: int, caller: int, recipient: int) -> Change[None]:
    if not _locked(connection, dm_id, caller):
        raise refuse("NOT_GROUP_DM", "Nobody is removed from a conversation of two.")
    participant = dm_participants.c
    statement = delete(dm_participants).where(participant.dm_id == dm_id, participant.user_id == recipient)
    if not connection.execute(statement).rowcount:
        return Change(None)
    return Change(None, (dm_recipient_remove(dm_id=dm_id, user_id=recipient),))


def _locked(connection: Connection, dm_id: int, user_id: int) -> bool:
    """Whether the conversation is a group; its row stays locked, so that changes of its members come one after the other."""
    row = connection.execute(select(dms.c.is_group).where(dms.c.id == dm_id).with_for_update(key_share=True)).first()
    if row is None or not _takes_part(connection, dm_id, user_id):
        raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")
    return bool(row[0])


def _takes_part(connection: Connection, dm_id: int, user_id: int) -> bool:
    participant = dm_participants.c
    query = select(participant.user_id).where(participant.dm_id == dm_id, participant.user_id == user_id)
    return connection.execute(query).first() is not None


def _count(connection: Connection, dm_id: int) -> int:
    return connection.execute(
        select(func.count()).select_from(dm_participants).where(dm_participants.c.dm_id == dm_id)
    ).scalar_one()


def _join(connection: Connection, dm_id: int, members: Sequence[int]) -> None:
    connection.execute(insert(dm_participants), [{"dm_id": dm_id, "user_id": member} for member in members])
