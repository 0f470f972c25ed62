"""The relay of MLS and pairing messages: checked, put in order, kept for devices that are away, and sent; never read.

Without a conversation an MLS message goes to the sender's own sessions and is not kept, as in the original. In a conversation it
goes to the sessions of its participants, and waits for each of their devices until that acknowledges it. Of two commits of one
group and epoch the first is taken: the conversation's row is locked while it is decided, so this holds over all processes.
"""

import base64
import binascii
from collections.abc import Sequence
from functools import partial
from typing import Final

from vox.chat.community import Community
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, NextId
from vox.chat.errors import refuse
from vox.chat.events import Participants, Users
from vox.chat.events.ids import DmId, UserId
from vox.chat.events.keys import cpace_message, mls_message
from vox.chat.features.dms.queries import lock_dm
from vox.chat.features.keys import relay_queries as queries
from vox.chat.features.keys.device_queries import devices_of
from vox.chat.features.keys.limits import MAX_GROUP_ID, MAX_PAIR_ID, MAX_REQUEST_ID, MAX_TAKEN, RELAYS
from vox.chat.features.keys.pairing import assert_relayed
from vox.chat.features.keys.published import device_not_found
from vox.chat.features.keys.rates import assert_below
from vox.chat.features.keys.schemas import WaitingMessage
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.protocols.gateway import MlsRelay, Relayed
from vox.protocols.gateway_server import as_id
from vox.protocols.mls_framing import read_header
from vox.stores.sql import Connection

MAX_EPOCH: Final = (1 << 63) - 2


async def relay(chat: ChatContext, user_id: UserId, asked: Relayed) -> None:
    """Passes on what a client sent for other devices; its size was checked when it came.

    Raises:
        Refusal: RATE_LIMITED, VALIDATION_ERROR, PAIRING_NOT_FOUND, NOT_DM_PARTICIPANT, USER_BLOCKED, DEVICE_NOT_FOUND,
            MLS_EPOCH_CONFLICT.
        DependencyError: the database failed.
    """
    await assert_below(chat, f"user:{user_id}", RELAYS, "Too many messages to devices")
    if not isinstance(asked, MlsRelay):
        _assert_text("pair_id", asked.pair_id, MAX_PAIR_ID)
        now_s = chat.clock.unix_s()
        await chat.read(partial(assert_relayed, user_id=user_id, pair_id=asked.pair_id, now_s=now_s))
        chat.tell(
            cpace_message(
                asked.cpace_type,
                user_id=user_id,
                pair_id=asked.pair_id,
                data=asked.data,
                nonce=asked.nonce if asked.cpace_type == "new_device_key" else None,
            )
        )
        return
    _assert_text("request_id", asked.request_id, MAX_REQUEST_ID)
    if asked.dm_id is None:
        own = Users((user_id,))
        chat.tell(mls_message(asked.mls_type, data=asked.data, audience=own, request_id=asked.request_id))
        return
    dm_id = as_id(asked.dm_id)
    if dm_id is None or not chat.community.in_dm(user_id, DmId(dm_id)):
        raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")
    await chat.change(
        partial(
            send,
            user_id=user_id,
            dm_id=DmId(dm_id),
            asked=placed_in_group(asked),
            community=chat.community,
            next_id=chat.ids.next,
            now_s=chat.clock.unix_s(),
        )
    )


def placed_in_group(asked: MlsRelay) -> MlsRelay:
    """A message with the group and epoch that it names itself in MLS framing; else those that came beside it.

    Raises:
        Refusal: VALIDATION_ERROR where it is of another kind than it was sent as, or a field is wrong.
    """
    if not isinstance(asked.data, str) or "\0" in asked.data:
        raise _invalid("data", "a text without NUL, as base64 is")
    for field, value in (("group_id", asked.group_id), ("device_id", asked.device_id)):
        _assert_text(field, value, MAX_GROUP_ID)
    if asked.device_ids is not None and len(asked.device_ids) > MAX_TAKEN:
        raise _invalid("device_ids", f"at most {MAX_TAKEN} devices")
    for device_id in asked.device_ids or ():
        _assert_text("device_ids", device_id, MAX_GROUP_ID)
    try:
        header = read_header(base64.b64decode(asked.data, validate=True))
    except (binascii.Error, ValueError):
        header = None
    if header is not None:
        if header.kind != asked.mls_type:
            raise _invalid("mls_type", f"{header.kind}, which the message is")
        is_in_group = header.kind != "welcome"
        asked.group_id = base64.b64encode(header.group_id).decode() if is_in_group else asked.group_id
        asked.epoch = header.epoch if is_in_group else asked.epoch
    if asked.epoch is not None and not 0 <= asked.epoch <= MAX_EPOCH:
        raise _invalid("epoch", "a number below 2^63 - 1")
    return asked


def send(
    connection: Connection,
    *,
    user_id: UserId,
    dm_id: DmId,
    asked: MlsRelay,
    community: Community,
    next_id: NextId,
    now_s: int,
) -> Change[int]:
    """Keeps a message for the devices of a conversation, and sends it; returns its number.

    Raises:
        Refusal: NOT_DM_PARTICIPANT, USER_BLOCKED, DEVICE_NOT_FOUND, MLS_EPOCH_CONFLICT.
    """
    # The lock orders messages, commits and changes of the members of this conversation.
    members = queries.participants_of(connection, dm_id) if lock_dm(connection, dm_id) is not None else []
    if user_id not in members:
        raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")
    assert_unblocked(connection, dm_id, user_id)
    active = [one for one in members if one in community.users and community.users[one].is_active]
    owners = dict(devices_of(connection, active))
    receivers = _receivers(asked, owners, user_id)
    relay_id = next_id(queries.last_message_id(connection, dm_id))
    if asked.mls_type == "commit" and asked.group_id is not None and asked.epoch is not None:
        current = queries.advance_epoch(connection, dm_id, asked.group_id, asked.epoch, relay_id)
        if current is not None:
            raise refuse(
                "MLS_EPOCH_CONFLICT",
                f"The group is in epoch {current}: take the commits that came first, and commit again.",
                epoch=current,
            )
    message = WaitingMessage(
        relay_id=relay_id,
        mls_type=asked.mls_type,
        data=asked.data,
        dm_id=dm_id,
        sender_id=user_id,
        sender_device_id=asked.device_id,
        group_id=asked.group_id,
        epoch=asked.epoch,
        created_at=now_s,
    )
    if receivers:
        queries.insert_message(connection, message, receivers)
    is_for_all = asked.device_ids is None
    concerned = Users(tuple(sorted({user_id, *(owners[one] for one in receivers)})))
    event = mls_message(
        asked.mls_type,
        data=asked.data,
        audience=Participants(dm_id) if is_for_all else concerned,
        dm_id=dm_id,
        relay_id=relay_id,
        sender_id=user_id,
        sender_device_id=asked.device_id,
        group_id=asked.group_id,
        epoch=asked.epoch,
        request_id=asked.request_id,
    )
    return Change(relay_id, [event])


def _receivers(asked: MlsRelay, owners: dict[str, UserId], sender_id: UserId) -> Sequence[str]:
    if asked.device_id is not None and owners.get(asked.device_id) != sender_id:
        raise device_not_found()
    if asked.device_ids is None:
        return [one for one in owners if one != asked.device_id]
    if unknown := [one for one in asked.device_ids if one not in owners]:
        raise refuse("DEVICE_NOT_FOUND", f"No participant of this conversation has the device {unknown[0]!r}.")
    return list(dict.fromkeys(asked.device_ids))


def _assert_text(field: str, value: str | None, longest: int) -> None:
    if value is not None and (len(value) > longest or "\0" in value):
        raise _invalid(field, f"at most {longest} characters, without NUL")


def _invalid(field: str, wish: str) -> Exception:
    return refuse("VALIDATION_ERROR", f"{field}: expected {wish}")
