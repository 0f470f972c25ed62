"""What a page of history brings along on request, so that a client needs one request and not one for each message and file.

`include=authors,reactions,replies,links`: each adds a list beside the messages, which themselves stay as they are; with `links` the
pictures among the attachments have their sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from vox.chat.community.state import Person
from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.events.ids import DmId, FeedId, FileId, MessageId, UserId
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.history_queries import page
from vox.chat.features.messages.include_queries import answered, reactions_by_emoji, sizes_of
from vox.chat.features.messages.schemas import (
    Author,
    FileLink,
    History,
    HistoryQuery,
    Message,
    MessageReactions,
    ReactionCount,
)
from vox.chat.storage.file_links import Signer
from vox.chat.storage.link_key import link_key
from vox.chat.storage.proxied_links import ProxiedPicture, proxied
from vox.stores.sql import Connection

NAMES: Final = frozenset({"authors", "reactions", "replies", "links"})
_LONGEST: Final = 100


@dataclass(slots=True)
class Page:
    """A page as the database has it."""

    messages: list[Message]
    replies: list[Message]
    reactions: list[MessageReactions]
    sizes: dict[FileId, tuple[int, int]]


def asked_for(include: str | None) -> frozenset[str]:
    """The names in an `include`.

    Raises:
        Refusal: VALIDATION_ERROR for a name that there is not.
    """
    if not include:
        return frozenset()
    names = frozenset(include[:_LONGEST].split(",")) if len(include) <= _LONGEST else frozenset({""})
    if not names <= NAMES:
        raise refuse("VALIDATION_ERROR", f"query.include: expected some of {', '.join(sorted(NAMES))}")
    return names


def read_page(
    connection: Connection,
    *,
    place: MessageLocation,
    query: HistoryQuery,
    limit: int,
    asked: frozenset[str],
    user_id: UserId,
) -> Page:
    """A part of a history with what belongs to it.

    Args:
        connection: of a reader.
        place: the messages to choose from, which the user may read.
        query: which part.
        limit: how many messages at most.
        asked: names of NAMES.
        user_id: the reader, whose own reactions are marked.
    """
    found = page(connection, place, query, limit)
    result = Page(found, [], [], {})
    if not found:
        return result
    ids = [message.msg_id for message in found]
    if "reactions" in asked:
        result.reactions = _reactions(connection, ids, user_id)
    if "replies" in asked:
        result.replies = _replies(connection, found)
    if "links" in asked:
        files = [file.file_id for message in (*found, *result.replies) for file in message.attachments]
        result.sizes = sizes_of(connection, files) if files else {}
    return result


async def complete(chat: ChatContext, found: Page, asked: frozenset[str], user_id: UserId) -> History:
    """The response of a page: with authors from memory, and links signed for the reader."""
    history = History(found.messages)
    if "reactions" in asked:
        history.reactions = found.reactions
    if "replies" in asked:
        history.replies = found.replies
    if "authors" in asked:
        people, known = chat.community.users, [*found.messages, *found.replies]
        authors = dict.fromkeys(UserId(one.author_id) for one in known if one.author_id is not None)
        history.authors = [_author(people[author]) for author in authors if author in people]
    if "links" in asked:
        await _add_links(chat, history, found, user_id)
    return history


def _author(person: Person) -> Author:
    return Author(
        person.id, person.username, person.display_name, person.avatar, person.nickname, sorted(person.role_ids)
    )


def _reactions(connection: Connection, ids: Sequence[MessageId], user_id: UserId) -> list[MessageReactions]:
    by_message: dict[MessageId, list[ReactionCount]] = {}
    for msg_id, emoji, count, is_own in reactions_by_emoji(connection, ids, user_id):
        by_message.setdefault(msg_id, []).append(ReactionCount(emoji, count, bool(is_own)))
    return [MessageReactions(msg_id, counts) for msg_id, counts in by_message.items()]


def _replies(connection: Connection, found: Sequence[Message]) -> list[Message]:
    """What the messages of the page answer, as far as it is in the same place and not on the page."""
    here = {message.msg_id for message in found}
    answered_ids = {message.reply_to for message in found if message.reply_to is not None} - here
    if not answered_ids:
        return []
    feed_id, dm_id = found[0].feed_id, found[0].dm_id
    place = None if feed_id is None else FeedId(feed_id), None if dm_id is None else DmId(dm_id)
    return answered(connection, sorted(answered_ids), *place)


async def _add_links(chat: ChatContext, history: History, found: Page, user_id: UserId) -> None:
    history.messages = [_sized(message, found.sizes) for message in found.messages]
    if history.replies:
        history.replies = [_sized(message, found.sizes) for message in history.replies]
    links: list[FileLink] = []
    pictures: list[ProxiedPicture] = []
    shown = [*found.messages, *found.replies]
    if chat.settings.signed_media_urls:
        secret = await link_key(chat.upload_limits, chat.change)
        signer = Signer(secret, user_id, chat.clock.unix_s() + chat.settings.signed_media_ttl_s)
        for file in {file.file_id: file for message in shown for file in message.attachments}.values():
            width, height = found.sizes.get(file.file_id, (None, None))
            thumbnail = signer.thumbnail(file.file_id, file.mime, width)
            link = FileLink(file.file_id, signer.file(file.file_id), signer.expires_at, width, height, thumbnail)
            links.append(link)
        embeds = [message.embed for message in shown if message.embed is not None]
        foreign = dict.fromkeys(url for embed in embeds for url in (embed.image, embed.thumbnail) if url)
        pictures = proxied(secret, user_id, signer.expires_at, foreign)
    history.links, history.proxied = links, pictures


def _sized(message: Message, sizes: dict[FileId, tuple[int, int]]) -> Message:
    if not any(file.file_id in sizes for file in message.attachments):
        return message
    files = [
        msgspec.structs.replace(file, width=sizes[file.file_id][0], height=sizes[file.file_id][1])
        if file.file_id in sizes
        else file
        for file in message.attachments
    ]
    return msgspec.structs.replace(message, attachments=files)
