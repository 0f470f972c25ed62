"""Writes what was said in a room to the feed that the room is set to, each segment once, in the name of who said it."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import Refusal
from vox.chat.events.ids import FeedId, RoomId
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.content import Content
from vox.chat.features.messages.insert import NewMessage
from vox.chat.features.messages.schemas import Extras
from vox.chat.features.messages.send import post_message
from vox.chat.features.voice import guest_queries, queries
from vox.chat.features.voice.grants import user_of
from vox.chat.features.voice.guest_schemas import Segment
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection
from vox.text.names import is_visible

UNKNOWN: Final = "Voice"

_log = get_logger(__name__)


async def write(chat: ChatContext, room_id: RoomId, segments: Sequence[Segment]) -> None:
    """Posts segments; nothing where the room has no feed for them.

    Raises:
        DependencyError: the database failed; what is sent again is written once.
    """
    feed_id = await chat.read(partial(queries.transcript_feed, room_id=room_id))
    if feed_id is None or feed_id not in chat.community.feeds:
        return
    guests = await chat.read(partial(guest_queries.guests_of, room_id=room_id))
    names = {one.identity: one.name for one in guests}
    for segment in segments:
        text = segment.text.strip()[: chat.config.limit("message_body_max")]
        if not is_visible(text):
            continue
        unit = partial(_note, room_id=room_id, segment_id=segment.id, now_s=chat.clock.unix_s())
        if await chat.change(unit):
            await _post(chat, feed_id, names.get(segment.identity) or _speaker(chat, segment.identity), text)


async def _post(chat: ChatContext, feed_id: FeedId, name: str, text: str) -> None:
    content = Content(text, None, None, (), (), None, None)
    draft = NewMessage(None, Address(feed_id), content, extras=Extras(webhook_name=name))
    try:
        await post_message(chat, draft)
    except Refusal as error:  # a rule of the community holds for what was said, too
        _log.info("a transcript is not written", feed_id=feed_id, code=error.code)


def _speaker(chat: ChatContext, identity: str) -> str:
    user_id = user_of(identity)
    person = None if user_id is None else chat.community.users.get(user_id)
    return UNKNOWN if person is None else person.nickname or person.display_name or person.username


def _note(connection: Connection, *, room_id: RoomId, segment_id: str, now_s: int) -> Change[bool]:
    return Change(guest_queries.note_transcript(connection, room_id, segment_id, now_s))
