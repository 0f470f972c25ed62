"""A vendor of streaming recognition on a real port: what all of them do, told what to hear and how to misbehave.

A vendor's own file says how its messages are written: it reads what a client sends by `heard`, `flushed` and the like, and writes what
`interim`, `final` and `failure` return.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tests.time_limits import time_limit
from vox.http.server import Server
from vox.http.sockets import Socket
from vox.http.websocket import refuse, serve_socket

Message = str | bytes
Fault = Literal["", "silent", "disconnect", "garbage", "failure", "mute", "never_ready"]
"""What goes wrong: `silent` never answers a flush, `mute` answers nothing at all, the others happen at the first audio."""


@dataclass
class Refusal:
    """An upgrade that is answered with an HTTP response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"err_code": "NO", "err_msg": "no"}'


@dataclass
class Connection:
    """One client's connection, as the vendor saw it."""

    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    audio: bytearray = field(default_factory=bytearray)
    messages: list[Any] = field(default_factory=list[Any])
    flushes: int = 0
    ended: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    socket: Socket | None = None

    def value(self, name: str) -> str:
        """A value of the query."""
        return dict(self.query).get(name, "")


class SocketVendor(ABC):
    """What the server does next, and what it has seen.

    Args:
        texts: what is heard, utterance by utterance; each is told word by word as audio comes.
    """

    path = "/"
    key_header = "authorization"
    bytes_a_word = 6400
    """Audio from which one more word is understood."""

    def __init__(self) -> None:
        self.port = 0
        self.texts = ["book a table"]
        self.text_at = 0
        self.refusals: list[Refusal] = []
        self.faults: list[Fault] = []
        self.connections: list[Connection] = []
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    # What a vendor's own file writes.

    def begun(self, client: "Client") -> Iterable[Message]:
        """What a new connection is told."""
        return ()

    def received(self, client: "Client", message: Message) -> Iterable[Message]:
        """Reads one message of a WebSocket; a vendor over gRPC has a way of its own."""
        return ()

    @abstractmethod
    def interim(self, text: str, client: "Client") -> Iterable[Message]:
        """An interim text."""
        ...

    @abstractmethod
    def final(self, text: str, client: "Client") -> Iterable[Message]:
        """The final text of one flush, and whatever says that it is the last."""
        ...

    @abstractmethod
    def failure(self, client: "Client") -> Iterable[Message]:
        """A reported error."""
        ...

    garbage: Message = '{"type": 7'

    # What all do.

    def app(self) -> Starlette:
        return Starlette(routes=[WebSocketRoute("/{path:path}", self._serve)])

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None, None]:
        """Listens on a free port."""
        async with Server(self.app(), "127.0.0.1", 0, close_timeout_s=0.1) as server:
            self.port = server.port
            yield

    async def until(self, condition: Any) -> None:
        """Waits until something holds of what the server has seen."""
        async with time_limit():
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def changed(self) -> None:
        self._changed.set()

    async def _serve(self, websocket: WebSocket) -> None:
        if self.refusals:
            refusal = self.refusals.pop(0)
            await refuse(websocket, refusal.status, refusal.body, refusal.headers)
            return
        query = parse_qsl(websocket.url.query)
        seen = Connection(websocket.url.path, query, {k.lower(): v for k, v in websocket.headers.items()})
        self.connections.append(seen)
        self.changed()
        client = Client(self, seen, self.faults.pop(0) if self.faults else "")
        await serve_socket(websocket, client)


class Client:
    """One connection of a client."""

    def __init__(self, vendor: SocketVendor, seen: Connection, fault: Fault) -> None:
        self.seen = seen
        self.fault = fault
        self.state: dict[str, Any] = {}
        self._vendor = vendor
        self._said = 0
        self._utterance = bytearray()

    @property
    def words(self) -> list[str]:
        """The words of the present utterance."""
        texts = self._vendor.texts
        return texts[self._vendor.text_at % len(texts)].split()

    def opened(self, socket: Socket) -> None:
        self.seen.socket = socket
        if self.fault != "never_ready":
            self._send(self._vendor.begun(self))

    def received(self, message: Message) -> None:
        self._send(self._vendor.received(self, message))
        self._vendor.changed()

    def closed(self, code: int, reason: str) -> None:
        self.seen.closed.set()
        self._vendor.changed()

    def read(self, message: Message) -> dict[str, Any]:
        """A JSON message, kept for the test."""
        fields = json.loads(message)
        self.seen.messages.append(fields)
        return fields

    def hear(self, pcm: bytes) -> Iterable[Message]:
        """Takes audio; interim texts grow with it."""
        self.seen.audio += pcm
        self._utterance += pcm
        match self.fault:
            case "disconnect":
                self._cut()
                return ()
            case "garbage":
                return (self._vendor.garbage,)
            case "failure":
                return self._vendor.failure(self)
            case "mute" | "never_ready":
                return ()
            case _:
                pass
        known = min(len(self._utterance) // self._vendor.bytes_a_word, len(self.words))
        if known > self._said:
            self._said = known
            return self._vendor.interim(" ".join(self.words[:known]), self)
        return ()

    def flush(self) -> Iterable[Message]:
        """The final text of the audio since the last flush."""
        self.seen.flushes += 1
        if self.fault in {"silent", "mute", "never_ready", "disconnect"}:
            return ()
        was_audible = any(self._utterance)
        text = " ".join(self.words) if was_audible else ""
        self._utterance.clear()
        self._said = 0
        self._vendor.text_at += was_audible
        return self._vendor.final(text, self)

    def send(self, message: Message) -> None:
        """Sends one message."""
        if self.seen.socket is not None:
            self.seen.socket.send(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection."""
        if self.seen.socket is not None:
            self.seen.socket.close(code, reason)

    def _cut(self) -> None:
        abort = getattr(self.seen.socket, "abort", None)
        if abort is not None:
            abort()

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.send(message)


@asynccontextmanager
async def running(vendor: SocketVendor) -> AsyncGenerator[SocketVendor, None]:
    """The vendor, on a free port."""
    async with vendor.serving():
        yield vendor
