"""The bus between processes, over Redis: a stream as the log, pub/sub for speed.

A batch of events gets its positions, enters the stream and goes out in one script, so that all processes see one order; own
events are delivered when they come back. Before changing: whatever cannot be proven complete is declared lost (another epoch, or
`on_lost`), and clients begin anew. Redis away: events wait here in order; after a moment this process's own sessions are given
them (see `outage`), and begin anew when Redis is back.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec

from vox.chat.bus import redis_scripts as scripts
from vox.chat.bus.contract import LIVE_ONLY, Entry, PresenceSubscriber, Subscriber
from vox.chat.bus.outage import Outage
from vox.chat.bus.redis_presence import LEASE_PREFIX, LEASE_S, RedisPresence
from vox.chat.bus.redis_sessions import RedisSessions
from vox.chat.bus.shared import Lost, Moved
from vox.chat.events import Event, decode_event, encode_event, encode_tail
from vox.chat.events.ids import UserId
from vox.errors import DependencyError, VoxError
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.runtime.tasks import periodic, supervised
from vox.stores.redis import PREFIX, channel, connect, failures

MAX_WAITING: Final = 10_000
"""Events that wait for Redis; one more, and all of them are lost, with the epoch."""
MAX_HELD: Final = 20_000
"""Entries that wait for the subscriber; beyond it they are read from the log again."""
MAX_BATCH: Final = 256
MAX_RECENT: Final = 10_000
"""Entries remembered here, so that many clients who come back at once do not all read from Redis."""
MAX_LOG: Final = 100_000
"""Events that the log keeps, at least."""
RETRY_S: Final = 0.05
RETRY_MAX_S: Final = 2.0
CHECK_S: Final = 1.0
"""How often the log is compared with what pub/sub brought, while that is silent."""
REACH_S: Final = 5.0
_LOG, _STREAM = PREFIX + "log", PREFIX + "stream"

_log = get_logger(__name__)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[bytes]).decode


class RedisBus:
    """Implements `vox.chat.bus.shared.SharedBus`; connects when `running` is entered.

    Args:
        url: of Redis, at least 6.2.
        clock: for waits.
        max_waiting: see MAX_WAITING.
        max_log: see MAX_LOG.

    Raises:
        UsageError: redis_url_invalid, missing_dependency.
    """

    def __init__(self, url: str, clock: Clock, *, max_waiting: int = MAX_WAITING, max_log: int = MAX_LOG) -> None:
        self.process = new_id("proc")
        self._clock = clock
        self._max_waiting = max_waiting
        self._max_log = max_log
        self._client = connect(url)
        # Only the sender uses this connection, so it cannot write to a Redis that it has not greeted.
        self._writer = connect(url, connections=1, on_connect=self._greet)
        self._hello_script = self._writer.register_script(scripts.HELLO)
        self._publish_script = self._writer.register_script(scripts.PUBLISH)
        self._read_script = self._client.register_script(scripts.READ)
        self._live = channel(self._client, "live")
        self._sessions = RedisSessions(self._client, self.process, LEASE_PREFIX, clock)
        self._presence = RedisPresence(self._client, self.process)
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._sent: dict[int, list[Event]] = {}
        self._batch = 0
        self._run = ""
        self._epoch = ""
        self._ending = ""
        self._position = 0
        self._read = 0
        self._held: deque[Entry] | None = None
        self._arriving: list[tuple[int, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._recent: deque[Entry] = deque(maxlen=min(MAX_RECENT, max_log))
        self._subscriber: Subscriber | None = None
        self._lost: Lost | None = None
        self._is_away = False
        self._outage = Outage(clock, max_waiting)

    @property
    def is_interrupted(self) -> bool:
        """Whether Redis has been away for longer than a moment, so that events of other processes are missing."""
        return self._outage.is_long

    @property
    def epoch(self) -> str:
        """Names the log."""
        return self._epoch

    @property
    def position(self) -> int:
        """The position of the last entry that was given to the subscriber."""
        return self._position

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Publishes and listens while the block runs; what waits is sent before it ends, if Redis is there.

        Raises:
            DependencyError: Redis does not answer (redis_failed).
        """
        self._loop = asyncio.get_running_loop()
        try:
            self._epoch, self._read = await self._hello()
            self._position = self._read
            await self._presence.renew()
            listening = asyncio.Event()
            async with (
                supervised(partial(self._listen, listening), "bus listen"),
                supervised(self._send, "bus send"),
                periodic(LEASE_S / 3, self._presence.renew, "bus presence lease"),
            ):
                await listening.wait()
                if self._lost is not None:
                    self._lost()
                yield
                await self._drain()
        finally:
            self._loop = None
            with contextlib.suppress(VoxError):
                await self._presence.leave()
            for client in (self._client, self._writer):
                await client.aclose()
                await client.connection_pool.disconnect()

    def publish(self, events: Sequence[Event]) -> None:
        """Queues events for all processes; any thread may call."""
        if not events:
            return
        with self._lock:
            if len(self._waiting) + len(events) > self._max_waiting:
                _log.error("events are lost: too many wait for Redis", waiting=len(self._waiting))
                self._waiting.clear()
                self._ending = self._epoch or "none"
            else:
                self._waiting.extend(events)
            self._outage.add(events)
        self._nudge()
        if self._outage.is_long and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._give_early)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Names the one subscriber."""
        self._subscriber = subscriber

    def on_lost(self, lost: Lost) -> None:
        """Names who is told when entries were lost."""
        self._lost = lost

    def on_moved(self, moved: Moved) -> None:
        """Names who lets go of sessions that other processes take."""
        self._sessions.moved = moved

    def hold(self, entries: Sequence[Entry]) -> None:
        """Gives no more entries to the subscriber; these are given again first."""
        if self._held is None:
            self._held = deque()
        self._held.extendleft(reversed(entries))
        first = next((entry.position for entry in entries if entry.position), 0)
        if first:
            self._position = first - 1
            while self._recent and self._recent[-1].position >= first:
                self._recent.pop()

    def go_on(self) -> None:
        """Gives what was held."""
        held, self._held = self._held, None
        if held:
            self._give(list(held))
        self._give_early()

    async def entries_after(self, position: int, limit: int) -> list[Entry] | None:
        """The next entries of the log; None when some are gone.

        Raises:
            DependencyError: redis_failed.
        """
        recent = self._recent
        if recent and recent[0].position <= position + 1 and position <= self._position:
            start = position + 1 - recent[0].position
            return list(islice(recent, start, start + limit))
        epoch, last, entries = await self._read_log(position, max(1, min(limit, MAX_BATCH)))
        if epoch != self._epoch or position > last:
            return None
        if position < last and (not entries or entries[0].position > position + 1):
            return None
        return entries[:limit]

    async def save_session(self, session_id: str, blob: bytes, ttl_s: float) -> None:
        """Keeps a detached session; what another process has taken stays as it is.

        Raises:
            DependencyError: redis_failed.
        """
        await self._sessions.save(session_id, blob, ttl_s, is_live=False)

    async def checkpoint_session(self, session_id: str, blob: bytes, ttl_s: float) -> bool:
        """Keeps a connected session; False when another process has taken it.

        Raises:
            DependencyError: redis_failed.
        """
        return await self._sessions.save(session_id, blob, ttl_s, is_live=True)

    async def load_session(self, session_id: str) -> bytes | None:
        """Takes a kept session, once this process has been given all that the other one may have delivered.

        Raises:
            DependencyError: redis_failed.
        """
        found = await self._sessions.load(session_id)
        if found is None:
            return None
        blob, position = found
        await self._reached(position)
        return blob

    async def drop_session(self, session_id: str) -> None:
        """Forgets a kept session of this process.

        Raises:
            DependencyError: redis_failed.
        """
        await self._sessions.drop(session_id)

    def set_presence(self, user_id: UserId, record: bytes | None) -> None:
        """Tells the other processes with the next write."""
        self._presence.set(user_id, record)
        self._nudge()

    def subscribe_presence(self, subscriber: PresenceSubscriber) -> None:
        """Names the one subscriber; it also hears everything that was there before."""
        self._presence.subscriber = subscriber

    async def presences(self) -> Mapping[tuple[UserId, str], bytes]:
        """The records of other processes, as far as they were heard."""
        return self._presence.others

    def _nudge(self) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if asyncio._get_running_loop() is loop:  # noqa: SLF001  the public one raises where there is none
            self._wake.set()
        else:
            loop.call_soon_threadsafe(self._wake.set)

    async def _greet(self, connection: Any) -> None:
        """Asks a Redis that the writer connects to which one it is; one that was started anew must be said hello to first."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        said = (await connection.read_response()).decode()
        run = said.partition("run_id:")[2].split("\r\n", 1)[0]
        before, self._run = self._run, run
        if before and run != before:
            raise ConnectionError("Redis was started again")

    async def _hello(self) -> tuple[str, int]:
        """The log's epoch and position; a new epoch where this process has lost events."""
        with failures():
            await self._writer.ping()
            ending = self._ending
            keys = [_LOG, _STREAM, self._live]
            epoch, position = await self._hello_script(keys=keys, args=[new_id("log"), self._run, self._read, ending])
        if ending == self._ending:
            self._ending = ""
        return epoch.decode(), int(position)

    async def _send(self) -> None:
        """The one task that writes; a batch that failed is sent again under its number, so it enters the log once."""
        delay_s = RETRY_S
        batch: list[Event] = []
        while True:
            self._wake.clear()
            try:
                if self._ending or self._is_away:
                    self._greeted(*await self._hello())
                if not batch:
                    batch = self._next_batch()
                if batch and await self._sent_batch(batch):
                    batch = []
                await self._presence.flush()
            except VoxError as error:
                if not self._is_away:
                    _log.error("Redis is away; events wait", error=str(error))
                self._away(batch)
                self._give_early()
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)
                continue
            except Exception:  # noqa: BLE001  the top of a task, which must outlive what cannot be sent
                _log.exception("events are lost: they could not be sent", events=len(batch))
                self._sent.pop(self._batch, None)
                batch = []
                self._ending = self._epoch or "none"
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)
                continue
            if self._is_away:
                _log.info("Redis is back", waiting=len(self._waiting))
                self._is_away = False
                self._outage.ended()
            delay_s = RETRY_S
            if not batch and not self._waiting and not self._ending:
                self._idle.set()
                await self._wake.wait()

    def _next_batch(self) -> list[Event]:
        """Takes what waits: one kind at a time, those for the log or those that only pass."""
        with self._lock:
            batch: list[Event] = []
            while self._waiting and len(batch) < MAX_BATCH:
                if batch and (self._waiting[0].type in LIVE_ONLY) != (batch[0].type in LIVE_ONLY):
                    break
                batch.append(self._waiting.popleft())
        if batch:
            self._batch += 1
            self._sent[self._batch] = batch
        return batch

    async def _sent_batch(self, batch: list[Event]) -> bool:
        """Whether a batch is out; not where the log has become another one: then it is sent to that."""
        payload = _pack([encode_event(event) for event in batch])
        number = self._batch
        with failures():
            if batch[0].type in LIVE_ONLY:
                message = f"{self._epoch}\n{self.process}\n{number}\n0\n".encode() + payload
                await self._writer.publish(self._live, message)
                return True
            keys = [_LOG, _STREAM, self._live, f"{PREFIX}batch:{self.process}"]
            arguments = [self._epoch, self._run, self.process, number, len(batch), payload, self._max_log]
            done = await self._publish_script(keys=keys, args=arguments)
        if done is None:
            self._follow(*await self._hello())
        return done is not None

    async def _drain(self) -> None:
        self._idle.clear()
        self._wake.set()
        if not self._is_away:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REACH_S):
                    await self._idle.wait()

    async def _listen(self, listening: asyncio.Event) -> None:
        """The one task that reads; each new subscription begins with the log, so that nothing falls between."""
        delay_s = RETRY_S
        while True:
            pubsub = self._client.pubsub()
            try:
                with failures():
                    await pubsub.subscribe(self._live, self._presence.channel, self._sessions.channel)
                    await self._catch_up()
                    listening.set()
                    delay_s = RETRY_S
                    await self._hear(pubsub)
            except VoxError as error:
                _log.warning("the bus is interrupted", error=str(error))
                self._ask_hello()
            except Exception:  # noqa: BLE001  the top of a task, which must outlive what it cannot read
                _log.exception("the bus is interrupted")
            finally:
                with contextlib.suppress(Exception):  # whatever is left of a broken connection says nothing new
                    await pubsub.aclose()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MAX_S)

    async def _hear(self, pubsub: Any) -> None:
        """Takes messages until the subscription turns out to be deaf: twice in a row the log knew more."""
        missed = 0
        while True:
            message = await pubsub.get_message(timeout=CHECK_S)
            if message is None:
                missed = missed + 1 if await self._catch_up() else 0
                if missed > 1:
                    raise DependencyError("the subscription is deaf", code="redis_failed", retryable=True)
                continue
            # What confirms the subscription is no sign that it hears, nor that it is deaf.
            if message["type"] != "message":
                continue
            missed = 0
            where, data = message["channel"].decode(), message["data"]
            if where == self._live:
                await self._take(data)
            elif where == self._presence.channel:
                self._presence.heard(data)
            else:
                await self._sessions.heard(data)

    async def _take(self, message: bytes) -> None:
        epoch, origin, number, first, payload = message.split(b"\n", 4)
        if epoch.decode() != self._epoch:
            await self._catch_up()
            return
        if not origin:
            return
        position = int(first)
        if position > self._read + 1:
            await self._catch_up()
        entries = self._entries(origin.decode(), int(number), position, payload)
        self._give([entry for entry in entries if not entry.position or entry.position > self._read])

    async def _catch_up(self) -> bool:
        """Reads the log up to its end; whether there was anything."""
        found = False
        while not self._is_full:
            epoch, last, entries = await self._read_log(self._read, MAX_BATCH)
            if epoch == self._epoch and self._outage.ended():
                self._lose(last)
                continue
            if epoch != self._epoch:
                if not epoch:
                    self._ask_hello()
                    return found
                self._follow(epoch, last)
                continue
            if last < self._read:
                self._ask_hello()
                return found
            if last == self._read:
                return found
            found = True
            if not entries or entries[0].position > self._read + 1:
                _log.error("the log was trimmed before it was read", position=self._read, last=last)
                self._lose(last)
                continue
            self._give(entries)
        return found

    def _ask_hello(self) -> None:
        """Redis is away, or has lost the log or a part: the sender must greet it before anything is published."""
        self._away(())
        self._wake.set()

    def _away(self, unsent: Sequence[Event]) -> None:
        self._is_away = True
        with self._lock:
            self._outage.begin([*unsent, *self._waiting])

    def _give_early(self) -> None:
        """Gives own events without a place in the log, while Redis stays away and nothing else is to come first."""
        if self._held is not None or self._subscriber is None:
            return
        events = self._outage.take()
        if events:
            self._subscriber([Entry(0, event, encode_tail(event)) for event in events])

    def _greeted(self, epoch: str, position: int) -> None:
        """Redis is back: goes over to its log, where sessions that were given events outside of it cannot go on."""
        has_given_early = self._outage.ended()
        if epoch != self._epoch:
            self._follow(epoch, position)
        elif has_given_early:
            _log.warning("clients begin anew: events were delivered while Redis was away")
            self._lose(position)

    async def _read_log(self, position: int, batches: int) -> tuple[str, int, list[Entry]]:
        with failures():
            epoch, last, rows = await self._read_script(keys=[_LOG, _STREAM], args=[position, batches])
        entries: list[Entry] = []
        for _, row in rows or ():
            fields = dict(zip(row[::2], row[1::2], strict=True))
            batch = self._entries(fields[b"o"].decode(), int(fields[b"b"]), int(fields[b"f"]), fields[b"p"])
            entries += [entry for entry in batch if entry.position > position]
        return (epoch or b"").decode(), int(last or 0), entries

    def _entries(self, origin: str, number: int, first: int, payload: bytes) -> list[Entry]:
        is_foreign = origin != self.process
        events = None if is_foreign else self._sent.get(number)
        if events is None:
            events = [decode_event(blob) for blob in _unpack(payload)]
        return [
            Entry(first + index if first else 0, event, encode_tail(event), is_foreign)
            for index, event in enumerate(events)
        ]

    @property
    def _is_full(self) -> bool:
        return self._held is not None and len(self._held) >= MAX_HELD

    def _give(self, entries: list[Entry]) -> None:
        """Gives entries that follow on what was given."""
        if not entries:
            return
        if self._held is not None:
            if not self._is_full:
                self._held.extend(entries)
                self._advance(entries)
            return
        self._advance(entries)
        last = entries[-1].position
        if last:
            self._position = last
            self._recent.extend(entry for entry in entries if entry.position)
        if self._subscriber is not None:
            self._subscriber(entries)
        if self._arriving:
            for position, waiter in self._arriving:
                if position <= self._position and not waiter.done():
                    waiter.set_result(None)

    def _advance(self, entries: list[Entry]) -> None:
        self._read = max(self._read, entries[-1].position)
        if any(not entry.is_foreign for entry in entries) and len(self._sent) > 1:
            # A batch comes back in order; those before it came another way, or never will.
            self._sent = {number: batch for number, batch in self._sent.items() if number > self._batch - 16}

    def _follow(self, epoch: str, position: int) -> None:
        """Goes over to another epoch, if it is another."""
        if epoch != self._epoch:
            _log.error("the log has begun anew: clients must begin anew", epoch=epoch, was=self._epoch)
            self._epoch = epoch
            self._lose(position)

    def _lose(self, position: int) -> None:
        self._read = self._position = position
        self._recent.clear()
        if self._held is not None:
            self._held.clear()
        for _, waiter in self._arriving:
            if not waiter.done():
                waiter.set_result(None)
        if self._lost is not None:
            self._lost()

    async def _reached(self, position: int) -> None:
        """Waits until everything up to a position was given to the subscriber."""
        if position <= self._position:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arriving.append((position, waiter))
        try:
            async with asyncio.timeout(REACH_S):
                await waiter
        except TimeoutError:
            raise DependencyError("the log does not arrive", code="redis_failed", retryable=True) from None
        finally:
            self._arriving.remove((position, waiter))
