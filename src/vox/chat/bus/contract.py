"""The bus: one ordered log of events that every gateway process sees in the same order.

The one thing to know: the position of an entry is what resuming stands on. Positions only grow, are never reused within an
epoch, and `entries_after` either returns everything after a position or says that it cannot (None); it never skips.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from vox.chat.events import Event
from vox.chat.events.ids import UserId

LIVE_ONLY: Final = frozenset({"typing_start", "presence_update"})
"""Types that are delivered and forgotten: they have position 0, stand in no log and are never replayed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on its way to the sessions.

    Args:
        position: its place in the log; 0 for the types of LIVE_ONLY.
        event: what happened, and who may know.
        tail: everything behind the sequence number of its frame, encoded once: `"type":"…","d":{…}}`.
        is_foreign: whether another process published it, so that this one has not yet applied it.
    """

    position: int
    event: Event
    tail: bytes
    is_foreign: bool = False


Subscriber = Callable[[Sequence[Entry]], None]
"""Takes entries in the order of the log; called on the thread that publishes or that reads from the engine."""
PresenceSubscriber = Callable[[UserId, str, bytes | None], None]
"""Takes user id, process and that process's record of the user; None when the user has no session there any more."""


class Bus(Protocol):
    """Carries events between processes, and keeps what a session needs to move from one process to another."""

    @property
    def epoch(self) -> str:
        """Names the log; another epoch means that positions of before say nothing."""
        ...

    @property
    def position(self) -> int:
        """The position of the last entry that was given to the subscriber; 0 at the beginning."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """What the bus needs of a lasting event loop, while the block runs."""
        ...

    def publish(self, events: Sequence[Event]) -> None:
        """Appends events; returns at once. What it cannot pass on within its bounds is lost with the epoch, never silently."""
        ...

    def subscribe(self, subscriber: Subscriber) -> None:
        """Names the one subscriber: it is called for every entry, of this and of other processes, in order."""
        ...

    async def entries_after(self, position: int, limit: int) -> list[Entry] | None:
        """The next entries after a position, oldest first, at most `limit`; None when some of them are trimmed or lost."""
        ...

    async def save_session(self, session_id: str, blob: bytes, ttl_s: float) -> None:
        """Keeps a detached session for any process to resume."""
        ...

    async def load_session(self, session_id: str) -> bytes | None:
        """Takes a kept session; it is dropped with this, so that only one process resumes it."""
        ...

    async def drop_session(self, session_id: str) -> None:
        """Forgets a kept session; unknown ids are no error."""
        ...

    def set_presence(self, user_id: UserId, record: bytes | None) -> None:
        """Tells the other processes how a user is present in this one; leased: a process that dies is forgotten."""
        ...

    def subscribe_presence(self, subscriber: PresenceSubscriber) -> None:
        """Names the one subscriber for what `set_presence` was told in other processes."""
        ...

    async def presences(self) -> Mapping[tuple[UserId, str], bytes]:
        """All records of other processes by user id and process: what a starting process needs."""
        ...
