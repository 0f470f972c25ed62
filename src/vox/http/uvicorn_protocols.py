"""uvicorn's two connection classes with what they lack: limits while headers arrive, and the hand-over to picows.

uvicorn drops bytes that arrive in one segment with an upgrade request, has no bound on headers, and leaves an upgrade
request that its WebSocket half cannot read without an answer, open for ever; all three are mended here.
A handed-over connection stays in uvicorn's set of connections until picows reports its end, so closing waits for it.
"""

import asyncio
import sys
from asyncio.transports import BaseTransport
from collections.abc import Iterable
from typing import Any, cast

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.exceptions import SecurityError

from vox.http.picows_socket import PicowsSocket, feed, server_protocol
from vox.http.sockets import Limits, SocketListener
from vox.http.websocket import EXTENSION
from vox.http.whole_answers import AnswerAtOnce, joined
from vox.runtime.logging import get_logger

MAX_HEADER_BYTES = 64 * 1024
HEADER_TIMEOUT_S = 10.0
UPGRADE_TIMEOUT_S = 30.0
"""From an upgrade request to the application's decision."""
_MAX_EARLY_BYTES = 64 * 1024
_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})
http11.MAX_LINE_LENGTH = MAX_HEADER_BYTES
"""Of an upgrade request, which the class below parses once more: a client may bring a session description in its URL."""
_log = get_logger(__name__)


class _Answered:
    """Stands for the cycle of a request that was answered at once."""

    response_complete = True
    disconnected = False

    def __init__(self) -> None:
        self.message_event = asyncio.Event()


_ANSWERED = cast("RequestResponseCycle", _Answered())


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection whose request line and headers are bounded in size and time."""

    _is_between_headers = True
    _header_bytes = 0
    _header_timer: asyncio.TimerHandle | None = None
    _data = b""
    _is_last = False
    _at_once: AnswerAtOnce | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """A client connected; its first request is due within HEADER_TIMEOUT_S."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._at_once = getattr(self.config.app, "answer_at_once", None)
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_between_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are complete."""
        self._is_between_headers = False
        if self._at_once is not None and self._answer_at_once(self._at_once):
            return
        super().on_headers_complete()
        if self._is_last and (cycle := cast("RequestResponseCycle | None", self.cycle)) is not None:
            cycle.keep_alive = False

    def _answer_at_once(self, find: AnswerAtOnce) -> bool:
        """Answers a request that needs no scope; False where it is to go the ordinary way."""
        parser, cycle = cast("HttpRequestParser", self.parser), cast("RequestResponseCycle | None", self.cycle)
        if parser.get_method() != b"GET" or (cycle is not None and not cycle.response_complete):
            return False  # answers go out in the order of their requests
        if self._is_last or self.expect_100_continue or self.flow.write_paused or self.transport.is_closing():
            return False
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return False
        for name, _ in self.headers:
            if name in _OF_A_BODY:
                return False
        try:
            answer = find(self.url, self.headers)
        except Exception:  # noqa: BLE001  the top of a request: made again from a scope, it becomes a response
            _log.exception("an answer at once failed", path=self.url.partition(b"?")[0].decode("latin-1"))
            return False
        if answer is None:
            return False
        self.cycle = _ANSWERED
        self.transport.write(joined(answer, self.server_state.default_headers))
        self.on_response_complete()
        return True

    def data_received(self, data: bytes) -> None:
        """Parses; afterwards, and only where headers are still incomplete, checks their bounds."""
        self._data = data
        super().data_received(data)
        self._data = b""
        if not self._is_between_headers:
            self._header_bytes = 0
            if self._header_timer is not None:
                self._disarm()
        elif not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.send_400_response("Request header fields too large.")
            elif self._header_timer is None:
                self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self.timeout_keep_alive_handler)

    def end_after_request(self) -> None:
        """Closes the connection with the answer to its next request, or now where it has had one."""
        if cast("RequestResponseCycle | None", self.cycle) is None:
            self._is_last = True
        else:
            self.shutdown()

    def _should_upgrade(self) -> bool:
        """Whether the request may become a WebSocket (RFC 6455 section 4.1); else its upgrade header is ignored (RFC 9110, 7.8)."""
        return (
            self.scope.get("method") == "GET"
            and self.scope["http_version"] == "1.1"
            and not any(
                name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
                for name, value in self.headers
            )
            and super()._should_upgrade()
        )

    def handle_websocket_upgrade(self) -> None:
        """Passes the connection on, together with what arrived behind the upgrade request."""
        upgrade = sys.exception()
        self._disarm()
        super().handle_websocket_upgrade()
        if isinstance(upgrade, HttpParserUpgrade) and (rest := self._data[upgrade.args[0] :]):
            protocol = cast("asyncio.Protocol", self.transport.get_protocol())
            protocol.data_received(rest)

    def _disarm(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket handshake that can end in a hand-over to picows instead of ASGI messages."""

    _early: bytearray | None = None
    _socket: PicowsSocket | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """An upgrade request follows; what becomes of it is decided within UPGRADE_TIMEOUT_S."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(UPGRADE_TIMEOUT_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Holds back what a client sends before its upgrade is decided; reading pauses at a bound."""
        if not self.handshake_initiated or self.handshake_complete:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_unreadable()
            return
        if self._early is None:
            self._early = bytearray()
        self._early += data
        if len(self._early) > _MAX_EARLY_BYTES:
            self.transport.pause_reading()

    async def run_asgi(self) -> None:
        """Runs the application with the hand-over on offer."""
        cast("dict[str, Any]", self.scope)["extensions"][EXTENSION] = self._hand_over
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Takes an ASGI message; after an accept the held-back bytes follow."""
        await super().send(message)
        self._disarm()
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True  # a refusal is an answer; uvicorn would log it as none
        if self._early is not None and message["type"] == "websocket.accept":
            early, self._early = bytes(self._early), None
            self.transport.resume_reading()
            super().data_received(early)

    def shutdown(self) -> None:
        """Closes the connection when the server closes."""
        if self._socket is None:
            super().shutdown()
        else:
            self._socket.go_away()

    def _hand_over(
        self, listener: SocketListener, limits: Limits, subprotocol: str | None, headers: Iterable[tuple[str, str]]
    ) -> PicowsSocket | None:
        if self.handshake_complete or self.initial_response or self.transport.is_closing():
            return None
        self._disarm()
        # From here on uvicorn's half believes that everything is said, and keeps out of the way.
        self.handshake_complete = self.close_sent = True
        answer = [*headers, *([("Sec-WebSocket-Protocol", subprotocol)] if subprotocol else [])]
        socket = self._socket = PicowsSocket(listener, limits, on_gone=self._gone)
        protocol = server_protocol(socket, limits, answer)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        early, self._early = self._early, None
        # uvicorn has checked the request; picows gets its essence, as it refuses `Connection: keep-alive, Upgrade`.
        feed(
            protocol,
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + self.request.headers["Sec-WebSocket-Key"].encode() + b"\r\n\r\n",
        )
        # What only uvicorn's half needs is half of an idle socket's memory.
        spent = cast("Any", self)
        spent.conn = spent.queue = spent.writable = spent.request = spent.response = None
        if early is not None:
            feed(protocol, early)
            if len(early) > _MAX_EARLY_BYTES:
                self.transport.resume_reading()
        return socket

    def _refuse_unreadable(self) -> None:
        """The request arrives whole, so one that the parser made nothing of cannot be read."""
        self._disarm()
        error = self.conn.handshake_exc
        too_large = isinstance(error, SecurityError) or isinstance(getattr(error, "__cause__", None), SecurityError)
        status = b"431 Request Header Fields Too Large" if too_large else b"400 Bad Request"
        self.handshake_complete = self.close_sent = True
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.transport.close()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.handshake_complete:
            self.transport.abort()

    def _gone(self) -> None:
        self.connections.discard(self)
