"""The hub: every gateway session of this process, and what reaches it.

Two paths meet here. Events come in by `publish`, in the order of the bus, and go to the sessions of their audience; clients
come in by `serve`, and begin or resume a session. Before changing: all state is guarded by one lock, because sockets may live
on several event loops; nothing is awaited while it is held, and a session's own socket is only touched on its own loop.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.websockets import WebSocket

from vox.chat.bus.contract import LIVE_ONLY, Bus, Entry
from vox.chat.community import AccessChange, Community
from vox.chat.community.presence import PresenceRecord, PresenceRegistry, decode_record, described, encode_record
from vox.chat.config.runtime_config import Config
from vox.chat.database.unit_of_work import Read
from vox.chat.events import NEEDED_CAPABILITY, Event, typing_start
from vox.chat.events.ids import DmId, FeedId, LoginId, UserId
from vox.chat.events.kinds import FOR_DEVICES
from vox.chat.events.permissions import P
from vox.chat.gateway import metrics
from vox.chat.gateway.audience_index import AudienceIndex
from vox.chat.gateway.connection import Connection
from vox.chat.gateway.contacts import Acquaintances
from vox.chat.gateway.handshake import Handshake, Logins, SnapshotSource
from vox.chat.gateway.limits import GatewayLimits
from vox.chat.gateway.outbox import Outbox, OutgoingEvent
from vox.chat.gateway.outboxes import Outboxes
from vox.chat.gateway.per_recipient import authors_item, is_to_each, personalised_items
from vox.chat.gateway.presence_broadcast import PresenceNews
from vox.chat.gateway.queries import LoginEnd
from vox.chat.gateway.relays import Relay, Relays
from vox.chat.gateway.session import Session
from vox.chat.gateway.typing_throttle import TypingThrottle
from vox.chat.gateway.visible_spaces import APPEARS, PendingChanges, VisibleSpaces, space_event
from vox.http.websocket import serve_socket
from vox.protocols.gateway import MAX_FRAME_BYTES, CloseCode, Identify, PresenceUpdate, Resume, Typing
from vox.protocols.gateway_server import Closing, GatewayServer, as_id
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics
from vox.security.addresses import network_key

RESTART = (int(CloseCode.SERVER_RESTART), "Server restarting")
READ_BUFFER_BYTES = 2048
"""Clients say little: this is picows' least, and a quarter of its usual."""
DELIVERY_STATUS = "delivery_status"
CLOSE_WAIT_S = 1.0
"""How long a drain waits for the closing handshakes."""


class Hub:
    """All sessions of this process.

    Args:
        community: who may see what.
        bus: brings events, and keeps sessions without connection.
        clock: for deadlines and records.
        config: the server's name, and how many may connect.
        logins: know whose a token is.
        presence: who is present, as this hub learns it.
        metrics: counts sockets, sessions and deliveries.
        read: reads the database.
        tell: sends an event that no database row stands behind.
        snapshots: what clients get at the beginning that ask for it.
        relay: passes on what clients send to other devices.
        bounds: the limits.
    """

    def __init__(
        self,
        community: Community,
        bus: Bus,
        clock: Clock,
        *,
        config: Config,
        logins: Logins,
        presence: PresenceRegistry,
        metrics: Metrics,
        read: Read,
        tell: Callable[[Event], None],
        snapshots: SnapshotSource,
        relay: Relay,
        bounds: GatewayLimits,
    ) -> None:
        self.bounds = bounds
        self.lock = threading.RLock()
        self.position = 0
        self.generation = 0
        self.is_interrupted = False
        self.view = VisibleSpaces(community)
        self.index: AudienceIndex[Session] = AudienceIndex(community)
        self.connections: dict[Session, Connection] = {}
        self.acquaintances = Acquaintances()
        self.board = presence
        self.news = PresenceNews(
            presence,
            bounds,
            clock,
            tell=self.send,
            everyone=self.index.everyone,
            of_user=self.index.of_user,
            related=self.acquaintances.of,
        )
        self._community = community
        self._bus = bus
        self._clock = clock
        self._config = config
        self._metrics = metrics
        self._tell = tell
        self.relays = Relays(relay, partial(config.limit, "relay_payload_max"))
        self._handshake = Handshake(
            self,
            community,
            bus,
            clock,
            config=config,
            logins=logins,
            metrics=metrics,
            read=read,
            snapshots=snapshots,
            bounds=bounds,
        )
        self._outboxes = Outboxes(
            self.connections, self.lock, bounds, metrics, on_backlog=self._slow, sweep=self._sweep
        )
        self._sockets: set[Connection] = set()
        self._per_address: dict[str, int] = {}
        self._typing = TypingThrottle(self.bounds.typing_interval_s)
        self._changes = PendingChanges()
        self._coming: set[object] = set()
        self._is_draining = False
        self.on_dm_typing: Callable[[UserId, DmId], None] | None = None
        """Told of who types in a conversation, where others than the sessions want to know."""
        self._next_login_end = math.inf
        self._counted = {"deliveries": 0, "dropped": 0}
        bus.subscribe_presence(self.heard_presence)

    async def serve(self, websocket: WebSocket) -> None:
        """Serves one socket to its end."""
        clock, bounds = self._clock, self.bounds
        client = websocket.client
        async with asyncio.TaskGroup() as group:
            connection = Connection(
                self,
                address=network_key(client.host) if client else "unknown",
                is_compressed=websocket.query_params.get("compress") == "zstd",
                clock=clock,
                protocol=GatewayServer(
                    clock.now(),
                    identify_deadline_s=bounds.identify_deadline_s,
                    heartbeat_deadline_s=bounds.heartbeat_deadline_s,
                    messages=bounds.client_messages,
                    messages_period_s=bounds.client_messages_period_s,
                ),
                spawn=group.create_task,
            )
            await serve_socket(
                websocket,
                connection,
                max_message_bytes=MAX_FRAME_BYTES,
                max_backlog_bytes=4 * bounds.backlog_bytes,
                ping_interval_s=0,
                going_away=RESTART,
                read_buffer_bytes=READ_BUFFER_BYTES,
            )
        await self._handshake.keep(connection)

    def on_access_changed(self, event: Event, shift: AccessChange) -> None:
        """The community has taken an event that changes who may see what; told of before the event is published."""
        with self.lock:
            self.index.shift(shift)
            self._changes.add(shift)
            if event.type in APPEARS:
                space = space_event(event)
                if space is not None:
                    self._coming.add(space[0])
            for place in shift.spaces:
                if place[0] == "dm":
                    self.acquaintances.dm_is(place[1], self._community.dms.get(place[1], frozenset()))

    def publish(self, entries: Sequence[Entry]) -> None:
        """Delivers events to the sessions that may know of them; entries come in the order of the log."""
        with self.lock:
            if self._changes:
                self._apply_changes()
            for entry in entries:
                self._publish(entry)

    def send(self, kind: str, payload: dict[str, Any], sessions: Iterable[Session]) -> None:
        """Sends what stands in no log."""
        with self.lock:
            self._outboxes.deliver(OutgoingEvent(kind, payload, self.position, is_passing=True), sessions)

    def close_user(self, user_id: UserId, code: int, reason: str) -> None:
        """Ends all sessions of a user; they cannot be resumed."""
        with self.lock:
            for session in tuple(self.index.of_user(user_id)):
                self._end(session, code, reason)

    def close_logins(self, user_id: UserId, login_ids: Collection[LoginId], code: int, reason: str) -> None:
        """Ends the sessions of some of a user's logins (rows of `sessions`); they cannot be resumed."""
        with self.lock:
            for session in tuple(self.index.of_user(user_id)):
                if session.login_id in login_ids:
                    self._end(session, code, reason)

    def close_revoked(self, user_id: UserId, login_ids: Collection[LoginId] | None, reason: str) -> None:
        """Ends the sessions of logins that were revoked; None for all logins of the user."""
        if login_ids is None:
            self.close_user(user_id, CloseCode.AUTH_FAILED, reason)
        else:
            self.close_logins(user_id, login_ids, CloseCode.AUTH_FAILED, reason)

    def set_keyless(self, user_id: UserId, login_ids: Collection[LoginId], is_keyless: bool) -> None:
        """Ends, or begins again, the events of keys of the sessions of some logins."""
        with self.lock:
            for session in self.index.of_user(user_id):
                if session.login_id in login_ids:
                    session.is_keyless = is_keyless

    def logins_until(self, now_s: float) -> list[LoginId]:
        """The logins of connected sessions that have expired, unless they were prolonged since they were looked up."""
        if now_s < self._next_login_end:
            return []
        with self.lock:
            ends = [(one.login_ends_at, one.login_id) for one in self.connections]
            self._next_login_end = min((end for end, _ in ends), default=math.inf)
        return list({login_id for end, login_id in ends if end <= now_s})

    def connected_logins(self) -> list[LoginId]:
        """The logins of all connected sessions."""
        with self.lock:
            return list({one.login_id for one in self.connections})

    def set_interrupted(self, *, is_interrupted: bool) -> None:
        """Tells all sessions whether events of other processes come through, where that has changed."""
        with self.lock:
            if is_interrupted != self.is_interrupted:
                self.is_interrupted = is_interrupted
                self.send(DELIVERY_STATUS, {"interrupted": is_interrupted}, self.index.everyone())

    def tell_of_interruption(self, session: Session) -> None:
        """Tells a session that has just joined where events of other processes do not come through; the lock is held."""
        if self.is_interrupted:
            self.send(DELIVERY_STATUS, {"interrupted": True}, (session,))

    def logins_end(self, ends: Mapping[LoginId, LoginEnd], now_s: float) -> None:
        """Ends the sessions of those logins that have expired; they cannot be resumed.

        Args:
            ends: when each login expires, and whether it is keyless.
            now_s: Unix seconds.
        """
        with self.lock:
            for session in [one for one in self.connections if one.login_id in ends]:
                session.login_ends_at, session.is_keyless = ends[session.login_id]
                if session.login_ends_at <= now_s:
                    self._end(session, CloseCode.AUTH_FAILED, "the login has expired")

    def invalidate_sessions(self, reason: str) -> None:
        """Ends all sessions, also those that wait for their clients: events may be missing, so none can be resumed."""
        with self.lock:
            self.generation += 1
            for session in tuple(self.connections):
                self._end(session, CloseCode.SESSION_EXPIRED, reason)
            self._handshake.forget()
            self.acquaintances.forget()
            self._coming.clear()
            self.position = self._bus.position

    async def drain(self, over_s: float = 0.0) -> None:
        """Refuses new sessions and closes all others, resumable, spread over a time.

        Args:
            over_s: seconds from the first to the last; clients come back to other processes then, not all at once.
        """
        self._is_draining = True
        with self.lock:
            leaving = tuple(self._sockets)
        for number, connection in enumerate(leaving, 1):
            self._on_its_loop(connection, partial(connection.close, CloseCode.SERVER_RESTART, RESTART[1]))
            if over_s > 0 and number < len(leaving):
                await asyncio.sleep(over_s / len(leaving))
        deadline = self._clock.now() + CLOSE_WAIT_S
        while self._sockets and self._clock.now() < deadline:  # noqa: ASYNC110  they end on any loop
            await asyncio.sleep(CLOSE_WAIT_S / 50)

    def measure(self) -> None:
        """Sets the metrics; called before they are read."""
        counted = self._metrics
        with self.lock:
            outboxes = tuple(self._outboxes.by_loop.values())
            counted.gauge(metrics.SESSIONS).set(len(self.connections))
            counted.gauge(metrics.CONNECTIONS).set(len(self._sockets))
            counted.gauge(metrics.ONLINE).set(len(self.board.shown))
            backlog = sum(one.socket.backlog_bytes for one in self.connections if one.socket and one.unsent_events)
            counted.gauge(metrics.BACKLOG).set(backlog)
            for outbox in outboxes:
                self._outboxes.count(outbox)

    def opened(self, connection: Connection) -> Closing | None:
        """A socket is open."""
        with self.lock:
            loop = asyncio.get_running_loop()
            connection.outbox = self._outboxes.of(loop)
            if self._is_draining:
                return Closing(CloseCode.SERVER_RESTART, RESTART[1])
            if len(self._sockets) >= self._config.limit("max_total_connections"):
                return Closing(CloseCode.SERVER_FULL, "the server is full")
            address = connection.address
            if self._per_address.get(address, 0) >= self.bounds.per_address:
                return Closing(CloseCode.RATE_LIMITED, "too many connections from this address")
            self._per_address[address] = self._per_address.get(address, 0) + 1
            self._sockets.add(connection)
            return None

    async def identify(self, connection: Connection, asked: Identify) -> None:
        """Begins a session."""
        await self._handshake.identify(connection, asked)

    async def resume(self, connection: Connection, asked: Resume) -> None:
        """Goes on with a session."""
        await self._handshake.resume(connection, asked)

    def heartbeat(self, session: Session, seq: int | None) -> None:
        """The client lives, and has everything up to `seq`."""
        if seq is not None and 0 < seq <= session.seq:
            with self.lock:
                session.trim(seq)

    def typing(self, session: Session, asked: Typing) -> None:
        """Shows a user as typing to those who may read there; dropped where they may not send, and where it comes too often."""
        user_id, community, now = session.user_id, self._community, self._clock.now()
        feed, dm = as_id(asked.feed_id), as_id(asked.dm_id)
        if feed is not None:
            feed_id = FeedId(feed)
            held = community.permissions_in(user_id, "feed", feed_id)
            if not held:
                # Hidden or not there: the same answer, which tells nothing.
                if self._typing.take(user_id, "feed", feed_id, now):
                    event = typing_start(user_id=user_id, feed_id=feed_id)
                    self.send(event.type, event.payload, self.index.of_user(user_id))
            elif held & (P.SEND_MESSAGES | P.SEND_IN_THREADS) and self._typing.take(user_id, "feed", feed_id, now):
                self._tell(typing_start(user_id=user_id, feed_id=feed_id))
        elif dm is not None:
            dm_id = DmId(dm)
            if community.in_dm(user_id, dm_id) and self._typing.take(user_id, "dm", dm_id, now):
                self._tell(typing_start(user_id=user_id, dm_id=dm_id))
                if self.on_dm_typing is not None:
                    self.on_dm_typing(user_id, dm_id)

    def presence(self, session: Session, asked: PresenceUpdate) -> bool:
        """Takes a user's status: sent as it is to their own sessions, then to the others as far as they may see it.

        Returns:
            Whether it could be taken: numbers beyond 64 bits do not get to the other processes.
        """
        user_id, clock = session.user_id, self._clock
        at_ms = clock.unix_ms()
        record = PresenceRecord(str(asked.status), asked.custom_status, asked.activity, at_ms)
        try:
            encoded = encode_record(record)
        except OverflowError:
            return False
        with self.lock:
            self.send("presence_update", described(user_id, record), self.index.of_user(user_id))
            if self.board.say(user_id, record, clock.now()):
                self.news.changed(user_id)
        self._bus.set_presence(user_id, encoded)
        return True

    def ended(self, connection: Connection) -> None:
        """The connection is being closed: its session waits for its client."""
        with self.lock:
            self.detach(connection)

    def closed(self, connection: Connection, *, has_left: bool) -> None:
        """The socket is gone; `has_left` where the client closed it rather than lost it."""
        with self.lock:
            self.detach(connection, has_left=has_left)
            if connection in self._sockets:
                self._sockets.discard(connection)
                left = self._per_address[connection.address] - 1
                if left:
                    self._per_address[connection.address] = left
                else:
                    del self._per_address[connection.address]
        if connection.closing is not None:
            self._metrics.counter(metrics.CLOSED, str(int(connection.closing.code))).inc()

    def heard_presence(self, user_id: UserId, process: str, record: bytes | None) -> None:
        """Another process says how a user is present there."""
        found = decode_record(record) if record is not None else None
        with self.lock:
            if self.board.heard(UserId(user_id), process, found, self._clock.now()):
                self.news.changed(UserId(user_id))

    def begin(self) -> int:
        """The position, taken from the bus where no session has come to this process yet; the lock is held."""
        self.position = self.position or self._bus.position
        return self.position

    def of_user(self, user_id: UserId) -> Collection[Session]:
        """A user's connected sessions; the lock is held."""
        return self.index.of_user(user_id)

    def find(self, session_id: str) -> Session | None:
        """A connected session; the lock is held."""
        return next((one for one in self.connections if one.session_id == session_id), None)

    def is_connected(self, session: Session) -> bool:
        """Whether a session has a connection."""
        return session in self.connections

    def load_contacts(
        self, dms: Mapping[DmId, frozenset[UserId]], friendships: Iterable[tuple[UserId, UserId]]
    ) -> None:
        """Reads the friendships and conversations of each user from the database."""
        self.acquaintances.load(dms, friendships)

    def join(self, session: Session, connection: Connection) -> None:
        """A session goes on over this connection; the lock is held, on the connection's loop."""
        assert connection.socket is not None  # noqa: S101  it was opened before it could ask
        session.attach(connection.socket, is_compressed=connection.is_compressed)
        self.connections[session] = connection
        self.index.add(session)
        self._next_login_end = min(self._next_login_end, session.login_ends_at)

    def arrive(self, session: Session) -> None:
        """The user of a session that has just joined is present; the lock is held."""
        clock = self._clock
        now, at_ms = clock.now(), clock.unix_ms()
        was_here = self.board.own(session.user_id) is not None
        if self.board.arrive(session.user_id, now, at_ms):
            self.news.changed(session.user_id)
        record = self.board.own(session.user_id)
        if not was_here and record is not None:
            self._bus.set_presence(session.user_id, encode_record(record))

    def detach(self, connection: Connection, *, has_left: bool = False) -> None:
        """A connection's session waits for its client to come back; the lock is held, on the connection's loop."""
        session, connection.session = connection.session, None
        if session is None or session not in self.connections:
            return
        if connection.outbox is not None:
            connection.outbox.flush()
        self._part(session, has_left=has_left)
        self._handshake.wait_for(session, connection)

    def _part(self, session: Session, *, has_left: bool = False) -> None:
        del self.connections[session]
        self.index.remove(session)
        session.detach()
        now = self._clock.now()
        if self.board.leave(session.user_id, now, is_final=has_left):
            self.news.changed(session.user_id)
        if self.board.own(session.user_id) is None:
            self._bus.set_presence(session.user_id, None)

    def _end(self, session: Session, code: int, reason: str) -> None:
        connection = self.connections[session]
        connection.session = None
        self._part(session)
        self._on_its_loop(connection, partial(connection.close, CloseCode(code), reason))

    def hand_over(self, session: Session) -> tuple[Session, int]:
        """Takes a session away from a connection that its client has left without a word; the lock is held.

        Returns:
            The session to go on with (what the old socket's loop still has in hand must not find it), and its place in the log.
        """
        connection = self.connections[session]
        outbox, position = connection.outbox, self.position
        if outbox is not None and outbox.is_here:
            outbox.flush()
        elif outbox is not None:
            position = outbox.sent_up_to(position)
        connection.session = None
        self._part(session)
        self._on_its_loop(
            connection, partial(connection.close, CloseCode.SESSION_EXPIRED, "the session goes on elsewhere")
        )
        return session.copied(), position

    def _apply_changes(self) -> None:
        changes, self._changes = self._changes, PendingChanges()
        users = self._community.users
        affected: dict[tuple[frozenset[Any], frozenset[Any]], list[Session]] = {}
        for session in tuple(self.connections):
            person = users.get(session.user_id)
            if person is None or not person.is_active:
                self._end(session, CloseCode.AUTH_FAILED, "not a member any more")
                continue
            known = session.known
            visible = self.view.after(session.user_id, known, changes)
            if visible is known or visible == known:
                continue
            lost = frozenset(space for space in known - visible if self.view.exists(space))
            gained = visible - known - self._coming
            if lost or gained:
                session.known = self.view.share((known - lost) | gained)
                affected.setdefault((lost, gained), []).append(session)
        for (lost, gained), sessions in affected.items():
            for item in self.view.frames(lost, gained, self.position):
                self._outboxes.deliver(item, sessions)

    def _publish(self, entry: Entry) -> None:
        event, base = entry.event, self.position
        if entry.position:
            self.position = entry.position
        if event.type in {"friend_add", "friend_remove"}:
            change = self.acquaintances.befriend if event.type == "friend_add" else self.acquaintances.part
            change(event.payload["user_id"], event.payload["target_id"])
        changed = space_event(event)
        if changed is not None:
            self._publish_space(entry, base, *changed)
            return
        sessions = self.index.sessions(event.audience)
        own: tuple[UserId, OutgoingEvent] | None = None
        if event.facts:
            if FOR_DEVICES in event.facts:
                sessions = [session for session in sessions if not session.is_keyless]
            if is_to_each(event):
                for item, receivers in personalised_items(event, base, sessions):
                    self._outboxes.deliver(item, receivers)
                return
            needed = event.facts.get(NEEDED_CAPABILITY)
            if needed is not None:
                sessions = [one for one in sessions if needed in one.capabilities]
            own = authors_item(event, base)
            if own is not None and self._community.sees(own[0], event.audience):
                for one in self.index.of_user(own[0]):
                    one.is_fast = False  # served singly in this tick, and then settled again
        if sessions:
            item = OutgoingEvent(
                event.type, event.payload, base, encoded=entry.tail, is_passing=event.type in LIVE_ONLY, own=own
            )
            self._outboxes.deliver(item, sessions)

    def _publish_space(self, entry: Entry, base: int, space: Any, appears: bool) -> None:
        if appears:
            self._coming.discard(space)
            sessions = [one for one in self.index.sessions(entry.event.audience) if space not in one.known]
        else:
            sessions = [one for one in self.connections if space in one.known]
        for session in sessions:
            session.known = self.view.share(session.known | {space} if appears else session.known - {space})
        if sessions:
            event = entry.event
            item = OutgoingEvent(event.type, event.payload, base, encoded=entry.tail, space=space, appears=appears)
            self._outboxes.deliver(item, sessions)

    def _slow(self, session: Session, backlog_bytes: int) -> None:
        allowed = self.bounds.backlog_bytes + session.credit_bytes
        if backlog_bytes > allowed or session.unsent_events > self.bounds.backlog_events:
            connection = self.connections.get(session)
            if connection is not None:
                connection.close(CloseCode.UNKNOWN_ERROR, "reads too slowly")

    def _sweep(self, outbox: Outbox) -> None:
        now = self._clock.now()
        with self.lock:
            for connection in tuple(self._sockets):
                if connection.outbox is outbox:
                    connection.expire(now)
            for user_id in self.board.due(now):
                if self.board.gone(user_id, now):
                    self.news.changed(user_id)
                self._bus.set_presence(user_id, None)
            self.news.sweep()
            self._typing.sweep(now)
            is_needed = (
                self.board.has_deadlines
                or self.news.is_waiting
                or any(connection.outbox is outbox for connection in self._sockets)
            )
            if is_needed:
                outbox.loop.call_later(self.bounds.sweep_s, self._sweep, outbox)
            else:
                self._outboxes.close(outbox)

    def _on_its_loop(self, connection: Connection, work: Any) -> None:
        outbox = connection.outbox
        if outbox is None or outbox.is_here:
            work()
        elif not outbox.loop.is_closed():
            outbox.loop.call_soon_threadsafe(work)
