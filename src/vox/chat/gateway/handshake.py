"""How clients come in: identify and resume, and the sessions that wait for their client to come back.

A session without connection waits on the bus, so that any process may take it up; until it is saved there it waits here. The
order on resume matters: read the log until it is caught up, and then, without awaiting anything, filter, number, attach.
"""

import asyncio
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from vox.chat.api.json_ids import with_string_ids
from vox.chat.bus.contract import Bus, Entry
from vox.chat.community import Community
from vox.chat.config.runtime_config import Config
from vox.chat.database.unit_of_work import Read
from vox.chat.errors import Refusal
from vox.chat.events.ids import DmId, UserId
from vox.chat.gateway import metrics
from vox.chat.gateway.connection import Connection
from vox.chat.gateway.limits import GatewayLimits
from vox.chat.gateway.outbox import Batch, OutgoingEvent
from vox.chat.gateway.presence_broadcast import PresenceNews
from vox.chat.gateway.queries import accepted_friendships
from vox.chat.gateway.replay import missed
from vox.chat.gateway.session import Saved, Session, read_saved, restored
from vox.chat.gateway.visible_spaces import VisibleSpaces
from vox.chat.identity.logins import Login
from vox.errors import VoxError
from vox.http.rate_limits import RefusedTokens
from vox.protocols.gateway import (
    CAPABILITIES,
    PROTOCOL_VERSION,
    SNAPSHOT,
    CloseCode,
    Identify,
    Resume,
    frame,
    numbered,
)
from vox.protocols.gateway_server import State, capabilities
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics

PAGE = 1000
"""Entries read from the log at once."""
MAX_GAP = 20_000
"""Entries read for one resume, seen or not."""

FORBIDDEN = 403
"""Status of a refusal that says why a known account is no member."""

_log = get_logger(__name__)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session whose connection is gone."""

    session: Session
    position: int
    left_at_ms: int


@dataclass(slots=True)
class _Resuming:
    """Who goes on with what, and what must not have changed since it was looked at."""

    login: Login
    waiting: Waiting
    beginning: int
    revocations: int


class Logins(Protocol):
    """What the handshake asks of the logins."""

    @property
    def revocations(self) -> int:
        """Goes up with every login that ends."""
        ...

    def is_known(self, token: str) -> bool:
        """Whether a token was a login here lately."""
        ...

    async def authenticate_member(self, token: str) -> Login:
        """The login of a member.

        Raises:
            Refusal: the token is none, or not a member's.
        """
        ...


class Sessions(Protocol):
    """What the handshake asks of the connected sessions, which the hub keeps."""

    @property
    def lock(self) -> threading.RLock:
        """Guards all of this; nothing is awaited while it is held."""
        ...

    @property
    def position(self) -> int:
        """The place in the log up to which the sessions have been served."""
        ...

    @property
    def generation(self) -> int:
        """Goes up when no session of before can be resumed."""
        ...

    @property
    def view(self) -> VisibleSpaces:
        """Which spaces users see."""
        ...

    @property
    def news(self) -> PresenceNews:
        """Tells sessions of presence."""
        ...

    def begin(self) -> int:
        """The position, taken from the bus where no session has come to this process yet; the lock is held."""
        ...

    def of_user(self, user_id: UserId) -> Collection[Session]:
        """A user's connected sessions; the lock is held."""
        ...

    def find(self, session_id: str) -> Session | None:
        """A connected session; the lock is held."""
        ...

    def is_connected(self, session: Session) -> bool:
        """Whether a session has a connection."""
        ...

    def join(self, session: Session, connection: Connection) -> None:
        """A session goes on over this connection; the lock is held."""
        ...

    def arrive(self, session: Session) -> None:
        """The user of a session that has just joined is present; the lock is held."""
        ...

    def tell_of_interruption(self, session: Session) -> None:
        """Tells a session that has just joined where events of other processes do not come through; the lock is held."""
        ...

    def hand_over(self, session: Session) -> tuple[Session, int]:
        """Takes a session away from its connection, with its place in the log; the lock is held."""
        ...

    def load_contacts(
        self, dms: Mapping[DmId, frozenset[UserId]], friendships: Iterable[tuple[UserId, UserId]]
    ) -> None:
        """Reads the friendships and conversations of each user from the database."""
        ...

    def heard_presence(self, user_id: UserId, process: str, record: bytes | None) -> None:
        """Takes how a user is present in another process."""
        ...


class SnapshotSource(Protocol):
    """Makes what a client gets at the beginning that asks for it."""

    async def read(self, user_id: UserId) -> object:
        """Reads what `encoded` needs of the database.

        Raises:
            DependencyError: the database failed or is too busy.
        """
        ...

    def encoded(self, user_id: UserId, found: Any, *, string_ids: bool) -> bytes:
        """The snapshot as JSON, as of this moment; blocks briefly, and the hub's lock is held."""
        ...


class Handshake:
    """Lets clients in: begins and resumes sessions.

    Args:
        sessions: those that are connected.
        community: names, DMs, and who is in an audience.
        bus: the log, and the sessions that wait.
        clock: for deadlines and records.
        config: the server's name and icon.
        logins: know whose a token is.
        metrics: counts resumes.
        read: reads the database.
        snapshots: what clients get at the beginning that ask for it.
        bounds: the gateway's limits.
    """

    def __init__(
        self,
        sessions: Sessions,
        community: Community,
        bus: Bus,
        clock: Clock,
        *,
        config: Config,
        logins: Logins,
        metrics: Metrics,
        read: Read,
        snapshots: SnapshotSource,
        bounds: GatewayLimits,
    ) -> None:
        self._snapshots = snapshots
        self._sessions = sessions
        self._community = community
        self._bus = bus
        self._clock = clock
        self._config = config
        self._logins = logins
        self._metrics = metrics
        self._read = read
        self._bounds = bounds
        self._refused = RefusedTokens(bounds.auth_failures, bounds.auth_failures_period_s)
        self._waiting: dict[str, Waiting] = {}
        self._has_learnt = False

    async def identify(self, connection: Connection, asked: Identify) -> None:
        """Begins a session, or closes the connection with the reason."""
        revocations = self._logins.revocations
        login = await self._login(connection, asked.token)
        if login is None:
            return
        requested = capabilities(asked)
        if SNAPSHOT in requested:
            await self._begin_with_snapshot(connection, asked, login, revocations)
            return
        with self._sessions.lock:
            self._begin(connection, login, requested)

    async def _begin_with_snapshot(
        self, connection: Connection, asked: Identify, login: Login, revocations: int
    ) -> None:
        """Begins a session with a snapshot. What happens while the database is read follows `ready`, as after a resume.

        The place in the log is taken before the read, so no event is in neither; those that are in both change nothing.
        """
        hub, beginning = self._sessions, self._sessions.generation
        with hub.lock:
            start = hub.begin()
        found = await self._read_snapshot(connection, login)
        entries: list[Entry] = []
        position = start
        while found is not None:
            if self._logins.revocations != revocations:
                revocations = self._logins.revocations
                again = await self._login(connection, asked.token)
                if again is None:
                    return
                continue
            with hub.lock:
                if hub.generation != beginning:
                    connection.close(CloseCode.UNKNOWN_ERROR, "try again")
                    return
                if position >= hub.begin():
                    self._begin(connection, login, capabilities(asked), (found, start, entries))
                    return
            more = await self._entries_until_now(position)
            if not more or len(entries) > MAX_GAP:
                connection.close(CloseCode.UNKNOWN_ERROR, "try again")
                return
            entries += more
            position = entries[-1].position

    async def _read_snapshot(self, connection: Connection, login: Login) -> object | None:
        outbox = connection.outbox
        assert outbox is not None and outbox.doors is not None  # noqa: S101, PT018  set when the socket opened
        try:
            async with asyncio.timeout(self._bounds.identify_timeout_s), outbox.doors:
                return await self._snapshots.read(login.user_id)
        except (VoxError, TimeoutError) as error:
            _log.warning("a snapshot could not be read", error=str(error))
            connection.close(CloseCode.UNKNOWN_ERROR, "try again")
            return None

    async def _entries_until_now(self, position: int) -> list[Entry]:
        """The next entries of the log that sessions have been served already; none where it cannot be read."""
        try:
            found = await self._bus.entries_after(position, PAGE)
        except VoxError as error:
            _log.warning("the log cannot be read", error=str(error))
            return []
        return [entry for entry in found or () if entry.position <= self._sessions.position]

    def _begin(
        self,
        connection: Connection,
        login: Login,
        requested: frozenset[str],
        with_snapshot: tuple[object, int, list[Entry]] | None = None,
    ) -> None:
        """Begins a session; the hub's lock is held.

        Args:
            connection: the client's.
            login: whose token came.
            requested: the capabilities the client asked for.
            with_snapshot: what was read for it, the place in the log before that, and the log since.
        """
        hub = self._sessions
        if not self._has_room(connection, login, None):
            return
        session = Session(new_id("sess"), login.user_id, login.session_id, requested, ring=self._bounds.ring)
        position = hub.begin()
        session.known = hub.view.of(login.user_id)
        session.seq = 1
        session.ring.append(position)
        session.login_ends_at, session.is_keyless = login.expires_at, login.is_keyless
        items: list[OutgoingEvent] = []
        snapshot = b""
        if with_snapshot is not None:
            found, start, entries = with_snapshot
            session.ring[0] = start
            items = missed(session, entries, start, hub.view, self._community.sees)
            snapshot = self._snapshots.encoded(login.user_id, found, string_ids=session.wants_string_ids)
        hub.join(session, connection)
        connection.send(numbered(1, self._ready(session, snapshot)))
        connection.session = session
        if items and connection.outbox is not None:
            session.credit_bytes = sum(len(item.tail) for item in items)
            connection.outbox.send(session, Batch(items))
        hub.arrive(session)
        hub.news.welcome(session)
        hub.tell_of_interruption(session)
        connection.accepted(session)

    async def resume(self, connection: Connection, asked: Resume) -> None:
        """Goes on with a session, or closes the connection with the reason."""
        login = await self._login(connection, asked.token)
        if login is None:
            return
        hub, revocations = self._sessions, self._logins.revocations
        beginning = hub.generation
        waiting = await self._found(asked.session_id, login)
        if not isinstance(waiting, Waiting):
            self._refuse(connection, waiting)
            return
        is_settled = False
        try:
            is_settled = await self._resume(connection, asked, _Resuming(login, waiting, beginning, revocations))
        finally:
            with hub.lock:
                if not is_settled and hub.generation == beginning:
                    self._waiting[asked.session_id] = waiting
                    connection.left = waiting.session

    async def _resume(self, connection: Connection, asked: Resume, resuming: "_Resuming") -> bool:
        """Whether that is the end of it: the session goes on, or never can. Otherwise it waits for the next try."""
        hub, logins, waiting = self._sessions, self._logins, resuming.waiting
        start = waiting.session.served_before(asked.last_seq, waiting.position)
        if start is None:
            self._refuse(connection, CloseCode.REPLAY_EXHAUSTED)
            return True
        entries: list[Entry] = []
        position = start
        while True:
            if logins.revocations != resuming.revocations:
                # Logins have ended meanwhile, perhaps this one; and who is not connected is not told.
                resuming.revocations = logins.revocations
                login = await self._login(connection, asked.token)
                if login is None:
                    return False
                resuming.login = login
                continue
            with hub.lock:
                if hub.generation != resuming.beginning:
                    self._refuse(connection, CloseCode.SESSION_EXPIRED)
                    return True
                if position >= hub.begin():
                    return self._go_on(connection, resuming.login, waiting, asked.last_seq, start, entries)
            try:
                found = await self._bus.entries_after(position, PAGE)
            except VoxError as error:
                _log.warning("the log cannot be read", error=str(error))
                self._refuse(connection, CloseCode.UNKNOWN_ERROR)
                return False
            found = [entry for entry in found or () if entry.position <= hub.position]
            entries += found
            if not found or len(entries) > MAX_GAP:
                self._refuse(connection, CloseCode.REPLAY_EXHAUSTED)
                return True
            position = entries[-1].position

    def wait_for(self, session: Session, connection: Connection) -> None:
        """Keeps a session for its client; the hub's lock is held."""
        left_at_ms = self._clock.unix_ms()
        oldest_ms = left_at_ms - int(self._bounds.resumable_s * 1000)
        while self._waiting and next(iter(self._waiting.values())).left_at_ms < oldest_ms:
            # Left behind: its connection ended with an error before `keep` ran.
            del self._waiting[next(iter(self._waiting))]
        self._waiting[session.session_id] = Waiting(session, self._sessions.position, left_at_ms)
        connection.left = session

    async def keep(self, connection: Connection) -> None:
        """Gives the session of a connection that has ended to the bus, for any process."""
        session, bus = connection.left, self._bus
        waiting = self._waiting.get(session.session_id) if session is not None else None
        if session is None or waiting is None or waiting.session is not session:
            return
        blob = session.saved(bus.epoch, waiting.position, waiting.left_at_ms)
        try:
            await bus.save_session(session.session_id, blob, self._left_s(waiting.left_at_ms))
        except VoxError as error:
            _log.warning("a session cannot be resumed", error=str(error))
        if self._waiting.get(session.session_id) is waiting:
            del self._waiting[session.session_id]
        elif self._sessions.is_connected(session):
            await bus.drop_session(session.session_id)

    def forget(self) -> None:
        """Forgets the sessions that wait here, and the contacts; the hub's lock is held."""
        self._waiting.clear()
        self._has_learnt = False

    async def _login(self, connection: Connection, token: str) -> Login | None:
        logins, clock = self._logins, self._clock
        if self._refused.wait_s(connection.address, clock.now()) and not logins.is_known(token):
            connection.close(CloseCode.SERVER_RESTART, "AUTH_RATE_LIMITED")
            return None
        outbox = connection.outbox
        assert outbox is not None and outbox.doors is not None  # noqa: S101, PT018  set when the socket opened
        try:
            async with asyncio.timeout(self._bounds.identify_timeout_s), outbox.doors:
                await self._learn()
                return await logins.authenticate_member(token)
        except Refusal as refusal:
            if refusal.wire_code == "UNAVAILABLE":  # a newcomer of another process, who shall come again
                connection.close(CloseCode.UNKNOWN_ERROR, "try again")
                return None
            self._refused.add(connection.address, clock.now())
            reason = (
                f"{refusal.wire_code}: {refusal.args[0]}" if refusal.status == FORBIDDEN else "authentication failed"
            )
            connection.close(CloseCode.AUTH_FAILED, reason)
        except (VoxError, TimeoutError) as error:
            _log.warning("a client could not be let in", error=str(error))
            connection.close(CloseCode.UNKNOWN_ERROR, "try again")
        return None

    async def _learn(self) -> None:
        """Reads once what no event has brought to this process: contacts, and who is present elsewhere."""
        if self._has_learnt:
            return
        self._has_learnt = True
        self._sessions.load_contacts(self._community.dms, await self._read(accepted_friendships))
        for (user_id, process), record in (await self._bus.presences()).items():
            self._sessions.heard_presence(user_id, process, record)

    def _has_room(self, connection: Connection, login: Login, session: Session | None) -> bool:
        if connection.protocol.state is not State.CHECKING:
            return False
        others = [one for one in self._sessions.of_user(login.user_id) if one is not session]
        if len(others) >= self._bounds.per_user:
            connection.close(CloseCode.RATE_LIMITED, "too many sessions")
            return False
        return True

    async def _found(self, session_id: str, login: Login) -> Waiting | CloseCode:
        hub, bus = self._sessions, self._bus
        with hub.lock:
            waiting = self._waiting.get(session_id)
            if waiting is None:
                connected = hub.find(session_id)
                if connected is not None:
                    if connected.user_id != login.user_id:
                        return CloseCode.AUTH_FAILED
                    session, position = hub.hand_over(connected)
                    return Waiting(session, position, self._clock.unix_ms())
            elif waiting.session.user_id != login.user_id:
                return CloseCode.AUTH_FAILED
            else:
                del self._waiting[session_id]
                return waiting
        try:
            blob = await bus.load_session(session_id)
            saved = read_saved(blob) if blob is not None else None
        except VoxError as error:
            _log.warning("sessions cannot be read", error=str(error))
            return CloseCode.UNKNOWN_ERROR
        except msgspec.DecodeError as error:
            _log.warning("a session cannot be resumed", error=str(error))
            return CloseCode.SESSION_EXPIRED
        if saved is None or saved.epoch != bus.epoch:
            return CloseCode.SESSION_EXPIRED
        if saved.user_id != login.user_id:
            await self._put_back(session_id, blob or b"", saved)
            return CloseCode.AUTH_FAILED
        return Waiting(restored(session_id, saved, ring=self._bounds.ring), saved.position, saved.left_at_ms)

    async def _put_back(self, session_id: str, blob: bytes, saved: Saved) -> None:
        await self._bus.save_session(session_id, blob, self._left_s(saved.left_at_ms))

    def _left_s(self, left_at_ms: int) -> float:
        """How much longer a session waits that lost its connection then."""
        return max(self._bounds.resumable_s - (self._clock.wall().timestamp() - left_at_ms / 1000), 1.0)

    def _go_on(
        self, connection: Connection, login: Login, waiting: Waiting, last_seq: int, start: int, entries: list[Entry]
    ) -> bool:
        hub, bounds, session = self._sessions, self._bounds, waiting.session
        if not self._has_room(connection, login, session):
            return False
        blind_s = 0.0 if last_seq == session.seq else bounds.heartbeat_deadline_s
        session.is_keyless = login.is_keyless
        session.rewind(last_seq)
        items = missed(session, entries, start, hub.view, self._community.sees)
        run_bytes = sum(len(item.tail) for item in items)
        if len(items) > bounds.replay_events or run_bytes > 2 * bounds.backlog_bytes:
            self._refuse(connection, CloseCode.REPLAY_EXHAUSTED)
            return True
        session.login_id, session.login_ends_at = login.session_id, login.expires_at
        hub.join(session, connection)
        connection.session = session
        if items and connection.outbox is not None:
            session.credit_bytes = run_bytes
            connection.outbox.send(session, Batch(items))
        connection.send(frame("resumed", {"seq": session.seq}))
        self._metrics.counter(metrics.RESUMES, "resumed").inc()
        hub.arrive(session)
        hub.tell_of_interruption(session)
        # Presence is in no log: what went to a socket that was dead already is told again.
        away_s = self._clock.wall().timestamp() - waiting.left_at_ms / 1000 + blind_s
        hub.news.catch_up(session, self._clock.now() - away_s)
        connection.accepted(session)
        return True

    def _refuse(self, connection: Connection, code: CloseCode) -> None:
        self._metrics.counter(metrics.RESUMES, code.name.lower()).inc()
        connection.close(code, code.name.lower().replace("_", " "))

    def _ready(self, session: Session, snapshot: bytes) -> bytes:
        config, user_id = self._config, session.user_id
        person = self._community.users.get(user_id)
        content: dict[str, Any] = {
            "session_id": session.session_id,
            "user_id": user_id,
            "display_name": (person.display_name or person.username) if person else "",
            "server_name": config.get("server_name"),
            "protocol_version": PROTOCOL_VERSION,
            "capabilities": CAPABILITIES,
            "server_time": self._clock.unix_s(),
        }
        icon = config.optional("server_icon")
        if icon:
            content["server_icon"] = icon
        if session.wants_string_ids:
            session_id = content.pop("session_id")
            content = {**with_string_ids(content), "session_id": session_id}
        said = _encode(content)[:-1]
        if snapshot:
            said += b',"snapshot":' + snapshot
        return b'"type":"ready","d":%b,"presences":%b}}' % (said, self._sessions.news.snapshot(session))
