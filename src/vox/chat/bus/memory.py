"""The bus within one process: a list with bounds.

Two things to know. Subscribers are called under the lock, so that entries published from several threads (one event loop
per socket, as in Starlette's test client) still reach the sessions in the order of their positions. And what is kept is bytes:
a hundred thousand events as objects made each full garbage collection stop the server for 100 ms.
"""

import threading
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from vox.chat.bus.contract import LIVE_ONLY, Entry, PresenceSubscriber, Subscriber
from vox.chat.events import Event, decode_event, encode_event, encode_tail
from vox.chat.events.ids import UserId
from vox.runtime.clock import Clock, new_id

MAX_ENTRIES = 100_000
MAX_BYTES = 64 << 20
"""Of encoded events: each is kept for its sessions and for those who resume, about 1.7 times the frame."""
MAX_AGE_S = 600.0
"""Twice as long as a session may be resumed."""


class MemoryBus:
    """Implements `vox.chat.bus.contract.Bus`; the oldest entries are dropped first when a bound is reached.

    Args:
        clock: for ages.
        max_entries: how many entries the log keeps.
        max_bytes: how many encoded bytes it keeps.
        max_age_s: how long it keeps them.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self.epoch = new_id("log")
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._lock = threading.RLock()
        self._kept: deque[tuple[int, bytes, bytes]] = deque()
        self._times: deque[float] = deque()
        self._bytes = 0
        self._position = 0
        self._subscriber: Subscriber | None = None
        self._sessions: dict[str, tuple[float, bytes]] = {}

    @property
    def position(self) -> int:
        """The position of the last entry."""
        return self._position

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Nothing runs beside the publishers."""
        yield

    def publish(self, events: Sequence[Event]) -> None:
        """Appends events and calls the subscriber at once."""
        with self._lock:
            try:
                entries = [self._append(event) for event in events]
            except Exception:
                self.epoch = new_id("log")  # what could not be appended is lost with it, as the contract says
                raise
            self._trim()
            if entries and self._subscriber is not None:
                self._subscriber(entries)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Names the one subscriber."""
        self._subscriber = subscriber

    async def entries_after(self, position: int, limit: int) -> list[Entry] | None:
        """The next entries, or None where the log does not reach back that far."""
        with self._lock:
            self._trim()
            first = self._position - len(self._kept) + 1
            if not first - 1 <= position <= self._position:
                return None
            start = position + 1 - first
            if start * 2 < len(self._kept):
                found = list(islice(self._kept, start, start + limit))
            else:  # a deque is walked from its left; what is missed lies at the right as a rule
                found = list(islice(reversed(self._kept), len(self._kept) - start))[::-1][:limit]
        return [Entry(number, decode_event(blob), tail) for number, blob, tail in found]

    async def save_session(self, session_id: str, blob: bytes, ttl_s: float) -> None:
        """Keeps a detached session; those that are over are swept on the way."""
        now = self._clock.now()
        with self._lock:
            self._sessions = {name: kept for name, kept in self._sessions.items() if kept[0] > now}
            self._sessions[session_id] = (now + ttl_s, blob)

    async def load_session(self, session_id: str) -> bytes | None:
        """Takes a kept session."""
        with self._lock:
            until, blob = self._sessions.pop(session_id, (0.0, None))
        return blob if until > self._clock.now() else None

    async def drop_session(self, session_id: str) -> None:
        """Forgets a kept session."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def set_presence(self, user_id: UserId, record: bytes | None) -> None:
        """There is no other process to tell."""

    def subscribe_presence(self, subscriber: PresenceSubscriber) -> None:
        """There is no other process to hear from."""

    async def presences(self) -> Mapping[tuple[UserId, str], bytes]:
        """There is no other process."""
        return {}

    def _append(self, event: Event) -> Entry:
        tail = encode_tail(event)
        if event.type in LIVE_ONLY:
            return Entry(0, event, tail)
        self._position += 1
        blob = encode_event(event)
        self._kept.append((self._position, blob, tail))
        self._times.append(self._clock.now())
        self._bytes += len(tail) + len(blob)
        return Entry(self._position, event, tail)

    def _trim(self) -> None:
        oldest = self._clock.now() - self._max_age_s
        while self._kept and (
            len(self._kept) > self._max_entries or self._bytes > self._max_bytes or self._times[0] < oldest
        ):
            self._times.popleft()
            _, blob, tail = self._kept.popleft()
            self._bytes -= len(tail) + len(blob)
