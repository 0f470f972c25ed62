"""Messages, and the places they stand in: feeds, threads and conversations are all a `Channel`.

The one thing to know: every message that is sent carries a nonce, so that a repeated request sends nothing twice.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import msgspec

from vox.clients.chat.bound import Bound, bind, bind_all
from vox.clients.chat.components import Component, encoded
from vox.clients.chat.files import File, upload
from vox.clients.chat.rest import Rest, segment
from vox.errors import UsageError

EVERYONE: Final = 0
"""In `mentions`: all who may read the message."""
PAGE: Final = 100
ID_TIME_SHIFT: Final = 22


class EmbedField(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of an embed."""

    name: str = ""
    value: str = ""
    inline: bool = False


class Embed(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A card below a message."""

    title: str | None = None
    description: str | None = None
    url: str | None = None
    site_name: str | None = None
    image: str | None = None
    thumbnail: str | None = None
    color: int | None = None
    fields: list[EmbedField] = []


class Sent(msgspec.Struct, kw_only=True):
    """What sending answers. A text that was taken as a slash command has an `interaction_id` and is no message: `msg_id` is 0."""

    msg_id: int
    timestamp: int = 0
    interaction_id: str | None = None
    mentions: list[int] = msgspec.field(default_factory=list[int])


class Reaction(msgspec.Struct, kw_only=True):
    """One emoji below a message, and the people who chose it."""

    emoji: str
    user_ids: list[int] = msgspec.field(default_factory=list[int])


class Channel:
    """A place for messages: a feed, a thread of a feed, or a conversation.

    Args:
        rest: the account.
        feed_id: of the feed, also with a thread.
        thread_id: of the thread.
        dm_id: of the conversation.
    """

    __slots__ = ("dm_id", "feed_id", "rest", "thread_id")

    def __init__(
        self, rest: Rest, *, feed_id: int | None = None, thread_id: int | None = None, dm_id: int | None = None
    ) -> None:
        self.rest = rest
        self.feed_id = feed_id
        self.thread_id = thread_id
        self.dm_id = dm_id

    def __repr__(self) -> str:
        return f"Channel(feed_id={self.feed_id}, thread_id={self.thread_id}, dm_id={self.dm_id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Channel) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[int | None, int | None, int | None]:
        """What tells it from other places."""
        return self.feed_id, self.thread_id, self.dm_id

    @property
    def is_private(self) -> bool:
        """Whether it is a conversation."""
        return self.dm_id is not None

    @property
    def path(self) -> str:
        """Of its messages, below /api/v1."""
        return f"{self._home}/threads/{self.thread_id}/messages" if self.thread_id is not None else self._messages

    async def send(
        self,
        body: str = "",
        *,
        reply_to: int | None = None,
        mentions: Sequence[int] = (),
        attachments: Sequence[File | str] = (),
        embed: Embed | None = None,
        components: Sequence[Component] = (),
        nonce: str | None = None,
    ) -> Sent:
        """Sends a message, once, however often the request has to be repeated.

        Args:
            body: the text.
            reply_to: id of the message that is answered.
            mentions: ids of people to notify; EVERYONE for all who may read it.
            attachments: files uploaded to this place before.
            embed: a card below the text.
            components: buttons and menus, of a bot's message.
            nonce: the same text within 10 minutes makes a second call answer what the first did; by default a random one.
        """
        content = {
            "body": body or None,
            "reply_to": reply_to,
            "mentions": list(mentions) or None,
            "attachments": [one if isinstance(one, str) else one.file_id for one in attachments] or None,
            "embed": msgspec.json.encode(embed).decode() if embed is not None else None,
            "components": encoded(components or None),
            "nonce": nonce or token_hex(8),
        }
        return await self.rest.send("POST", self.path, Sent, body=content, is_repeatable=True)

    async def upload(self, content: bytes | Path | str, *, name: str | None = None, mime: str | None = None) -> File:
        """Sends a file here, to be attached to a message; `content` is the bytes, or where they are on disk."""
        return await upload(self.rest, f"{self._home}/files", content, name=name, mime=mime)

    async def message(self, msg_id: int) -> "Message":
        """One message."""
        return bind(await self.rest.get(f"{self._messages}/{msg_id}", Message), self.rest)

    async def page(
        self, *, limit: int = PAGE, before: int | None = None, after: int | None = None, around: int | None = None
    ) -> "list[Message]":
        """Up to 100 messages, newest first; `before` and `after` are ids and exclusive."""
        query = {"limit": limit, "before": before, "after": after, "around": around}
        found = await self.rest.get(self.path, _Page, query)
        return bind_all(found.messages, self.rest)

    async def history(
        self, *, limit: int | None = None, before: int | None = None, after: int | None = None
    ) -> "AsyncGenerator[Message]":
        """Messages, newest first, page by page as they are asked for.

        Args:
            limit: at most so many; None for all.
            before: only older ones than this id.
            after: only newer ones than this id.
        """
        left = limit
        while left is None or left > 0:
            page = await self.page(limit=PAGE if left is None else min(PAGE, left), before=before, after=after)
            for message in page:
                yield message
            if not page:
                return
            before = page[-1].msg_id
            left = None if left is None else left - len(page)

    async def pins(self) -> "list[Message]":
        """The pinned messages of the feed, the latest pin first."""
        found = await self.rest.get(f"{self._home}/pins", _Page)
        return bind_all(found.messages, self.rest)

    async def bulk_delete(self, msg_ids: Sequence[int]) -> None:
        """Deletes up to 100 messages of a feed at once."""
        await self.rest.post(f"{self._messages}/bulk-delete", object, {"msg_ids": list(msg_ids)})

    async def mark_read(self, up_to_msg_id: int) -> None:
        """Moves the own read mark forward."""
        await self.rest.post(f"{self._home}/read", object, {"up_to_msg_id": up_to_msg_id})

    @property
    def _home(self) -> str:
        if self.dm_id is not None:
            return f"/dms/{self.dm_id}"
        if self.feed_id is not None:
            return f"/feeds/{self.feed_id}"
        raise UsageError(
            "the message belongs to no feed and no conversation", code="chat_channel_unknown", hint="name the feed"
        )

    @property
    def _messages(self) -> str:
        return f"{self._home}/messages"


class Message(Bound, kw_only=True):
    """A message, as it is read or as an event brings it. Times are Unix milliseconds."""

    msg_id: int
    author_id: int | None = None
    body: str = ""
    timestamp: int = 0
    feed_id: int | None = None
    thread_id: int | None = None
    dm_id: int | None = None
    reply_to: int | None = None
    mentions: list[int] = msgspec.field(default_factory=list[int])
    attachments: list[File] = msgspec.field(default_factory=list[File])
    embed: Embed | None = None
    webhook_id: int | None = None
    edit_timestamp: int | None = None
    pinned_at: int | None = None
    opaque_blob: str | None = None
    federated: bool = False
    author_address: str | None = None
    embeds: list[Embed] = msgspec.field(default_factory=list[Embed])
    components: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    webhook_name: str | None = None
    webhook_avatar: str | None = None
    ephemeral: bool = False
    nonce: str | None = None

    @property
    def channel(self) -> Channel:
        """Where it stands."""
        return Channel(self.rest, feed_id=self.feed_id, thread_id=self.thread_id, dm_id=self.dm_id)

    @property
    def sent_at(self) -> datetime:
        """When it was sent."""
        return time_of(self.msg_id)

    async def reply(self, body: str = "", **more: Any) -> Sent:
        """Answers it in its place; `more` as for `Channel.send`."""
        return await self.channel.send(body, reply_to=self.msg_id, **more)

    async def edit(self, body: str, *, components: Sequence[Component] | None = None) -> None:
        """Changes the text, and with `components` the buttons and menus, of an own message."""
        await self.rest.patch(self._path, object, {"body": body, "components": encoded(components)})

    async def delete(self) -> None:
        """Deletes it."""
        await self.rest.delete(self._path)

    async def react(self, emoji: str) -> None:
        """Adds an own reaction: an emoji, or the name of one of the community's."""
        await self.rest.put(f"{self._path}/reactions/{segment(emoji)}")

    async def unreact(self, emoji: str) -> None:
        """Takes an own reaction away."""
        await self.rest.delete(f"{self._path}/reactions/{segment(emoji)}")

    async def reactions(self) -> list[Reaction]:
        """All reactions; of each emoji up to 1000 people."""
        return (await self.rest.get(f"{self._path}/reactions", _Reactions)).reactions

    async def pin(self) -> None:
        """Pins it in its feed."""
        await self.rest.put(self._pin_path)

    async def unpin(self) -> None:
        """Takes it from the pins of its feed."""
        await self.rest.delete(self._pin_path)

    @property
    def _path(self) -> str:
        place = Channel(self.rest, feed_id=self.feed_id, dm_id=self.dm_id)
        return f"{place.path}/{self.msg_id}"

    @property
    def _pin_path(self) -> str:
        return f"/feeds/{self.feed_id}/pins/{self.msg_id}"


class _Page(msgspec.Struct):
    messages: list[Message] = msgspec.field(default_factory=list[Message])


class _Results(msgspec.Struct):
    results: list[Message] = msgspec.field(default_factory=list[Message])


class _Reactions(msgspec.Struct):
    reactions: list[Reaction] = msgspec.field(default_factory=list[Reaction])


def time_of(snowflake: int) -> datetime:
    """When the thing with this id came to be; for ids of messages, audit entries and events."""
    return datetime.fromtimestamp((snowflake >> ID_TIME_SHIFT) / 1000, UTC)


def id_at(unix_ms: int) -> int:
    """The smallest id that a message sent at this moment could have; for `before` and `after`."""
    return unix_ms << ID_TIME_SHIFT


async def search(
    rest: Rest,
    query: str,
    *,
    channel: Channel | None = None,
    author_id: int | None = None,
    before: int | None = None,
    after: int | None = None,
    has_file: bool | None = None,
    pinned: bool | None = None,
    limit: int = 25,
) -> list[Message]:
    """Messages that a text is found in, newest first.

    Args:
        rest: the account.
        query: words, or words in quotes.
        channel: only there; None for all feeds.
        author_id: only of this person.
        before: only older ones than this id.
        after: only newer ones than this id.
        has_file: only with, or without, a file.
        pinned: only pinned ones, or only others.
        limit: at most so many.
    """
    where = (
        {} if channel is None else {"feed_id": channel.feed_id, "thread_id": channel.thread_id, "dm_id": channel.dm_id}
    )
    flags = {
        name: str(value).lower() for name, value in (("has_file", has_file), ("pinned", pinned)) if value is not None
    }
    asked = {"query": query, "author_id": author_id, "before": before, "after": after, "limit": limit}
    found = await rest.get("/messages/search", _Results, {**asked, **where, **flags})
    return bind_all(found.results, rest)
