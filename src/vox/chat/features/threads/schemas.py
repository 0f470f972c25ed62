"""Requests and responses of threads; field names and their order are those of the original server."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from vox.chat.api.fields import Id, Limit
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId


class ThreadInfo(msgspec.Struct, frozen=True):
    """A conversation beside its feed; the last three stand in a list by activity alone.

    Args:
        last_msg_id: the newest message in it; None where there is none.
        messages: how many there are in it.
        author_id: of the message it began with; None where that is gone.
    """

    thread_id: ThreadId
    parent_feed_id: FeedId
    parent_msg_id: MessageId | None
    name: str
    archived: bool
    locked: bool
    last_msg_id: MessageId | UnsetType | None = UNSET
    messages: int | UnsetType = UNSET
    author_id: UserId | UnsetType | None = UNSET


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
    """A page of threads by id, or by activity: the latest message first.

    Args:
        limit: how many.
        after: by id, those above it.
        order: what the list is ordered by.
        before: by activity, the cursor of the page before.
        archived: only those that are, or are not.
    """

    limit: Limit = 50
    after: Id | None = None
    order: Literal["id", "activity"] = "id"
    before: Id | None = None
    archived: bool | None = None
