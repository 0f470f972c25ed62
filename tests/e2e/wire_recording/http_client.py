"""Plain HTTP and WebSocket clients that hide nothing: every header, every frame and every close code is there to be recorded."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import struct
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

TIMEOUT_S = 30.0
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OPCODES = {0x1: "text", 0x2: "binary", 0x8: "close", 0x9: "ping", 0xA: "pong"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, empty where it is missing."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request(
    port: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    """Sends one request over a connection of its own, with no header beyond Host, Content-Length and those given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Reply(response.status, tuple(response.getheaders()), response.read())
    finally:
        connection.close()


class EventStream:
    """Server-sent events of a response that does not end; `head` is its status and headers."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.head = Reply(response.status, tuple(response.getheaders()), b"")

    def next(self) -> tuple[str, Any]:
        """The next event's name and data."""
        name, data = "", ""
        while line := self._response.readline().decode().rstrip("\n"):
            field, _, value = line.partition(": ")
            name, data = (value, data) if field == "event" else (name, value)
        return name, json.loads(data)


@contextlib.contextmanager
def event_stream(port: int, path: str) -> Generator[EventStream]:
    """A stream of events for the length of the block."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.endheaders()
    response = connection.getresponse()
    try:
        yield EventStream(response)
    finally:
        response.close()
        connection.close()


@dataclass(frozen=True, slots=True)
class Frame:
    """One message or close of a WebSocket; `code` and `reason` belong to a close, and 1006 is a close without a frame."""

    kind: Literal["text", "binary", "close"]
    payload: bytes = b""
    code: int = 0
    reason: str = ""


class WebSocket:
    """A client connection that has been upgraded; pings are answered and not shown."""

    def __init__(self, connection: socket.socket, rest: bytes) -> None:
        self._connection = connection
        self._buffer = bytearray(rest)

    def fileno(self) -> int:
        """For `select`: readable once something came that was not read ahead."""
        return self._connection.fileno()

    def send(self, message: str | bytes) -> None:
        """Sends a message: text as a text frame, bytes as a binary one."""
        payload = message.encode() if isinstance(message, str) else message
        self._send(0x1 if isinstance(message, str) else 0x2, payload)

    def send_json(self, message: Any) -> None:
        """Sends a JSON text message."""
        self.send(json.dumps(message))

    def close(self, code: int = 1000) -> None:
        """Sends a close frame."""
        self._send(0x8, struct.pack("!H", code))

    def drop(self) -> None:
        """Cuts the connection without a close frame."""
        self._connection.close()

    def receive(self, timeout_s: float = TIMEOUT_S) -> Frame:
        """The next message, or the close.

        Raises:
            TimeoutError: nothing came.
        """
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                opcode, payload = self._frame(deadline)
                if opcode == "ping":
                    self._send(0xA, payload)
                elif opcode == "close":
                    with contextlib.suppress(OSError):
                        self._send(0x8, payload[:2])
                    code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                    return Frame("close", b"", code, payload[2:].decode())
                elif opcode != "pong":
                    return Frame("text" if opcode == "text" else "binary", payload)
        except (ConnectionError, EOFError):
            return Frame("close", b"", 1006)

    def _frame(self, deadline: float) -> tuple[str, bytes]:
        first, second = self._take(2, deadline)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2, deadline))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8, deadline))
        assert first & 0x80, "the server never fragments"
        assert not first & 0x70, "no extension was agreed on"
        assert not second & 0x80, "a server's frames are not masked"
        return _OPCODES[first & 0xF], self._take(size, deadline)

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self._buffer) < size:
            self._connection.settimeout(max(0.001, deadline - time.monotonic()))
            piece = self._connection.recv(1 << 16)
            if not piece:
                raise EOFError
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        self._connection.settimeout(TIMEOUT_S)
        self._connection.sendall(head + bytes(4) + payload)  # a mask of zeros changes nothing, and is a mask


def open_websocket(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[Reply, WebSocket | None]:
    """Asks for an upgrade: the server's answer, and the connection where the answer is 101."""
    key = base64.b64encode(os.urandom(16)).decode()
    asked = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(1 << 16)
            assert piece, "the server closed during the handshake"
            received += piece
        head, _, rest = received.partition(b"\r\n\r\n")
        status_line, *fields = head.decode("latin-1").split("\r\n")
        status = int(status_line.split()[1])
        found = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in fields))
        reply = Reply(status, found, b"")
        if status == 101:
            accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324  RFC 6455
            assert reply.header("sec-websocket-accept") == accept
            return reply, WebSocket(connection, rest)
        length = int(reply.header("content-length") or 0)
        while len(rest) < length:
            rest += connection.recv(1 << 16)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return Reply(status, found, rest), None


@contextlib.contextmanager
def websocket(port: int, path: str, headers: Mapping[str, str] | None = None) -> Generator[tuple[Reply, WebSocket]]:
    """A connection that must come about, dropped when the block is left."""
    reply, connection = open_websocket(port, path, headers)
    assert connection is not None, (reply.status, reply.body)
    try:
        yield reply, connection
    finally:
        connection.drop()
