"""What other servers bring: messages, typing, read marks and presence.

A message is stored once, however often it comes: its receipt is written in the transaction of the message, under the name that its
own server gave it.
"""

from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import Event
from vox.chat.events.audience import Users
from vox.chat.events.ids import DmId, MessageId, UserId
from vox.chat.events.messages import typing_start
from vox.chat.features.federation import queries as own
from vox.chat.features.federation.contacts import ensure_contact, ensure_pair
from vox.chat.features.federation.inbound import federation_of, find_recipient, recipient_of, user_of
from vox.chat.features.federation.remote_files import fetch_files
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.content import content_of
from vox.chat.features.messages.insert import NewMessage, insert_message
from vox.chat.features.messages.read_state import bounded_mark, mark_dm_read
from vox.chat.features.messages.schemas import SendMessage
from vox.chat.federation import queries
from vox.chat.federation.wire import PresenceNotify, RelayMessage, RelayRead, RelayTyping
from vox.protocols.gateway import STATUSES
from vox.stores.sql import Connection

OFFLINE: Final = "offline"


async def receive_message(chat: ChatContext, domain: str, said: RelayMessage) -> None:
    """Stores a message of another server; one that came before changes nothing.

    Raises:
        Refusal: FED_AUTH_FAILED, FED_USER_NOT_FOUND, PAYLOAD_TOO_LARGE, BANNED, USER_BLOCKED, DM_PERMISSION_DENIED, or of the content.
    """
    sender = user_of(chat, said.sender, domain)
    most = chat.config.limit("relay_payload_max")
    if len(said.opaque_blob) > most or len(said.body or "") > most:
        raise refuse("PAYLOAD_TOO_LARGE", f"A message between servers has at most {most} characters.")
    recipient = await recipient_of(chat, said.recipient)
    if said.delivery_id is not None and await chat.read(
        partial(own.is_received, domain=domain, delivery_id=said.delivery_id)
    ):
        return
    author_id = await ensure_contact(chat, sender)
    dm_id = await ensure_pair(chat, author_id, recipient.id, sender)
    federation_of(chat).viewed(author_id, str(sender))
    file_ids = await fetch_files(chat, domain, author_id, dm_id, said.files) if said.files else []
    body, blob = (said.body, None) if said.body is not None else (None, said.opaque_blob or None)
    if body is None and blob is None and not file_ids and said.files:
        body = "\N{PAPERCLIP}"  # none of its files may come, and nothing of it may be lost silently
    message = SendMessage(body=body, opaque_blob=blob, attachments=file_ids or None)
    content = content_of(message, chat.config.limit, may_embed=False, takes_blob=True)
    draft = NewMessage(author_id, Address(dm_id=dm_id), content)
    with map_conflict(refuse("UNAVAILABLE", "That conversation has just been deleted.", retry_after_ms=1000)):
        await chat.change(
            partial(
                store_message,
                draft=draft,
                said=said,
                domain=domain,
                address=str(sender),
                next_id=chat.ids.next,
                now_s=chat.clock.unix_s(),
            )
        )


def store_message(
    connection: Connection,
    *,
    draft: NewMessage,
    said: RelayMessage,
    domain: str,
    address: str,
    next_id: Any,
    now_s: int,
) -> Change[bool]:
    """Stores message and receipt, in one transaction; whether it is new.

    Args:
        connection: of the writer.
        draft: the message.
        said: as it came.
        domain: of its server.
        address: of its author.
        next_id: gives snowflakes.
        now_s: Unix seconds.
    """
    if said.delivery_id is not None:
        if not queries.note_received(connection, domain, said.delivery_id, said.sequence, now_s):
            return Change(False)
        queries.forget_settled(connection, domain, said.settled_before, now_s)
    change = insert_message(connection, draft, next_id, now_s)
    msg_id, dm_id = change.value.msg_id, draft.address.dm_id or DmId(0)
    own.mark_federated(connection, msg_id, address)
    if said.delivery_id is not None:
        queries.link_received(connection, domain, said.delivery_id, dm_id, msg_id)
    return Change(True, change.events)


async def receive_typing(chat: ChatContext, domain: str, said: RelayTyping) -> None:
    """Shows a user of another server as typing; what is unknown is ignored.

    Raises:
        Refusal: FED_AUTH_FAILED.
    """
    pair = await _known_pair(chat, domain, said.sender, said.recipient)
    if pair is not None:
        user_id, dm_id = pair
        chat.tell(typing_start(user_id=user_id, dm_id=dm_id))


async def receive_read(chat: ChatContext, domain: str, said: RelayRead) -> None:
    """Moves the read mark of a user of another server; what is unknown is ignored.

    Raises:
        Refusal: FED_AUTH_FAILED.
    """
    pair = await _known_pair(chat, domain, said.sender, said.recipient)
    if pair is None:
        return
    user_id, dm_id = pair
    mark = await chat.read(partial(_mark, dm_id=dm_id, said=said, now_ms=chat.clock.unix_ms()))
    if mark is not None:
        await chat.change(partial(mark_dm_read, user_id=user_id, dm_id=dm_id, msg_id=mark))


async def receive_presence(chat: ChatContext, domain: str, said: PresenceNotify) -> None:
    """Shows the presence of a user of another server to those who write with them; what is unknown is ignored.

    Raises:
        Refusal: FED_AUTH_FAILED.
    """
    address = user_of(chat, said.user_address, domain)
    user_id = await chat.read(partial(queries.find_remote_user, address=str(address), domain=domain))
    person = None if user_id is None else chat.community.users.get(user_id)
    if user_id is None or person is None or not person.is_active:
        return
    partners = await chat.read(partial(own.partners_of, user_id=user_id))
    status = said.status if said.status in STATUSES and said.status != "invisible" else OFFLINE
    payload: dict[str, Any] = {"user_id": user_id, "status": status}
    activity = _activity(said.activity, chat.config.limit("presence_activity_max"))
    if activity is not None:
        payload["activity"] = activity
    if partners:
        chat.tell(Event("presence_update", payload, Users(tuple(partners))))


async def _known_pair(chat: ChatContext, domain: str, sender: str, recipient: str) -> tuple[UserId, DmId] | None:
    """The sender and their conversation with the recipient; None where there is none, or one of them may not be heard."""
    address = user_of(chat, sender, domain)
    local = await find_recipient(chat, recipient)
    user_id = await chat.read(partial(queries.find_remote_user, address=str(address), domain=domain))
    person = None if user_id is None else chat.community.users.get(user_id)
    if local is None or user_id is None or person is None or not person.is_active:
        return None
    dm_id = await chat.read(partial(_open_pair, user_id=user_id, local_id=local.id))
    return None if dm_id is None else (user_id, dm_id)


def _open_pair(connection: Connection, user_id: UserId, local_id: UserId) -> DmId | None:
    dm_id = queries.pair_of(connection, user_id, local_id)
    return None if dm_id is None or own.is_blocked(connection, local_id, user_id) else dm_id


def _mark(connection: Connection, dm_id: DmId, said: RelayRead, now_ms: int) -> MessageId | None:
    """The mark as a message of this server."""
    if said.up_to_delivery_id is None:
        return bounded_mark(MessageId(said.up_to_msg_id), now_ms)
    text = said.up_to_delivery_id
    if not text.isascii() or not text.isdigit() or len(text) > 19:  # noqa: PLR2004  digits of 2^63
        return None
    number = int(text)
    is_here = number < 1 << 63 and own.is_message_in(connection, dm_id, number)
    return MessageId(number) if is_here else None


def _activity(text: str | None, most: int) -> dict[str, Any] | None:
    """An activity as clients know it; a plain text is its name."""
    if not text or len(text) > most or "\0" in text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {"name": text}
