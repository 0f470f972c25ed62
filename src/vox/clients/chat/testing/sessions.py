"""The gateway of the fake server: sessions that are numbered, kept and resumed as the real one does it."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import zstandard

from vox.http.sockets import Socket
from vox.protocols.gateway import (
    CAPABILITIES,
    HEARTBEAT_ACK,
    HELLO,
    ZSTD_LEVEL,
    CloseCode,
    Heartbeat,
    Identify,
    Resume,
    Typing,
    frame,
    numbered,
    tail,
)
from vox.protocols.gateway_server import Closing, GatewayServer
from vox.runtime.clock import Clock

_LOST: Final = 1011


@dataclass(slots=True, eq=False)
class Session:
    """One session over all of its connections; `log` has the frames behind their numbers."""

    session_id: str
    user_id: int
    log: list[bytes] = field(default_factory=list[bytes])
    connection: "Connection | None" = None


class Sessions:
    """All sessions of the fake server.

    Args:
        clock: for the protocol's deadlines.
        user_of: the user of a token; None where it is wrong.
        typing: is told who types where.
    """

    def __init__(
        self, clock: Clock, user_of: Callable[[str], int | None], typing: Callable[[int, dict[str, Any]], None]
    ) -> None:
        self._clock = clock
        self._user_of = user_of
        self._typing = typing
        self._numbers = itertools.count(1)
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self.refuses_with: CloseCode | None = None

    @property
    def online(self) -> set[int]:
        """The users who are connected."""
        return {one.user_id for one in self._sessions.values() if one.connection is not None}

    def publish(self, kind: str, content: dict[str, Any], only: Iterable[int] | None) -> None:
        """Puts an event into the sessions of those who are told; what has no connection keeps it for a resume."""
        users = None if only is None else set(only)
        end = tail(kind, content)
        for session in self._sessions.values():
            if users is None or session.user_id in users:
                session.log.append(end)
                if session.connection is not None:
                    session.connection.write(numbered(len(session.log), end))

    def drop(self, code: int = _LOST) -> None:
        """Closes every connection; sessions are kept."""
        for connection in tuple(self._connections):
            connection.close(code, "")

    def forget(self) -> None:
        """Closes every connection and forgets the sessions, as a server that was killed."""
        self._sessions.clear()
        self.drop()

    def opened(self, socket: Socket, *, is_compressed: bool) -> "Connection":
        """A client has connected."""
        connection = Connection(self, socket, self._clock, is_compressed=is_compressed)
        self._connections.add(connection)
        if self.refuses_with is not None:
            connection.close(self.refuses_with, "")
        return connection

    def closed(self, connection: "Connection") -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if connection.session is not None and connection.session.connection is connection:
            connection.session.connection = None

    def identify(self, connection: "Connection", asked: Identify) -> None:
        """Begins a session."""
        user_id = self._user_of(asked.token)
        if user_id is None:
            connection.close(CloseCode.AUTH_FAILED, "the token is wrong")
            return
        session = Session(f"sess_{next(self._numbers)}", user_id)
        self._sessions[session.session_id] = session
        content = {
            "session_id": session.session_id,
            "user_id": user_id,
            "display_name": "",
            "server_name": "Fake",
            "protocol_version": 1,
            "capabilities": list(CAPABILITIES),
            "server_time": self._clock.unix_s(),
            "presences": [],
        }
        session.log.append(tail("ready", content))
        connection.attach(session)
        connection.write(numbered(1, session.log[0]))

    def resume(self, connection: "Connection", asked: Resume) -> None:
        """Goes on with a session."""
        session = self._sessions.get(asked.session_id)
        if session is None:
            connection.close(CloseCode.SESSION_EXPIRED, "unknown session")
            return
        if self._user_of(asked.token) != session.user_id:
            connection.close(CloseCode.AUTH_FAILED, "the token is wrong")
            return
        connection.attach(session)
        for seq in range(asked.last_seq + 1, len(session.log) + 1):
            connection.write(numbered(seq, session.log[seq - 1]))
        connection.write(frame("resumed", {"seq": len(session.log)}))

    def typed(self, session: Session, asked: Typing) -> None:
        """Tells that a user types."""
        self._typing(session.user_id, {"feed_id": asked.feed_id, "dm_id": asked.dm_id})


class Connection:
    """One socket of the gateway."""

    def __init__(self, sessions: Sessions, socket: Socket, clock: Clock, *, is_compressed: bool) -> None:
        self.session: Session | None = None
        self._sessions = sessions
        self._socket = socket
        self._clock = clock
        self._protocol = GatewayServer(clock.now())
        self._compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress if is_compressed else None
        self.write(HELLO)

    def write(self, data: bytes) -> None:
        """Sends a frame."""
        self._socket.send(data.decode() if self._compress is None else self._compress(data))

    def close(self, code: int, reason: str) -> None:
        """Ends the connection."""
        self._protocol.closed()
        self._sessions.closed(self)
        self._socket.close(code, reason)

    def attach(self, session: Session) -> None:
        """The session goes on over this connection."""
        self.session = session
        session.connection = self

    def received(self, message: str | bytes) -> None:
        """A client says something."""
        asked = self._protocol.receive(message, self._clock.now())
        while asked:
            one = asked.pop(0)
            match one:
                case Identify():
                    self._sessions.identify(self, one)
                    asked += self._protocol.accepted(self._clock.now())
                case Resume():
                    self._sessions.resume(self, one)
                    asked += self._protocol.accepted(self._clock.now())
                case Heartbeat():
                    self.write(HEARTBEAT_ACK)
                case Typing() if self.session is not None:
                    self._sessions.typed(self.session, one)
                case Closing(code, reason):
                    self.close(code, reason)
                case _:
                    pass
