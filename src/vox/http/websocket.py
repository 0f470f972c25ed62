"""WebSockets, both sides: `serve_socket` in a route, `open_socket` as a client, `refuse` before the upgrade.

Routing, authentication and refusal are ordinary ASGI. Under our own server (`vox.http.server`) an accepted connection
then leaves ASGI: the scope's extension `vox.websocket` hands the transport to picows, and no message costs a task or a
dictionary. Under any other server the same listener runs over ASGI receive and send.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

from picows import WSHandshakeError
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from vox.errors import DependencyError, UsageError
from vox.http.asgi_socket import AsgiSocket
from vox.http.picows_socket import PicowsSocket, client_protocol
from vox.http.sockets import Limits, Socket, SocketListener
from vox.security.addresses import loopback_addresses

__all__ = [
    "EXTENSION",
    "Limits",
    "Socket",
    "SocketListener",
    "UpgradeRefusedError",
    "open_socket",
    "refuse",
    "serve_socket",
]

EXTENSION = "vox.websocket"
"""The ASGI extension under which our server offers the hand-over."""

HandOver = Callable[[SocketListener, Limits, str | None, Iterable[tuple[str, str]]], PicowsSocket | None]


class UpgradeRefusedError(DependencyError):
    """A server answered the upgrade with an ordinary HTTP response.

    Args:
        status: the HTTP status.
        headers: the response's headers, names in lower case.
        body: what had arrived of the body; may be cut short.
    """

    def __init__(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        after = headers.get("retry-after", "")
        super().__init__(
            f"{url} refused the WebSocket with HTTP {status}",
            code="upgrade_refused",
            hint={401: "check the key", 403: "check the key and the origin", 404: "check the path"}.get(status, ""),
            retryable=status in {429, 502, 503, 504},
            retry_after_s=float(after) if after.isdigit() else None,
        )
        self.status = status
        self.headers = headers
        self.body = body


async def serve_socket(
    websocket: WebSocket,
    listener: SocketListener,
    *,
    subprotocol: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    max_message_bytes: int = 1 << 20,
    max_backlog_bytes: int = 1 << 20,
    ping_interval_s: float = 20.0,
    ping_timeout_s: float = 20.0,
    going_away: tuple[int, str] = (1001, "server is closing"),
    read_buffer_bytes: int = 8192,
) -> None:
    """Accepts the upgrade and returns when the socket is closed; a peer that left before is never told to the listener.

    Cancelling this coroutine closes the socket with `going_away`, and so does our own server when it closes.
    """
    limits = Limits(
        max_message_bytes, max_backlog_bytes, ping_interval_s, ping_timeout_s, going_away, read_buffer_bytes
    )
    hand_over = cast("HandOver | None", websocket.scope.get("extensions", {}).get(EXTENSION))
    if hand_over is None:
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if websocket.client_state is WebSocketState.CONNECTING:
            await websocket.receive()
        await websocket.accept(subprotocol, raw)
        await AsgiSocket(websocket, listener, limits).run()
        return
    socket = hand_over(listener, limits, subprotocol, headers)
    if socket is None:
        return
    websocket.application_state = WebSocketState.CONNECTED
    try:
        await socket.gone
    finally:
        socket.close(*going_away)


async def refuse(
    websocket: WebSocket, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    """Answers the upgrade request with an HTTP response; a server that cannot do that sends its own 403."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(Response(body, status, headers))
    else:
        await websocket.close()


async def open_socket(
    url: str,
    listener: SocketListener,
    *,
    headers: Iterable[tuple[str, str]] = (),
    subprotocols: Iterable[str] = (),
    connect_timeout_s: float = 10.0,
    max_message_bytes: int = 1 << 20,
    max_backlog_bytes: int = 1 << 20,
    ping_interval_s: float = 20.0,
    ping_timeout_s: float = 20.0,
    tls: ssl.SSLContext | None = None,
) -> Socket:
    """Connects to a `ws://` or `wss://` URL; `opened`, and even messages, may come before this returns.

    Redirects are not followed. `wss` trusts what the system trusts unless `tls` is given.

    Raises:
        UsageError: the URL is not a WebSocket URL.
        UpgradeRefusedError: the server answered with another status than 101.
        DependencyError: no connection within the deadline.
    """
    target = _Target(url, tls)
    limits = Limits(max_message_bytes, max_backlog_bytes, ping_interval_s, ping_timeout_s)
    offered = ", ".join(subprotocols)
    extra = [*headers, *([("Sec-WebSocket-Protocol", offered)] if offered else [])]
    socket = PicowsSocket(listener, limits)
    protocol = client_protocol(socket, limits, target.netloc, target.path, extra)
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(connect_timeout_s):
            transport = await _connect(protocol, target)
            await _handshake(protocol)
    except BaseException as error:
        if transport is not None:
            transport.abort()
        failure = _failure(target.shown, connect_timeout_s, error)
        if failure is None:
            raise
        raise failure from error
    return socket


async def _connect(protocol: Any, target: "_Target") -> asyncio.Transport:
    """Opens the TCP connection; the name of this machine itself is not looked up."""
    connect = asyncio.get_running_loop().create_connection
    name = target.host if target.tls else None
    *first, last = loopback_addresses(target.host) or (target.host,)
    for address in first:
        with suppress(ConnectionRefusedError):
            return (await connect(lambda: protocol, address, target.port, ssl=target.tls, server_hostname=name))[0]
    return (await connect(lambda: protocol, last, target.port, ssl=target.tls, server_hostname=name))[0]


async def _handshake(protocol: Any) -> None:
    await protocol.wait_until_handshake_complete()
    if protocol.listener is None:
        raise ConnectionResetError("the server closed the connection during the handshake")


class _Target:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        try:
            parts = urlsplit(url)
            self.host, port = parts.hostname or "", parts.port
        except ValueError:
            self.host, port, parts = "", None, urlsplit("")
        is_secure = parts.scheme in {"wss", "https"}
        if not self.host or parts.scheme not in {"ws", "wss", "http", "https"}:
            raise UsageError(
                f"{url.partition('?')[0]!r} is not a WebSocket address",
                code="invalid_url",
                hint="write ws://host:port/path or wss://host/path",
            )
        self.port = port if port is not None else (443 if is_secure else 80)
        self.netloc = parts.netloc.rpartition("@")[2]
        self.path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self.tls = (tls or _system_trust()) if is_secure else None
        self.shown = f"{parts.scheme}://{self.netloc}{parts.path}"  # the query may carry a token


@functools.cache
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _failure(shown: str, connect_timeout_s: float, error: BaseException) -> DependencyError | None:
    if isinstance(error, WSHandshakeError) and error.response is not None:
        response: Any = error.response
        headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
        return UpgradeRefusedError(shown, int(response.status), headers, error.raw_body or b"")
    if isinstance(error, TimeoutError):
        text = f"no answer within {connect_timeout_s:g} s"
        return DependencyError(f"cannot connect to {shown}: {text}", code="connect_timed_out", retryable=True)
    if isinstance(error, (OSError, WSHandshakeError)):
        return DependencyError(f"cannot connect to {shown}: {error}", code="connect_failed", retryable=True)
    return None
