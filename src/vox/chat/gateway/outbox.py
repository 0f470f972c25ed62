"""What one event loop still has to send in this tick: events are joined here into one write per session.

The one thing to know: numbers are given when a tick is flushed, and a flush is one run per audience. Sessions that are at
numbers of the same width share a template; only the numbers are filled in, in C. A change of who is in an audience flushes
first, so a session never gets what was published before it was there.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import zstandard

from vox.chat.api.json_ids import with_string_ids
from vox.chat.community.state import Space
from vox.chat.events.ids import UserId
from vox.chat.gateway.session import Session
from vox.http.sockets import Socket
from vox.protocols.gateway import ZSTD_LEVEL, is_one_width, numbered, run_template, tail

CACHED_BLOCKS: Final = 64
"""Finished writes kept per run, for sessions that happen to be at the same number."""
LOOK_MASK: Final = 15
"""A session's backlog is looked at once in 16 events, as asking costs a tenth of a delivery; after large writes always."""
LARGE_BYTES: Final = 4096


class OutgoingEvent:
    """One event as sessions get it.

    Args:
        kind: its type.
        payload: its content.
        base: the place in the log up to which everybody had been served before it.
        tail: its frame behind the number, where that is already encoded.
        is_passing: typing and presence, which a slow reader misses first.
        space: the feed or room that appears or vanishes for the receiver by it.
        appears: which of both.
        own: the user who gets another form of it, and that form.
    """

    __slots__ = ("_string_tail", "appears", "base", "is_passing", "kind", "own", "payload", "space", "tail")

    def __init__(
        self,
        kind: str,
        payload: dict[str, Any],
        base: int,
        *,
        encoded: bytes | None = None,
        is_passing: bool = False,
        space: Space | None = None,
        appears: bool = False,
        own: "tuple[UserId, OutgoingEvent] | None" = None,
    ) -> None:
        self.kind = kind
        self.payload = payload
        self.base = base
        self.tail = tail(kind, payload) if encoded is None else encoded
        self.is_passing = is_passing
        self.space = space
        self.appears = appears
        self.own = own
        self._string_tail: bytes | None = None

    @property
    def string_tail(self) -> bytes:
        """The tail with ids as texts, encoded when the first session asks for it."""
        if self._string_tail is None:
            self._string_tail = tail(self.kind, with_string_ids(self.payload))
        return self._string_tail


class Batch:
    """Events that go to the same sessions one after the other."""

    __slots__ = ("_blocks", "_templates", "bases", "count", "has_moves", "has_own", "has_passing", "items")

    def __init__(self, items: Sequence[OutgoingEvent]) -> None:
        self.items = items
        self.count = len(items)
        self.bases = tuple(item.base for item in items)
        self.has_passing = any(item.is_passing for item in items)
        self.has_moves = any(item.space is not None for item in items)
        self.has_own = any(item.own is not None for item in items)
        self._blocks: dict[tuple[int, bool], bytes] = {}
        self._templates: dict[tuple[int, bool], bytes] = {}

    def block(self, first_seq: int, *, string_ids: bool) -> bytes:
        """All frames on the wire, the first with the number `first_seq`."""
        key = (first_seq, string_ids)
        block = self._blocks.get(key)
        if block is None:
            block = self._make(first_seq, string_ids=string_ids)
            if len(self._blocks) < CACHED_BLOCKS:
                self._blocks[key] = block
        return block

    def tails(self, *, string_ids: bool) -> list[bytes]:
        """The frames behind their numbers."""
        return [item.string_tail if string_ids else item.tail for item in self.items]

    def without_passing(self) -> "Batch | None":
        """What a slow reader gets; None for nothing."""
        kept = [item for item in self.items if not item.is_passing]
        return Batch(kept) if kept else None

    def as_seen_by(self, user_id: UserId) -> "Batch":
        """The same run with the events in the form that this user gets."""
        if not any(item.own is not None and item.own[0] == user_id for item in self.items):
            return self
        return Batch([item.own[1] if item.own is not None and item.own[0] == user_id else item for item in self.items])

    def _make(self, first_seq: int, *, string_ids: bool) -> bytes:
        numbers = tuple(range(first_seq, first_seq + self.count))
        if not is_one_width(first_seq, self.count):
            return run_template(self.tails(string_ids=string_ids), first_seq) % numbers
        key = (len(str(first_seq)), string_ids)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = run_template(self.tails(string_ids=string_ids), first_seq)
        return template % numbers


Sessions = Iterable[Session]


class Outbox:
    """One event loop's sends.

    Args:
        loop: the loop whose sockets these are.
        lock: the hub's, held whenever sessions change.
        busy_bytes: unsent bytes from which a session is a slow reader.
        on_backlog: told of a slow reader's unsent bytes after each write to it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lock: threading.RLock,
        *,
        busy_bytes: int,
        on_backlog: Callable[[Session, int], None],
    ) -> None:
        self.loop = loop
        self.doors: asyncio.Semaphore | None = None
        self.deliveries = 0
        self.dropped = 0
        self._lock = lock
        self._busy_bytes = busy_bytes
        self._on_backlog = on_backlog
        self._batch: list[tuple[OutgoingEvent, Sessions]] = []
        self._is_scheduled = False
        self._compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress

    @property
    def is_here(self) -> bool:
        """Whether the caller runs on this outbox's loop."""
        return asyncio._get_running_loop() is self.loop  # noqa: SLF001  the public one raises where there is none

    def add(self, item: OutgoingEvent, sessions: Sessions) -> None:
        """Sends an event to these sessions at the end of the tick; the lock is held."""
        self._batch.append((item, sessions))
        if not self._is_scheduled:
            self._is_scheduled = True
            if self.is_here:
                self.loop.call_soon(self.flush)
            elif not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self.flush)

    def sent_up_to(self, position: int) -> int:
        """The place in the log up to which everything is written, given the place up to which everything is here."""
        return min((item.base for item, _ in self._batch), default=position)

    def compressed(self, frame: bytes) -> bytes:
        """A frame as one independent zstd frame."""
        return self._compress(frame)

    def flush(self) -> None:
        """Writes what has gathered, once per session; called on the loop's thread."""
        with self._lock:
            self._is_scheduled = False
            batch = self._batch
            if not batch:
                return
            self._batch = []
            audience = batch[0][1]
            if all(sessions is audience for _, sessions in batch):
                self._send_run(Batch([item for item, _ in batch]), audience)
            else:
                self._send_mixed(batch)

    def send(self, session: Session, run: Batch) -> None:
        """Writes a run to one session of any kind."""
        socket = session.socket
        if socket is None:
            return
        if run.has_passing and session.unsent_events:
            kept = run.without_passing()
            self.dropped += run.count - (kept.count if kept else 0)
            if kept is None:
                return
            run = kept
        has_own = run.has_own
        if has_own:
            run = run.as_seen_by(session.user_id)
        first = session.seq + 1
        session.seq += run.count
        session.ring.extend(run.bases)
        self.deliveries += run.count
        if run.has_moves:
            _remember_moves(session, run, first)
        if session.write is not None:
            session.write(run.block(first, string_ids=session.wants_string_ids))
        else:
            for seq, one in enumerate(run.tails(string_ids=session.wants_string_ids), first):
                frame = numbered(seq, one)
                socket.send(self._compress(frame) if session.is_compressed else frame.decode())
        backlog = socket.backlog_bytes
        if backlog > self._busy_bytes:
            session.is_fast = False
            session.unsent_events += run.count
            self._on_backlog(session, backlog)
        elif session.unsent_events or has_own:
            session.settle()

    def _send_run(self, run: Batch, sessions: Sessions) -> None:
        if run.has_moves:
            for session in tuple(sessions):
                self.send(session, run)
            return
        count, bases, block = run.count, run.bases, run.block
        busy_bytes = self._busy_bytes
        slow: list[tuple[Session, int]] = []
        others: list[Session] = []
        sent = 0
        for session in sessions:
            if not session.is_fast:
                others.append(session)
                continue
            first = session.seq + 1
            session.seq += count
            session.ring.extend(bases)
            sent += 1
            written = block(first, string_ids=False)
            cast("Any", session.write)(written)
            if first & LOOK_MASK < count or len(written) > LARGE_BYTES:
                backlog = cast("Socket", session.socket).backlog_bytes
                if backlog > busy_bytes:
                    slow.append((session, backlog))
        self.deliveries += sent * count
        for session in others:
            self.send(session, run)
        for session, backlog in slow:
            session.is_fast = False
            session.unsent_events += count
            self._on_backlog(session, backlog)

    def _send_mixed(self, batch: Sequence[tuple[OutgoingEvent, Sessions]]) -> None:
        concerned: list[Session] = []
        for item, sessions in batch:
            for session in sessions:
                if session.pending is None:
                    session.pending = [item]
                    concerned.append(session)
                else:
                    session.pending.append(item)
        runs: dict[tuple[object, ...], Batch] = {}
        for session in concerned:
            key = tuple(cast("list[object]", session.pending))
            session.pending = None
            run = runs.get(key)
            if run is None:
                run = runs[key] = Batch(cast("Sequence[OutgoingEvent]", key))
            self.send(session, run)


def _remember_moves(session: Session, run: Batch, first: int) -> None:
    for seq, item in enumerate(run.items, first):
        if item.space is not None:
            session.moved(seq, item.space, appeared=item.appears)
