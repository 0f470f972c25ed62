"""Beginning an interaction: a command, a button, a menu or a form asks something of a bot.

The row and the event come from one unit of work, and the event goes over the bus, so the bot may be connected to any process and may
answer at any other. A bot with an address of its own is sent the same as a signed POST besides.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import Event, interaction_create
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.interactions import queries
from vox.chat.features.interactions.http_bots import ask
from vox.chat.features.interactions.queries import StoredInteraction
from vox.chat.features.messages.addresses import Address
from vox.chat.integrations.commands import command_name, read_params
from vox.chat.integrations.registry import Bot
from vox.stores.sql import Connection

LIVES_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a bot, before it has an id.

    Args:
        type: of the interaction.
        user_id: the user who asks.
        address: where.
        fields: of the type, as the event carries them.
        msg_id: the message whose component is used.
    """

    type: str
    user_id: UserId
    address: Address
    fields: Mapping[str, Any]
    msg_id: MessageId | None = None


async def call_command(
    chat: ChatContext,
    user_id: UserId,
    body: str,
    *,
    feed_id: FeedId | None,
    thread_id: ThreadId | None,
    dm_id: DmId | None,
    nonce: str | None,
) -> str | None:
    """See `vox.chat.context.CallCommand`; bots call no commands, so that two of them cannot go on for ever."""
    commands = chat.integrations.commands
    if not commands:
        return None
    offered = commands.get(command_name(body))
    address = Address(feed_id, thread_id, dm_id)
    if offered is None or chat.integrations.is_bot(user_id) or not may_view(chat, offered.bot.user_id, address):
        return None
    fields = {"command": offered.command.name, "params": read_params(offered.command, body)}
    return await begin(chat, offered.bot, Asked("slash_command", user_id, address, fields), nonce=nonce)


def may_view(chat: ChatContext, user_id: UserId, address: Address) -> bool:
    """Whether a user may view a feed, or takes part in a conversation."""
    if address.dm_id is not None:
        return chat.community.in_dm(user_id, address.dm_id)
    return address.feed_id is not None and chat.community.may_in(user_id, "feed", address.feed_id, P.VIEW_SPACE)


async def begin(chat: ChatContext, bot: Bot, asked: Asked, *, nonce: str | None = None) -> str:
    """Begins an interaction and returns its id.

    Args:
        chat: the server.
        bot: the one that is asked.
        asked: what is asked.
        nonce: the user's own name of the request: a second one with it gets the same interaction.

    Raises:
        Refusal: SPACE_NOT_FOUND where the place was deleted at the same moment.
    """
    interaction_id = _new_id(asked, nonce)
    event = interaction_event(bot.user_id, interaction_id, asked)
    expires_at = chat.clock.unix_ms() + LIVES_MS
    unit = partial(store_interaction, bot_user_id=bot.user_id, asked=asked, event=event, expires_at=expires_at)
    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        is_new = await chat.change(unit)
    if is_new:
        await post_where_http(chat, bot, event)
    return interaction_id


def interaction_event(bot_user_id: UserId, interaction_id: str, asked: Asked) -> Event:
    """The event that asks the bot."""
    where = asked.address
    return interaction_create(
        bot_id=bot_user_id,
        interaction_id=interaction_id,
        type=asked.type,
        fields=asked.fields,
        user_id=asked.user_id,
        feed_id=where.feed_id,
        dm_id=where.dm_id,
        thread_id=where.thread_id,
        msg_id=asked.msg_id,
    )


def store_interaction(
    connection: Connection, *, bot_user_id: UserId, asked: Asked, event: Event, expires_at: int
) -> Change[bool]:
    """Stores an interaction and sends its event; False where it exists already."""
    stored = StoredInteraction(
        event.payload["id"],
        asked.type,
        bot_user_id,
        asked.user_id,
        asked.address,
        asked.msg_id,
        None,
        "open",
        expires_at,
    )
    is_new = queries.insert_interaction(connection, stored)
    return Change(is_new, (event,) if is_new else ())


async def post_where_http(chat: ChatContext, bot: Bot, event: Event) -> None:
    """Posts an interaction to a bot that has an address; the caller waits for it only where the server has no room for it."""
    if not bot.is_http:
        return
    work = partial(ask, chat, bot.user_id, event.payload)
    if not chat.background.start(work, "interaction of an HTTP bot"):
        await work()


def new_interaction_id() -> str:
    """An id that cannot be guessed."""
    return secrets.token_urlsafe(16)


def _new_id(asked: Asked, nonce: str | None) -> str:
    if nonce is None:
        return new_interaction_id()
    where = asked.address
    named = f"{asked.user_id}\0{where.feed_id}\0{where.thread_id}\0{where.dm_id}\0{nonce}"
    return base64.urlsafe_b64encode(hashlib.sha256(named.encode()).digest()[:16]).rstrip(b"=").decode()
