"""Reactions over REST. One person, one emoji, one message: once."""

from functools import partial

from sqlalchemy import Connection, delete, distinct, func, select

from vox.chat.api.access import IN_DM, in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_text
from vox.chat.context import ChatContext
from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import messages, reactions
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import message_reaction_add, message_reaction_remove, notification_create
from vox.chat.events.permissions import P
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.chat.features.messages.edit import within
from vox.chat.features.messages.history import message_not_found
from vox.chat.features.messages.insert import Address
from vox.chat.features.messages.send import may_read
from vox.chat.features.spaces.schemas import Reaction, ReactionList, ReactionQuery

MAX_EMOJI_CHARS = 64
"""Enough for a family of emoji with skin tones, and for the name of an own one."""
MAX_EMOJI_PER_MESSAGE = 100

_Message = tuple[int | None, int | None]
"""Author and thread."""

routes = RouteTable()


@routes.get(
    "/feeds/{feed_id}/messages/{msg_id}/reactions",
    access=in_feed(P.READ_HISTORY),
    query=ReactionQuery,
    returns=ReactionList,
)
async def list_reactions(call: Call[None, ReactionQuery]) -> ReactionList:
    """Who reacted with what: of each emoji so many people, by id."""
    query, address = call.query, Address(call.id("feed_id"))
    validate_text("emoji", query.emoji)
    return await call.chat.read(partial(_list, address=address, msg_id=call.id("msg_id"), asked=query))


@routes.put("/feeds/{feed_id}/messages/{msg_id}/reactions/{emoji}", access=in_feed(P.ADD_REACTIONS | P.READ_HISTORY))
async def react(call: Call) -> None:
    """Reacts to a message of a feed, which one must be able to read."""
    await _react(call, Address(call.id("feed_id")))


@routes.delete("/feeds/{feed_id}/messages/{msg_id}/reactions/{emoji}", access=in_feed(P.READ_HISTORY))
async def unreact(call: Call) -> None:
    """Takes one's own reaction back."""
    await _unreact(call, Address(call.id("feed_id")))


@routes.put("/dms/{dm_id}/messages/{msg_id}/reactions/{emoji}", access=IN_DM)
async def react_in_dm(call: Call) -> None:
    """Reacts to a message of a conversation."""
    await _react(call, Address(dm_id=call.id("dm_id")))


@routes.delete("/dms/{dm_id}/messages/{msg_id}/reactions/{emoji}", access=IN_DM)
async def unreact_in_dm(call: Call) -> None:
    """Takes one's own reaction back."""
    await _unreact(call, Address(dm_id=call.id("dm_id")))


async def _react(call: Call, address: Address) -> None:
    chat, user_id, msg_id, emoji = call.chat, call.user_id, call.id("msg_id"), _emoji(call)
    added = await chat.change(partial(_add, address=address, msg_id=msg_id, user_id=user_id, emoji=emoji))
    if added is not None:
        _notify(chat, address, added, msg_id, user_id, emoji)


async def _unreact(call: Call, address: Address) -> None:
    msg_id, user_id, emoji = call.id("msg_id"), call.user_id, _emoji(call)
    await call.chat.change(partial(_take, address=address, msg_id=msg_id, user_id=user_id, emoji=emoji))


def _emoji(call: Call) -> str:
    emoji = call.text("emoji")
    if not emoji or len(emoji) > MAX_EMOJI_CHARS or "\0" in emoji:
        raise refuse("VALIDATION_ERROR", f"path.emoji: expected 1 to {MAX_EMOJI_CHARS} characters")
    return emoji


def _list(connection: Connection, *, address: Address, msg_id: int, asked: ReactionQuery) -> ReactionList:
    if connection.execute(select(messages.c.id).where(messages.c.id == msg_id, within(address))).first() is None:
        raise message_not_found(msg_id)
    emojis, user_ids = reactions.c.emoji, reactions.c.user_id
    place = func.row_number().over(partition_by=emojis, order_by=user_ids)
    found = select(emojis, user_ids, place.label("place")).where(reactions.c.msg_id == msg_id, user_ids > asked.after)
    if asked.emoji is not None:
        found = found.where(emojis == asked.emoji)
    each = found.subquery().c
    query = select(each.emoji, each.user_id).where(each.place <= asked.limit).order_by(each.emoji, each.user_id)
    by_emoji: dict[str, list[int]] = {}
    for emoji, user_id in connection.execute(query):
        by_emoji.setdefault(emoji, []).append(user_id)
    return ReactionList([Reaction(emoji, user_ids) for emoji, user_ids in by_emoji.items()])


def _add(connection: Connection, *, address: Address, msg_id: int, user_id: int, emoji: str) -> Change[_Message | None]:
    """The author and the thread of the message, or None where the reaction was there."""
    columns = (messages.c.author_id, messages.c.thread_id)
    query = select(*columns).where(messages.c.id == msg_id, within(address)).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise message_not_found(msg_id)
    if address.dm_id is not None:
        assert_unblocked(connection, address.dm_id, user_id)
    others = select(func.count(distinct(reactions.c.emoji))).where(
        reactions.c.msg_id == msg_id, reactions.c.emoji != emoji
    )
    if connection.execute(others).scalar_one() >= MAX_EMOJI_PER_MESSAGE:
        raise refuse("INVALID_OPERATION", f"A message takes at most {MAX_EMOJI_PER_MESSAGE} different reactions.")
    if not insert_if_absent(connection, reactions, {"msg_id": msg_id, "user_id": user_id, "emoji": emoji}):
        return Change(None)
    event = message_reaction_add(
        msg_id=msg_id, user_id=user_id, emoji=emoji, feed_id=address.feed_id, dm_id=address.dm_id
    )
    return Change((row[0], row[1]), (event,))


def _take(connection: Connection, *, address: Address, msg_id: int, user_id: int, emoji: str) -> Change[None]:
    query = select(messages.c.id).where(messages.c.id == msg_id, within(address))
    if connection.execute(query.with_for_update(key_share=True)).first() is None:
        raise message_not_found(msg_id)
    reaction = reactions.c
    statement = delete(reactions).where(reaction.msg_id == msg_id, reaction.user_id == user_id, reaction.emoji == emoji)
    if not connection.execute(statement).rowcount:
        return Change(None)
    event = message_reaction_remove(
        msg_id=msg_id, user_id=user_id, emoji=emoji, feed_id=address.feed_id, dm_id=address.dm_id
    )
    return Change(None, (event,))


def _notify(chat: ChatContext, address: Address, message: _Message, msg_id: int, user_id: int, emoji: str) -> None:
    author_id, thread_id = message
    if author_id is None or author_id == user_id or not may_read(chat, address, author_id):
        return
    chat.tell(
        notification_create(
            user_id=author_id,
            type="reaction",
            feed_id=address.feed_id,
            thread_id=thread_id,
            msg_id=msg_id,
            actor_id=user_id,
            body_preview=emoji,
        )
    )
