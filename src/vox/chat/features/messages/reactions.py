"""Reactions: each user can react once with each emoji to each message.

An emoji is one of Unicode's, stored in one spelling whichever was sent, or the name of one of the community's own.
"""

from functools import partial

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import message_reaction_add, message_reaction_remove, notification_create
from vox.chat.events.ids import MessageId, ThreadId, UserId
from vox.chat.features.messages import queries
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.chat.features.messages.history import message_not_found
from vox.chat.features.messages.schemas import Reaction, ReactionList, ReactionQuery
from vox.chat.features.messages.send import may_read
from vox.stores.sql import Connection
from vox.text.emoji import canonical_emoji
from vox.text.names import name_key

MAX_EMOJI_CHARS = 64
"""Enough for a family of emoji with skin tones, and for the name of a custom emoji."""
MAX_EMOJI_PER_MESSAGE = 100

_Message = tuple[UserId | None, ThreadId | None]
"""Author and thread."""


async def react(chat: ChatContext, address: Address, msg_id: MessageId, user_id: UserId, emoji: str) -> None:
    """Adds a reaction and notifies the author of the message; a reaction that exists stays as it is.

    Raises:
        Refusal: VALIDATION_ERROR, MESSAGE_NOT_FOUND, USER_BLOCKED, INVALID_OPERATION where the message has too many.
    """
    _check_emoji(emoji)
    added = await chat.change(partial(_add, address=address, msg_id=msg_id, user_id=user_id, emoji=emoji))
    if added is not None:
        message, stored = added
        _notify(chat, address, message, msg_id, user_id, stored)


async def unreact(chat: ChatContext, address: Address, msg_id: MessageId, user_id: UserId, emoji: str) -> None:
    """Deletes a reaction of the caller; succeeds where there is none.

    Raises:
        Refusal: VALIDATION_ERROR, MESSAGE_NOT_FOUND.
    """
    _check_emoji(emoji)
    await chat.change(partial(_remove, address=address, msg_id=msg_id, user_id=user_id, emoji=emoji))


def list_reactions(
    connection: Connection, *, address: Address, msg_id: MessageId, requested: ReactionQuery
) -> ReactionList:
    """The users who reacted to a message, by emoji.

    Raises:
        Refusal: MESSAGE_NOT_FOUND.
    """
    if not queries.message_exists(connection, address, msg_id):
        raise message_not_found(msg_id)
    emoji = requested.emoji
    if emoji is not None:
        emoji = canonical_emoji(emoji) or emoji
    found = queries.reactions_of(connection, msg_id, after=requested.after, emoji=emoji, limit=requested.limit)
    return ReactionList([Reaction(emoji, user_ids) for emoji, user_ids in found.items()])


def _check_emoji(emoji: str) -> None:
    if not emoji or len(emoji) > MAX_EMOJI_CHARS or "\0" in emoji:
        raise refuse("VALIDATION_ERROR", f"path.emoji: expected 1 to {MAX_EMOJI_CHARS} characters")


def _stored(connection: Connection, emoji: str) -> str:
    """The one spelling of an emoji, or the name of one of the community's own, with or without colons around it.

    Raises:
        Refusal: VALIDATION_ERROR where it is neither.
    """
    stored = canonical_emoji(emoji) or queries.custom_emoji_name(connection, name_key(emoji.strip(":")))
    if not stored:
        raise refuse("VALIDATION_ERROR", "path.emoji: expected one emoji, or the name of one of the community's own")
    return stored


def _add(
    connection: Connection, *, address: Address, msg_id: MessageId, user_id: UserId, emoji: str
) -> Change[tuple[_Message, str] | None]:
    """The author and the thread of the message, and the emoji as it is stored; None where the reaction existed."""
    message = queries.lock_message_for_reaction(connection, address, msg_id)
    if message is None:
        raise message_not_found(msg_id)
    if address.dm_id is not None:
        assert_unblocked(connection, address.dm_id, user_id)
    emoji = _stored(connection, emoji)
    if queries.count_other_emoji(connection, msg_id, emoji) >= MAX_EMOJI_PER_MESSAGE:
        raise refuse("INVALID_OPERATION", f"A message takes at most {MAX_EMOJI_PER_MESSAGE} different reactions.")
    if not queries.insert_reaction(connection, msg_id, user_id, emoji):
        return Change(None)
    event = message_reaction_add(
        msg_id=msg_id, user_id=user_id, emoji=emoji, feed_id=address.feed_id, dm_id=address.dm_id
    )
    return Change((message, emoji), (event,))


def _remove(
    connection: Connection, *, address: Address, msg_id: MessageId, user_id: UserId, emoji: str
) -> Change[None]:
    if not queries.lock_message(connection, address, msg_id):
        raise message_not_found(msg_id)
    emoji = canonical_emoji(emoji) or emoji
    if not queries.delete_reaction(connection, msg_id, user_id, emoji):
        emoji = queries.custom_emoji_name(connection, name_key(emoji.strip(":"))) or emoji
        if not queries.delete_reaction(connection, msg_id, user_id, emoji):
            return Change(None)
    event = message_reaction_remove(
        msg_id=msg_id, user_id=user_id, emoji=emoji, feed_id=address.feed_id, dm_id=address.dm_id
    )
    return Change(None, (event,))


def _notify(
    chat: ChatContext, address: Address, message: _Message, msg_id: MessageId, user_id: UserId, emoji: str
) -> None:
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
