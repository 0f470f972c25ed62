"""Sessions in the memory of this process, bounded in number and in bytes.

Where the store is full, the oldest session makes room. An old one has almost always been used, or its client is gone; refusing
new ones instead would let anyone who fills the store keep everyone out until the sessions expire.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from vox.agent.metrics import SESSIONS_EVICTED
from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.encoding import decode, encode
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics, NullMetrics

MAX_SESSIONS: Final = 100_000
MAX_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    record: bytes
    expires_at: float


class MemorySessionStore:
    """Implements `SessionStore`; a restart forgets everything.

    Args:
        ttl_s: how long a session is kept.
        clock: for that.
        metrics: where the sessions are counted that had to make room before their time was over.
        max_sessions: kept at once.
        max_bytes: of all sessions' JSON together.
    """

    def __init__(
        self,
        ttl_s: float,
        clock: Clock,
        metrics: Metrics | NullMetrics,
        *,
        max_sessions: int = MAX_SESSIONS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._evicted = metrics.counter(SESSIONS_EVICTED)
        self._ttl_s = ttl_s
        self._clock = clock
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def open(self) -> None:
        """Needs nothing."""

    async def close(self) -> None:
        """Holds nothing that must be given back."""

    async def check(self) -> None:
        """Memory always works."""

    async def get(self, session_id: str) -> StoredSession | None:
        """The session, or None where there is none or its time is over."""
        entry = self._entries.get(session_id)
        if entry is None or entry.expires_at <= self._clock.now():
            return None
        return decode(entry.record)

    async def put(self, session_id: str, session: StoredSession) -> None:
        """Keeps a session; the oldest ones make room for it."""
        self._remove(session_id)
        record = encode(session)
        self._entries[session_id] = _Entry(record, self._clock.now() + self._ttl_s)
        self._bytes += len(record)
        self._expire()
        while len(self._entries) > self._max_sessions or self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))
            self._evicted.inc()

    def __len__(self) -> int:
        return len(self._entries)

    def _expire(self) -> None:
        """All sessions live equally long, so the first is the one that expires first."""
        now = self._clock.now()
        while self._entries and next(iter(self._entries.values())).expires_at <= now:
            self._remove(next(iter(self._entries)))

    def _remove(self, session_id: str) -> None:
        entry = self._entries.pop(session_id, None)
        if entry is not None:
            self._bytes -= len(entry.record)
