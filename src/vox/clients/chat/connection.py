"""The gateway connection of one client: opened, kept alive, and opened again, with resume where the session still stands.

The one thing to know: everything that the gateway sends goes through one bounded queue, in order. A client that does not keep up
is disconnected before anything is lost: its queue empties, it connects again, and the server sends what came meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from vox.clients.chat.back_off import BackOff
from vox.clients.chat.errors import GatewayClosedError
from vox.errors import DependencyError, PeerError
from vox.http.sockets import ABNORMAL, Socket
from vox.http.websocket import open_socket
from vox.protocols.gateway import FRESH, ServerMessage, encode_client
from vox.protocols.gateway_client import MAX_FRAME_BYTES, GatewayClient, Return
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

QUEUE_LIMIT: Final = 5_000
CONNECT_TIMEOUT_S: Final = 10.0
_OPENING_S: Final = 30.0
"""How long the server may take until a session stands."""
_NORMAL: Final = 1000
_SLOW, _BROKEN = 4900, 4901
"""Our own closes, of sessions that go on: the program does not keep up; the server is silent or breaks the protocol."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection was lost; the last sign of the server came at `alive_at`, on the clock that the connection was given."""

    close_code: int
    reason: str
    alive_at: float


Item = ServerMessage | Lost


class Connection:
    """One client's way to the gateway.

    Args:
        url: of the gateway, without a query.
        token: what it logs in with.
        capabilities: what it asks for.
        clock: heartbeats.
        random: jitter.
        back_off: between tries.
        queue_limit: messages that may wait for the program.
        is_compressed: whether frames come compressed.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        clock: Clock,
        random: Random,
        back_off: BackOff,
        capabilities: Sequence[str] = (),
        queue_limit: int = QUEUE_LIMIT,
        is_compressed: bool = True,
    ) -> None:
        self._url = f"{url}?compress=zstd" if is_compressed else url
        self._machine = GatewayClient(token, capabilities=capabilities, is_compressed=is_compressed)
        self._clock = clock
        self._random = random
        self._back_off = back_off
        self._queue_limit = queue_limit
        self._items: asyncio.Queue[Item] = asyncio.Queue()  # bounded by `_room`: what is received is never dropped
        self._socket: Socket | None = None
        self._alive_at = clock.now()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_live(self) -> bool:
        """Whether a session stands on an open connection."""
        return self._machine.is_live

    def send(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Says something to the gateway; false where there is no session at the moment, and nothing was sent."""
        if self._socket is None or not self._machine.is_live:
            return False
        self._socket.send(encode_client(kind, content))
        return True

    async def next(self) -> Item:
        """What comes next, in order."""
        item = await self._items.get()
        if self._items.qsize() <= self._queue_limit // 2:
            self._room.set()
        return item

    async def run(self) -> None:
        """Connects, and comes back after every loss, until it is cancelled.

        Raises:
            GatewayClosedError: the gateway closed for good.
        """
        tries, was_fresh = 0, False
        while True:
            await self._room.wait()
            code, reason, was_live = await self._connected()
            decision = self._machine.closed(code)
            is_fresh = decision is Return.IDENTIFY and code in FRESH
            if decision is Return.NEVER:
                raise GatewayClosedError(code, reason)
            if was_live:
                self._items.put_nowait(Lost(code, reason, self._alive_at))
            tries = 1 if was_live else tries + 1
            wait_s = 0.0 if is_fresh and not was_fresh else self._back_off.wait_s(tries, self._random.random())
            was_fresh = is_fresh
            _log.info("gateway connection lost", close_code=code, reason=reason, retry_s=round(wait_s, 1))
            await asyncio.sleep(wait_s)

    async def _connected(self) -> tuple[int, str, bool]:
        """One connection until its end: its close code and reason, and whether a session stood."""
        listener = _Listener()
        self._machine.connected()
        try:
            self._socket = await open_socket(
                self._url, listener, connect_timeout_s=CONNECT_TIMEOUT_S, max_message_bytes=MAX_FRAME_BYTES
            )
        except DependencyError as error:
            return ABNORMAL, str(error), False
        was_live, farewell = False, _NORMAL
        opened_at = self._clock.now()
        try:
            while True:
                deadline = self._machine.deadline if was_live else opened_at + _OPENING_S
                if self._machine.deadline is not None and deadline is not None:
                    deadline = min(deadline, self._machine.deadline)
                item = await self._within(listener, deadline)
                now = self._clock.now()
                if isinstance(item, tuple):
                    return item[0], item[1], was_live
                if item is not None:
                    self._alive_at = now
                    self._take(item, now)
                    was_live = was_live or self._machine.is_live
                elif not was_live and now >= opened_at + _OPENING_S:
                    return ABNORMAL, "no session within 30 s", False
                if (beat := self._machine.tick(now)) is not None:
                    self._socket.send(beat)
                if self._items.qsize() >= self._queue_limit:
                    self._room.clear()
                    farewell = _SLOW
                    return ABNORMAL, "the program does not keep up", was_live
        except PeerError as error:
            farewell = _BROKEN
            if error.code != "gateway_silent":
                self._machine.forget()
            return ABNORMAL, str(error), was_live
        finally:
            socket, self._socket = self._socket, None
            socket.close(farewell)

    async def _within(self, listener: "_Listener", deadline: float | None) -> "str | bytes | tuple[int, str] | None":
        """What the socket says next; None at the deadline."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - self._clock.now())):
                return await listener.items.get()
        return None

    def _take(self, message: str | bytes, now: float) -> None:
        found, answers = self._machine.receive(message, now)
        for answer in answers:
            if self._socket is not None:
                self._socket.send(answer)
        if found.type not in {"hello", "heartbeat_ack"}:
            self._items.put_nowait(found)


class _Listener:
    """Puts what a socket says into a queue; `_connected` empties it at once."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[str | bytes | tuple[int, str]] = asyncio.Queue()

    def opened(self, socket: Socket) -> None:
        """`open_socket` returns it."""

    def received(self, message: str | bytes) -> None:
        self.items.put_nowait(message)

    def closed(self, code: int, reason: str) -> None:
        self.items.put_nowait((code, reason))
