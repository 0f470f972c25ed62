"""One gateway socket: what its client asks becomes calls on the hub.

All decisions about the protocol are `protocols.gateway_server`'s, all about sessions the hub's; this only carries between them.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from vox.chat.gateway.outbox import Outbox
from vox.chat.gateway.relays import RelayQueue, Relays
from vox.chat.gateway.session import Session
from vox.http.sockets import Socket
from vox.protocols.gateway import (
    HEARTBEAT_ACK,
    HELLO,
    CloseCode,
    Heartbeat,
    Identify,
    Passed,
    PresenceUpdate,
    Resume,
    Typing,
    error_frame,
)
from vox.protocols.gateway_server import Asked, Closing, GatewayServer, Refused
from vox.runtime.clock import Clock

CLEAN: Final = 1000
"""Close code of a client that is done (RFC 6455 section 7.4.1)."""


class Host(Protocol):
    """What a connection asks of the hub; all of it on the connection's own loop."""

    def opened(self, connection: "Connection") -> Closing | None:
        """A socket is open; a verdict where it may not stay."""
        ...

    async def identify(self, connection: "Connection", asked: Identify) -> None:
        """Begins a session."""
        ...

    async def resume(self, connection: "Connection", asked: Resume) -> None:
        """Goes on with a session."""
        ...

    def heartbeat(self, session: Session, seq: int | None) -> None:
        """The client lives, and has everything up to `seq`."""
        ...

    def typing(self, session: Session, asked: Typing) -> None:
        """The user types."""
        ...

    def presence(self, session: Session, asked: PresenceUpdate) -> bool:
        """The user sets their presence; False where it cannot be sent to others."""
        ...

    @property
    def relays(self) -> Relays:
        """Passes on what clients send to other devices."""
        ...

    def ended(self, connection: "Connection") -> None:
        """The connection is being closed: its session gets nothing more over it."""
        ...

    def closed(self, connection: "Connection", *, has_left: bool) -> None:
        """The socket is gone; `has_left` where the client closed it rather than lost it."""
        ...


class Connection:
    """A `SocketListener` of the gateway.

    Args:
        host: the hub.
        address: the client's, as far as it counts for limits.
        is_compressed: whether every frame is a zstd frame.
        clock: for deadlines.
        protocol: the server's half of this connection.
        spawn: starts a task that ends before the connection's coroutine does.
    """

    __slots__ = (
        "_clock",
        "_host",
        "_relays",
        "_spawn",
        "_task",
        "address",
        "closing",
        "is_compressed",
        "left",
        "outbox",
        "protocol",
        "session",
        "socket",
    )

    def __init__(
        self,
        host: Host,
        *,
        address: str,
        is_compressed: bool,
        clock: Clock,
        protocol: GatewayServer,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._host = host
        self._clock = clock
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self.address = address
        self.is_compressed = is_compressed
        self.protocol = protocol
        self.socket: Socket | None = None
        self.outbox: Outbox | None = None
        self.session: Session | None = None
        self.left: Session | None = None
        self.closing: Closing | None = None
        self._relays: RelayQueue | None = None

    def opened(self, socket: Socket) -> None:
        """The handshake is done."""
        self.socket = socket
        verdict = self._host.opened(self)
        if verdict is None:
            self.send(HELLO)
        else:
            self.close(verdict.code, verdict.reason)

    def received(self, message: str | bytes) -> None:
        """One message of the client."""
        self._carry_out(self.protocol.receive(message, self._clock.now()))

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone."""
        self.protocol.closed()
        if self._task is not None:
            self._task.cancel()
        self._host.closed(self, has_left=code == CLEAN)

    def accepted(self, session: Session) -> None:
        """The client is who it says; what it said meanwhile is carried out."""
        self.session = session
        self._carry_out(self.protocol.accepted(self._clock.now()))

    def send(self, frame: bytes) -> None:
        """Sends one frame without a number, or with it already inside; it never overtakes what was published before."""
        if self.socket is None or self.outbox is None:
            return
        self.outbox.flush()
        if self.is_compressed:
            self.socket.send(self.outbox.compressed(frame))
        else:
            self.socket.send(frame.decode())

    def close(self, code: CloseCode, reason: str) -> None:
        """Closes with a code; what was sent before still goes out. Only the first reason counts."""
        self.protocol.closed()
        if self.closing is None and self.socket is not None:
            self.closing = Closing(code, reason)
            self.socket.close(code, reason)
            self._host.ended(self)

    def expire(self, now: float) -> None:
        """Closes when a deadline has passed."""
        verdict = self.protocol.expired(now)
        if verdict is not None:
            self.close(verdict.code, verdict.reason)

    def _carry_out(self, asked: list[Asked]) -> None:
        for one in asked:
            match one:
                case Closing():
                    self.close(one.code, one.reason)
                case Refused():
                    self.send(error_frame(one.code, one.message))
                case Identify():
                    self._task = self._spawn(self._host.identify(self, one))
                case Resume():
                    self._task = self._spawn(self._host.resume(self, one))
                case _:
                    if self.session is not None:
                        self._in_session(self.session, one)

    def _in_session(self, session: Session, asked: Heartbeat | Typing | PresenceUpdate | Passed) -> None:
        match asked:
            case Heartbeat():
                self.send(HEARTBEAT_ACK)
                self._host.heartbeat(session, asked.seq)
            case Typing():
                self._host.typing(session, asked)
            case PresenceUpdate():
                if not self._host.presence(session, asked):
                    self.send(error_frame("VALIDATION_ERROR", "presence_update: a number is too large"))
            case _:
                if self._relays is None:
                    self._relays = RelayQueue(session, self._host.relays, self.send, self._spawn)
                self._relays.take(session, asked)
