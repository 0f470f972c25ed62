"""Feeds, rooms, categories, threads and conversations, and the groups of calls `client.spaces` and `client.conversations`."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal

import msgspec

from vox.clients.chat.bound import Bound, bind
from vox.clients.chat.messages import Channel
from vox.clients.chat.pages import listed
from vox.clients.chat.rest import Rest

FeedType = Literal["text", "forum", "announcement"]
RoomType = Literal["voice", "stage"]


class Override(msgspec.Struct, kw_only=True):
    """What a role or a user may do otherwise in one space; masks of `Permissions`."""

    target_type: str
    target_id: int
    allow: int = 0
    deny: int = 0


class Feed(Bound, kw_only=True):
    """A feed: a place for text."""

    feed_id: int
    name: str = ""
    type: str = "text"
    topic: str = ""
    category_id: int | None = None
    position: int = 0
    permission_overrides: list[Override] = msgspec.field(default_factory=list[Override])

    @property
    def channel(self) -> Channel:
        """Its messages."""
        return Channel(self.rest, feed_id=self.feed_id)

    async def change(
        self,
        *,
        name: str | None = None,
        topic: str | None = None,
        category_id: int | None = None,
        position: int | None = None,
    ) -> "Feed":
        """Changes what is given."""
        body = {"name": name, "topic": topic, "category_id": category_id, "position": position}
        return bind(await self.rest.patch(f"/feeds/{self.feed_id}", Feed, body), self.rest)

    async def delete(self) -> None:
        """Deletes it with its threads, messages and files."""
        await self.rest.delete(f"/feeds/{self.feed_id}")

    async def follow(self) -> None:
        """Has its messages notified."""
        await self.rest.put(f"/feeds/{self.feed_id}/subscribers")

    async def unfollow(self) -> None:
        """Ends `follow`."""
        await self.rest.delete(f"/feeds/{self.feed_id}/subscribers")

    async def start_thread(self, name: str, parent_msg_id: int) -> "Thread":
        """Starts a thread from a message."""
        body = {"name": name, "parent_msg_id": parent_msg_id}
        return bind(await self.rest.post(f"/feeds/{self.feed_id}/threads", Thread, body), self.rest)

    async def threads(self) -> "AsyncGenerator[Thread]":
        """Its threads."""
        async for thread in listed(self.rest, f"/feeds/{self.feed_id}/threads", Thread):
            yield thread

    async def set_override(
        self, target_type: Literal["role", "user"], target_id: int, *, allow: int, deny: int
    ) -> None:
        """Sets what a role or user may do here otherwise."""
        path = f"/feeds/{self.feed_id}/permissions/{target_type}/{target_id}"
        await self.rest.put(path, {"allow": int(allow), "deny": int(deny)})

    async def delete_override(self, target_type: Literal["role", "user"], target_id: int) -> None:
        """Takes an override away."""
        await self.rest.delete(f"/feeds/{self.feed_id}/permissions/{target_type}/{target_id}")


class Room(Bound, kw_only=True):
    """A room: a place for voice."""

    room_id: int
    name: str = ""
    type: str = "voice"
    category_id: int | None = None
    position: int = 0
    permission_overrides: list[Override] = msgspec.field(default_factory=list[Override])

    async def delete(self) -> None:
        """Deletes it."""
        await self.rest.delete(f"/rooms/{self.room_id}")


class Category(Bound, kw_only=True):
    """A heading over feeds and rooms."""

    category_id: int
    name: str = ""
    position: int = 0

    async def delete(self) -> None:
        """Deletes it; its feeds and rooms stay."""
        await self.rest.delete(f"/categories/{self.category_id}")


class Thread(Bound, kw_only=True):
    """A thread of a feed."""

    thread_id: int
    parent_feed_id: int | None = None
    parent_msg_id: int | None = None
    name: str = ""
    archived: bool = False
    locked: bool = False

    @property
    def channel(self) -> Channel:
        """Its messages."""
        return Channel(self.rest, feed_id=self.parent_feed_id, thread_id=self.thread_id)

    async def change(
        self, *, name: str | None = None, archived: bool | None = None, locked: bool | None = None
    ) -> "Thread":
        """Changes what is given."""
        body = {"name": name, "archived": archived, "locked": locked}
        return bind(await self.rest.patch(f"/threads/{self.thread_id}", Thread, body), self.rest)

    async def delete(self) -> None:
        """Deletes it with its messages."""
        await self.rest.delete(f"/threads/{self.thread_id}")


class Layout(Bound, kw_only=True):
    """All spaces that the account may view, by position."""

    categories: list[Category] = msgspec.field(default_factory=list[Category])
    feeds: list[Feed] = msgspec.field(default_factory=list[Feed])
    rooms: list[Room] = msgspec.field(default_factory=list[Room])

    def feed(self, name: str) -> Feed | None:
        """The first feed of this name."""
        return next((feed for feed in self.feeds if feed.name == name), None)


class Conversation(Bound, kw_only=True):
    """A conversation of two people, or of a group."""

    dm_id: int
    participant_ids: list[int] = msgspec.field(default_factory=list[int])
    is_group: bool = False
    name: str = ""
    icon: str | None = None

    @property
    def channel(self) -> Channel:
        """Its messages."""
        return Channel(self.rest, dm_id=self.dm_id)

    async def add(self, user_id: int) -> None:
        """Adds a person to a group."""
        await self.rest.put(f"/dms/{self.dm_id}/recipients/{user_id}")

    async def remove(self, user_id: int) -> None:
        """Removes a person from a group."""
        await self.rest.delete(f"/dms/{self.dm_id}/recipients/{user_id}")

    async def leave(self) -> None:
        """Leaves it."""
        await self.rest.delete(f"/dms/{self.dm_id}")


class Spaces:
    """Feeds, rooms, categories and threads."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def layout(self) -> Layout:
        """All spaces that the account may view."""
        return bind(await self._rest.get("/server/layout", Layout), self._rest)

    async def feed(self, feed_id: int) -> Feed:
        """One feed."""
        return bind(await self._rest.get(f"/feeds/{feed_id}", Feed), self._rest)

    async def room(self, room_id: int) -> Room:
        """One room."""
        return bind(await self._rest.get(f"/rooms/{room_id}", Room), self._rest)

    async def thread(self, thread_id: int) -> Thread:
        """One thread."""
        return bind(await self._rest.get(f"/threads/{thread_id}", Thread), self._rest)

    async def create_feed(self, name: str, *, type: FeedType = "text", category_id: int | None = None) -> Feed:  # noqa: A002  the wire's word
        """Makes a feed, last in its category."""
        body = {"name": name, "type": type, "category_id": category_id}
        return bind(await self._rest.post("/feeds", Feed, body), self._rest)

    async def create_room(self, name: str, *, type: RoomType = "voice", category_id: int | None = None) -> Room:  # noqa: A002  the wire's word
        """Makes a room, last in its category."""
        body = {"name": name, "type": type, "category_id": category_id}
        return bind(await self._rest.post("/rooms", Room, body), self._rest)

    async def create_category(self, name: str, *, position: int = 0) -> Category:
        """Makes a category."""
        return bind(await self._rest.post("/categories", Category, {"name": name, "position": position}), self._rest)


class Conversations:
    """The account's conversations."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def open(self, user_id: int) -> Conversation:
        """The conversation with one person; made where there is none."""
        return bind(
            await self._rest.send("POST", "/dms", Conversation, body={"recipient_id": user_id}, is_repeatable=True),
            self._rest,
        )

    async def open_group(self, user_ids: Sequence[int], *, name: str | None = None) -> Conversation:
        """A new group."""
        body = {"recipient_ids": list(user_ids), "name": name}
        return bind(await self._rest.post("/dms", Conversation, body), self._rest)

    async def all(self) -> AsyncGenerator[Conversation]:
        """Every conversation of the account."""
        async for conversation in listed(self._rest, "/dms", Conversation):
            yield conversation
