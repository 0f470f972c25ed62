"""What happened while a client had no session: read over REST, place by place, and told as if it had just happened.

The one thing to know: after a server's restart or a long absence the gateway cannot replay, so `Position` remembers which messages
this client has had. Messages come exactly once; changes of the community (`POST /sync`) at least once, because they have no ids.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from vox.clients.chat.errors import ForbiddenError, NotFoundError, RequestRefusedError
from vox.clients.chat.messages import PAGE, Channel, Message, id_at
from vox.clients.chat.rest import Rest
from vox.clients.chat.spaces import Conversations, Spaces
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

RECENT: Final = 20_000
"""Messages that are remembered, to tell new ones from known ones."""
MARGIN_MS: Final = 10_000
"""How far before the interruption reading begins: processes of a server number messages by their own clocks."""
SYNC_CATEGORIES: Final = (
    "members", "roles", "feeds", "rooms", "categories", "threads", "emoji", "bans", "invites", "permissions", "users",
    "server",
)  # fmt: skip
_AT_ONCE: Final = 4
_FIELDS_OF_EDIT: Final = ("msg_id", "feed_id", "thread_id", "dm_id", "body", "edit_timestamp")

Home = tuple[str, int]
"""A feed with its threads, or a conversation."""
Place = tuple[Home, int]
"""A feed or conversation itself (0), or one of its threads."""
Tell = Callable[[str, Mapping[str, Any]], Awaitable[None]]

_log = get_logger(__name__)


class Position:
    """How far a client has read: the messages it has had, and since when it listens."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, tuple[Place, int]] = OrderedDict()
        self._deleted: OrderedDict[int, None] = OrderedDict()
        self._forgotten: dict[Place, int] = {}
        self._since_ms: int | None = None

    @property
    def since_ms(self) -> int:
        """When the client began to listen, by the server's clock; 0 before."""
        return self._since_ms or 0

    def begin(self, server_time_s: int) -> None:
        """The first session stands: what was written before is not this client's business."""
        if self._since_ms is None:
            self._since_ms = server_time_s * 1000

    def is_new(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Takes note of an event of messages; false for a message, an edit or a deletion that was told already."""
        place, msg_id = place_of(content), content.get("msg_id")
        if kind == "message_bulk_delete":
            unknown = [self._delete(one) for one in content.get("msg_ids") or ()]
            return any(unknown)
        if place is None or not isinstance(msg_id, int) or content.get("ephemeral"):
            return True
        if kind == "message_create":
            if msg_id in self._recent or msg_id <= self._forgotten.get(place, 0):
                return False
            self._remember(msg_id, place)
        elif kind == "message_update" and (known := self._recent.get(msg_id)) is not None:
            edited = content.get("edit_timestamp") or 0
            self._recent[msg_id] = (known[0], max(edited, known[1]))
            return edited > known[1]
        elif kind == "message_delete":
            return self._delete(msg_id)
        return True

    def known(self, place: "Place", *, from_id: int) -> list[int]:
        """The remembered messages of a place from this id on, ascending."""
        return sorted(msg_id for msg_id, (where, _) in self._recent.items() if where == place and msg_id >= from_id)

    def _delete(self, msg_id: int) -> bool:
        """Whether the message was not known to be deleted."""
        self._recent.pop(msg_id, None)
        is_new = msg_id not in self._deleted
        self._deleted[msg_id] = None
        if len(self._deleted) > RECENT:
            self._deleted.popitem(last=False)
        return is_new

    def _remember(self, msg_id: int, place: "Place") -> None:
        self._recent[msg_id] = (place, 0)
        while len(self._recent) > RECENT:
            oldest, (where, _) = self._recent.popitem(last=False)
            self._forgotten[where] = max(oldest, self._forgotten.get(where, 0))


def home_of(content: Mapping[str, Any]) -> Home | None:
    """Where an event of messages belongs; None for all others."""
    for name in ("feed_id", "dm_id"):
        value = content.get(name)
        if isinstance(value, int):
            return name, value
    return None


def place_of(content: Mapping[str, Any]) -> Place | None:
    """The same, with the thread."""
    home, thread_id = home_of(content), content.get("thread_id")
    return None if home is None else (home, thread_id if isinstance(thread_id, int) else 0)


class _Changes(msgspec.Struct):
    events: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    cursor: int | None = None


class CatchUp:
    """Reads what one interruption hid.

    Args:
        rest: the account.
        position: how far the client had read.
        lost_ms: when the last session was last known to stand, by the server's clock.
        tell: is given the type and content of each event.
        settled: is told each place that is read, so that what waited for it may follow.
    """

    def __init__(
        self, rest: Rest, position: Position, lost_ms: int, tell: Tell, settled: Callable[[Home], Awaitable[None]]
    ) -> None:
        self._rest = rest
        self._position = position
        self._edited_from_ms = lost_ms - MARGIN_MS
        self._first = id_at(max(0, position.since_ms, lost_ms - MARGIN_MS))
        self._sync_from_ms = max(0, lost_ms - MARGIN_MS)
        self._tell = tell
        self._settled = settled
        self.messages = 0

    async def run(self) -> None:
        """Reads all of it, some places at once.

        Raises:
            UnavailableError: the server went away meanwhile.
        """
        await self._community()
        layout = await Spaces(self._rest).layout()
        homes: list[Home] = [("feed_id", feed.feed_id) for feed in layout.feeds]
        homes += [("dm_id", one.dm_id) async for one in Conversations(self._rest).all()]
        free = asyncio.Semaphore(_AT_ONCE)

        async def read(home: Home) -> None:
            async with free:
                await self._home(home)
            await self._settled(home)

        reading = [asyncio.create_task(read(home)) for home in homes]
        try:
            await asyncio.gather(*reading)
        finally:
            await cancel_and_wait(*reading)

    async def _home(self, home: Home) -> None:
        name, number = home
        if name == "dm_id":
            await self._channel(home, Channel(self._rest, dm_id=number))
            return
        await self._channel(home, Channel(self._rest, feed_id=number))
        with suppress(ForbiddenError, NotFoundError):
            async for thread_id in _threads(self._rest, number):
                await self._channel(home, Channel(self._rest, feed_id=number, thread_id=thread_id))

    async def _channel(self, home: Home, channel: Channel) -> None:
        with suppress(ForbiddenError, NotFoundError):  # deleted meanwhile, or no longer readable
            found = await self._read(channel)
            for message in found:
                await self._message(channel, message)
            if found:
                await self._deleted((home, channel.thread_id or 0), found)

    async def _read(self, channel: Channel) -> list[Message]:
        """The messages from the interruption on, and those before them on the same page; oldest first."""
        found = page = await channel.page(limit=PAGE)
        while len(page) == PAGE and page[-1].msg_id >= self._first:
            page = await channel.page(limit=PAGE, before=page[-1].msg_id)
            found = found + page
        return found[::-1]

    async def _message(self, channel: Channel, message: Message) -> None:
        content = msgspec.to_builtins(message)
        content |= {"feed_id": channel.feed_id, "thread_id": channel.thread_id, "dm_id": channel.dm_id}
        if message.msg_id >= self._first and self._position.is_new("message_create", content):
            self.messages += 1
            await self._tell("message_create", content)
        elif (message.edit_timestamp or 0) >= self._edited_from_ms:
            edit = {name: content[name] for name in _FIELDS_OF_EDIT}
            if self._position.is_new("message_update", edit):
                await self._tell("message_update", edit)

    async def _deleted(self, place: Place, found: list[Message]) -> None:
        there = {message.msg_id for message in found}
        name, number = place[0]
        for msg_id in self._position.known(place, from_id=found[0].msg_id):
            if msg_id not in there:
                content = {"msg_id": msg_id, name: number, "thread_id": place[1] or None}
                if self._position.is_new("message_delete", content):
                    await self._tell("message_delete", content)

    async def _community(self) -> None:
        after: int | None = None
        body = {"since_timestamp": self._sync_from_ms, "categories": list(SYNC_CATEGORIES)}
        while True:
            try:
                page = await self._rest.send(
                    "POST", "/sync", _Changes, body={**body, "after": after}, is_repeatable=True
                )
            except RequestRefusedError as error:  # an absence of more than a week, or an account without a right to it
                _log.warning("changes of the community are not recovered", reason=error.reason)
                return
            for change in page.events:
                await self._tell(str(change.get("type")), change.get("payload") or {})
            if page.cursor is None:
                return
            after = page.cursor


class _Thread(msgspec.Struct):
    thread_id: int


class _Threads(msgspec.Struct):
    items: list[_Thread] = msgspec.field(default_factory=list[_Thread])
    cursor: str | None = None


async def _threads(rest: Rest, feed_id: int) -> AsyncGenerator[int]:
    after: str | None = None
    while True:
        page = await rest.get(f"/feeds/{feed_id}/threads", _Threads, {"limit": PAGE, "after": after})
        for one in page.items:
            yield one.thread_id
        if not page.items or page.cursor is None:
            return
        after = page.cursor
