"""Requests and responses of threads; field names and their order are those of the original server."""

import msgspec

from vox.chat.api.fields import Id, Limit
from vox.chat.events.ids import FeedId, MessageId, ThreadId


class ThreadInfo(msgspec.Struct, frozen=True):
    """A conversation beside its feed."""

    thread_id: ThreadId
    parent_feed_id: FeedId
    parent_msg_id: MessageId | None
    name: str
    archived: bool
    locked: bool


class ThreadPage(msgspec.Struct, frozen=True):
    """A page of threads."""

    items: list[ThreadInfo]
    cursor: str | None


class CreateThread(msgspec.Struct, frozen=True):
    """A new thread beside a message."""

    parent_msg_id: Id
    name: str


class UpdateThread(msgspec.Struct, frozen=True):
    """Changes of a thread; what is absent or null stays."""

    name: str | None = None
    archived: bool | None = None
    locked: bool | None = None


class ThreadQuery(msgspec.Struct, frozen=True):
    """A page of threads by id."""

    limit: Limit = 50
    after: Id | None = None
