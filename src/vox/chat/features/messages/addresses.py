"""Where messages are: as the target of a new message, and as the place that messages are read from."""

from dataclasses import dataclass
from typing import Literal

from vox.chat.events.ids import DmId, FeedId, ThreadId

PlaceKind = Literal["feed", "thread", "dm", "timeline"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message is sent: a feed, a thread of a feed, or a conversation."""

    feed_id: FeedId | None = None
    thread_id: ThreadId | None = None
    dm_id: DmId | None = None


@dataclass(frozen=True, slots=True)
class MessageLocation:
    """A set of messages: a feed with its threads, its own timeline without them, a thread, or a conversation."""

    kind: PlaceKind
    id: int
