"""The newest message ids of each feed, so that what is unread is counted in memory and not in the database for each client that connects.

A feed is remembered from the first time it is asked for, and then follows the events. The one thing to know: while a feed is being read
from the database its events are kept aside, and taken in when it is there.
"""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from vox.chat.events import Event
from vox.chat.events.ids import FeedId, MessageId, UserId

MOST_COUNTED: Final = 100
"""Unread messages and mentions are counted up to here."""
KEPT: Final = 2 * MOST_COUNTED
"""Ids kept of a feed: more than are counted, so that deletions do not make it be read again at once."""
MAX_PENDING: Final = 10_000

Loaded = tuple[list[MessageId], list[tuple[MessageId, UserId | None]]]
"""Ids of messages, and of those that mention everyone with their authors; both ascending."""


class RecentMessages:
    """The newest messages of the feeds that were asked for; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: dict[FeedId, _Feed] = {}

    def missing(self, feed_ids: Iterable[FeedId]) -> list[FeedId]:
        """Those of some feeds that have to be read from the database; from now on their events are kept aside."""
        with self._lock:
            found = [feed_id for feed_id in feed_ids if feed_id not in self._feeds or not self._feeds[feed_id].is_there]
            for feed_id in found:
                self._feeds.setdefault(feed_id, _Feed())
            return found

    def install(self, loaded: Mapping[FeedId, Loaded]) -> None:
        """Takes what the database has for feeds that `missing` named."""
        with self._lock:
            for feed_id, (ids, for_everyone) in loaded.items():
                feed = self._feeds.get(feed_id)
                if feed is not None and not feed.is_there:
                    feed.fill(ids, for_everyone)

    def apply(self, event: Event) -> None:
        """Follows an event."""
        rule = _RULES.get(event.type)
        if rule is None:
            return
        feed_id = event.payload.get("feed_id")
        if feed_id is None or feed_id not in self._feeds:
            return
        with self._lock:
            feed = self._feeds.get(feed_id)
            if feed is not None and rule(feed, event.payload):
                del self._feeds[feed_id]

    def forget(self) -> None:
        """Forgets all, because events may have been missed."""
        with self._lock:
            self._feeds = {}

    def newest(self, feed_id: FeedId) -> MessageId | None:
        """The id of the newest message; None where there is none, or the feed is not known."""
        with self._lock:
            feed = self._feeds.get(feed_id)
            return feed.ids[-1] if feed is not None and feed.ids else None

    def unread(self, feed_id: FeedId, mark: int) -> int:
        """How many messages are newer than a mark, at most MOST_COUNTED."""
        with self._lock:
            feed = self._feeds.get(feed_id)
            return min(len(feed.ids) - bisect_right(feed.ids, mark), MOST_COUNTED) if feed is not None else 0

    def for_everyone(self, feed_id: FeedId, mark: int, reader_id: UserId) -> list[MessageId]:
        """The messages newer than a mark that mention everyone and are of other authors."""
        with self._lock:
            feed = self._feeds.get(feed_id)
            if feed is None:
                return []
            return [msg_id for msg_id, author in feed.for_everyone if msg_id > mark and author != reader_id]


class _Feed:
    """One feed's newest messages; `pending` are events that came while it was being read."""

    __slots__ = ("for_everyone", "ids", "is_complete", "is_there", "pending")

    def __init__(self) -> None:
        self.ids: list[MessageId] = []
        self.for_everyone: list[tuple[MessageId, UserId | None]] = []
        self.is_there = False
        self.is_complete = False
        self.pending: list[tuple[Callable[[_Feed, Mapping[str, Any]], bool], Mapping[str, Any]]] = []

    def fill(self, ids: list[MessageId], for_everyone: list[tuple[MessageId, UserId | None]]) -> None:
        self.ids, self.for_everyone = list(ids), list(for_everyone)
        self.is_there, self.is_complete = True, len(ids) < KEPT
        pending, self.pending = self.pending, []
        for rule, payload in pending:
            rule(self, payload)


def _created(feed: _Feed, said: Mapping[str, Any]) -> bool:
    if said.get("thread_id") is not None:
        return False
    if not feed.is_there:
        return _later(feed, _created, said)
    msg_id, ids = said["msg_id"], feed.ids
    if not ids or msg_id > ids[-1]:
        ids.append(msg_id)
    elif ids[bisect_left(ids, msg_id)] != msg_id:
        insort(ids, msg_id)  # on PostgreSQL two messages of one moment may come in the other order
    if len(ids) > KEPT:
        del ids[0]
        feed.is_complete = False
    if 0 in said.get("mentions", ()) and (msg_id, said["author_id"]) not in feed.for_everyone:
        feed.for_everyone.append((msg_id, said["author_id"]))
        del feed.for_everyone[:-MOST_COUNTED]
    return False


def _deleted(feed: _Feed, said: Mapping[str, Any]) -> bool:
    if not feed.is_there:
        return _later(feed, _deleted, said)
    gone = set(said.get("msg_ids") or (said["msg_id"],))
    feed.ids = [msg_id for msg_id in feed.ids if msg_id not in gone]
    feed.for_everyone = [one for one in feed.for_everyone if one[0] not in gone]
    return len(feed.ids) < MOST_COUNTED and not feed.is_complete


def _vanished(_feed: _Feed, _said: Mapping[str, Any]) -> bool:
    return True


def _later(feed: _Feed, rule: Callable[[_Feed, Mapping[str, Any]], bool], said: Mapping[str, Any]) -> bool:
    """Keeps an event aside; True, so that the feed is forgotten, where too many have gathered."""
    feed.pending.append((rule, said))
    return len(feed.pending) > MAX_PENDING


_RULES: Final[Mapping[str, Callable[[_Feed, Mapping[str, Any]], bool]]] = {
    "message_create": _created,
    "message_delete": _deleted,
    "message_bulk_delete": _deleted,
    "feed_delete": _vanished,
}
"""What an event does to its feed; each returns whether the feed has to be read again."""
