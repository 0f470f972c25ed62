"""A WebSocket on picows: the fast path of our server and every client connection.

The one thing to know: picows hands out raw frames, so reassembly, limits, keepalive and the closing handshake are here.
What a peer sends is bounded before it is dealt with: control frames by a rate, a message by its bytes and by its number of
fragments, what is handled at one go by a slice, after which other connections have their turn. A peer that exceeds a
bound is cut at once, since a closing handshake would let it send for seconds more.
Two of its traits are worked around. When a uvloop transport has a backlog, picows queues the header of a message above 8 KiB
without copying it, and the next message overwrites that header (seen: half of the frames to a slow reader broken); large
messages therefore bring room for their header. And after a protocol error it waits for a peer that may never read; the
keepalive timer cuts such a connection.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from logging import DEBUG, getLogger
from typing import Any

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeResponse
from picows import picows as native
from picows.common import WSUpgradeResponseWithListener

from vox.http.sockets import ABNORMAL, CLOSE_TIMEOUT_S, NO_STATUS, Limits, SocketListener, checked_close
from vox.runtime.logging import get_logger

_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_DATA = (WSMsgType.BINARY, WSMsgType.TEXT)
_PING, _PONG, _CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
_COPY_LIMIT = 8192
"""Up to here picows copies header and message into one buffer."""
MAX_FRAGMENTS = 1024
"""Fragments of one message. Browsers send none, proxies some of 4 KiB and more; each costs a call, however small."""
CONTROL_BURST = 64
CONTROL_FRAMES_PER_SECOND = 8.0
"""Pings and pongs that a peer may send: keepalives need one in several seconds."""
SLICE_BYTES = 1 << 16
"""What one connection may have handled before the loop turns to others; headers count as `_FRAME_COST` bytes a frame."""
RECEIVE_BUFFER_BYTES = 1 << 17
"""What the kernel may hold of one client's messages (Linux doubles it for its own records).

picows takes all that has arrived at one go into a buffer that it doubles without a bound. 128 KiB let 640 kB a second
through at a round trip of 200 ms, more than the fastest audio needs.
"""
MAX_FRAMES_AFTER_CLOSE = 1024
"""Frames that were under way when this side closed; a peer that sends more does not heed the close."""
_FRAME_COST = 64
_PONG_BACKLOG_BYTES = 1 << 16
"""Above it pings stay without an answer: the peer does not read what it asks for."""
_HEADER_ROOM = 14
"""The longest frame header: what `send_reuse_external_bytearray` wants free before the message."""

_log = get_logger(__name__)


class PicowsSocket(WSListener):
    """One connection: a `Socket` to its listener, a listener to picows."""

    __slots__ = (
        "_control_at",
        "_control_left",
        "_fragment_count",
        "_fragments",
        "_fragments_are_text",
        "_frames_after_close",
        "_is_heard",
        "_is_open",
        "_is_paused",
        "_is_pinged",
        "_is_server",
        "_limits",
        "_listener",
        "_loop",
        "_max_backlog_bytes",
        "_on_gone",
        "_send_frame",
        "_slice_left",
        "_timer",
        "_transport",
        "_unsent_bytes",
        "_write",
        "gone",
    )

    def __init__(self, listener: SocketListener, limits: Limits, on_gone: Callable[[], None] | None = None) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._limits = limits
        self._max_backlog_bytes = limits.max_backlog_bytes
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._is_open = False
        self._is_heard = True
        self._is_pinged = False
        self._is_paused = False
        self._is_server = False
        self._timer: asyncio.TimerHandle | None = None
        self._fragments: bytearray | None = None
        self._fragments_are_text = False
        self._fragment_count = 0
        self._control_left = float(CONTROL_BURST)
        self._control_at = 0.0
        self._frames_after_close = 0
        self._slice_left = SLICE_BYTES

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        return self._is_open and not self._transport.is_close_frame_sent

    def send(self, message: str | bytes) -> None:
        """Sends one message without blocking; closes with 1013 when the peer does not keep up."""
        if not self._is_open:
            return
        kind = _TEXT if isinstance(message, str) else _BINARY
        if len(message) > _COPY_LIMIT >> 2:  # a character takes up to four bytes
            self._send_large(kind, message)
        else:
            self._send_frame(kind, message)
        if self._unsent_bytes() > self._max_backlog_bytes:
            self.close(1013, "peer reads too slowly")

    @property
    def backlog_bytes(self) -> int:
        """What the peer has not yet read."""
        return self._unsent_bytes() if self._is_open else 0

    @property
    def write_frames(self) -> Callable[[bytes], None] | None:
        """Writes whole frames as they are; None on a client's side, whose frames are masked."""
        return self._write_frames if self._is_server else None

    def pause_reading(self) -> None:
        """Leaves what the peer sends in the kernel; what was read already is still handled."""
        transport = self._transport.underlying_transport
        if not self._is_paused and not transport.is_closing():
            self._is_paused = True
            transport.pause_reading()

    def resume_reading(self) -> None:
        """Goes on after `pause_reading`; the time until then does not count against the peer."""
        if self._is_paused:
            self._is_paused, self._is_heard = False, True
            self._read_on()

    def go_away(self) -> None:
        """Says what the listener wants said when the server closes."""
        self.close(*self._limits.going_away)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake; after CLOSE_TIMEOUT_S the connection is cut."""
        code, reason = checked_close(code, reason)
        if not self._is_open:
            return
        self.resume_reading()  # the peer's half of the closing handshake is to be read
        self._is_open = False
        self._transport.send_close(code, reason)  # pyright: ignore[reportArgumentType]  any integer code is taken
        self._arm(CLOSE_TIMEOUT_S, self.abort)

    def abort(self) -> None:
        """Cuts the connection without a handshake."""
        self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._send_frame = transport.send
        self._unsent_bytes = transport.underlying_transport.get_write_buffer_size
        self._write = transport.underlying_transport.write
        self._is_server = not transport.is_client_side
        self._is_open = True
        if self._is_server and (connection := transport.underlying_transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if self._limits.ping_interval_s > 0:
            self._arm(self._limits.ping_interval_s, self._keep_alive)
        try:
            self._listener.opened(self)
        except Exception:  # noqa: BLE001  a connection's top: a listener's fault ends this connection only
            self._fail_listener()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame; the usual case, a whole message, comes first."""
        self._is_heard = True
        kind = frame.msg_type
        self._slice_left -= frame.payload_size + _FRAME_COST
        if self._slice_left < 0:
            self._let_others_run()
        if not self._is_open and kind != _CLOSE:
            self._frames_after_close += 1
            if self._frames_after_close > MAX_FRAMES_AFTER_CLOSE:
                self.abort()
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(1002, "no extension was negotiated")
            return
        if kind in _DATA and frame.fin and self._fragments is None:
            try:
                message = frame.get_payload_as_utf8_text() if kind == _TEXT else frame.get_payload_as_bytes()
            except UnicodeDecodeError:
                self.close(1007, "invalid UTF-8")
                return
            self._deliver(message)
        elif kind == _CLOSE:
            self._answer_close(frame)
        elif kind not in (_PING, _PONG):
            self._collect(frame, kind)
        elif not self._may_control():
            self._cut(1008, "too many control frames")
        elif kind == _PING and self._unsent_bytes() <= _PONG_BACKLOG_BYTES:
            transport.send_pong(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The transport is gone."""
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        self._fragments = None
        try:
            self._listener.closed(*self._verdict())
        except Exception:  # noqa: BLE001  a connection's top: a listener's fault ends this connection only
            _log.exception("socket listener failed when told of the close")
        finally:
            if self._on_gone is not None:
                self._on_gone()
            if not self.gone.done():
                self.gone.set_result(None)

    def pause_writing(self) -> None:
        """`send` watches the backlog itself."""

    def resume_writing(self) -> None:
        """See pause_writing."""

    def _write_frames(self, frames: bytes) -> None:
        if self._is_open:
            self._write(frames)

    def _send_large(self, kind: WSMsgType, message: str | bytes) -> None:
        buffer = bytearray(_HEADER_ROOM)
        buffer += message.encode() if isinstance(message, str) else message
        self._transport.send_reuse_external_bytearray(kind, buffer, _HEADER_ROOM)

    def _deliver(self, message: str | bytes) -> None:
        try:
            self._listener.received(message)
        except Exception:  # noqa: BLE001  a connection's top: a listener's fault ends this connection only
            self._fail_listener()

    def _fail_listener(self) -> None:
        _log.exception("socket listener failed")
        self.close(1011, "internal error")

    def _let_others_run(self) -> None:
        self._slice_left = SLICE_BYTES
        transport = self._transport.underlying_transport
        if not self._is_paused and not transport.is_closing():
            transport.pause_reading()
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        transport = self._transport.underlying_transport
        if not self._is_paused and not transport.is_closing():
            transport.resume_reading()

    def _may_control(self) -> bool:
        now = self._loop.time()
        refilled = self._control_left + (now - self._control_at) * CONTROL_FRAMES_PER_SECOND
        self._control_at = now
        self._control_left = min(refilled, CONTROL_BURST) - 1
        return self._control_left >= 0

    def _cut(self, code: int, reason: str) -> None:
        """Says why and disconnects: what the peer goes on sending costs nothing more."""
        self.close(code, reason)
        self._loop.call_soon(self.abort)

    def _collect(self, frame: WSFrame, kind: WSMsgType) -> None:
        is_first = kind != _CONTINUATION
        if is_first is not (self._fragments is None):
            self.close(1002, "fragments out of order")
            return
        if self._fragments is None:
            self._fragments, self._fragment_count, self._fragments_are_text = bytearray(), 0, kind == _TEXT
        self._fragment_count += 1
        if (
            self._fragment_count > MAX_FRAGMENTS
            or len(self._fragments) + frame.payload_size > self._limits.max_message_bytes
        ):
            self._fragments = None
            self._cut(
                1009, "message too big" if self._fragment_count <= MAX_FRAGMENTS else "message in too many fragments"
            )
            return
        self._fragments += frame.get_payload_as_memoryview()
        if frame.fin:
            whole, self._fragments = bytes(self._fragments), None
            try:
                message = whole.decode() if self._fragments_are_text else whole
            except UnicodeDecodeError:
                self.close(1007, "invalid UTF-8")
                return
            self._deliver(message)

    def _answer_close(self, frame: WSFrame) -> None:
        if self._is_open:
            self._is_open = False
            self._transport.send(_CLOSE, frame.get_payload_as_bytes()[:2])
        self._arm(CLOSE_TIMEOUT_S, self.abort)  # a graceful end waits for a peer that may read nothing more
        self._transport.disconnect()

    def _keep_alive(self) -> None:
        limits = self._limits
        if self._transport.is_close_frame_sent:  # picows refused a frame and waits for a peer that does not read
            self.abort()
        elif self._is_heard or self._is_paused:
            self._is_heard = self._is_pinged = False
            self._arm(limits.ping_interval_s, self._keep_alive)
        elif self._is_pinged:
            self.close(1011, "keepalive ping timeout")
            self._arm(min(limits.ping_timeout_s, CLOSE_TIMEOUT_S), self.abort)
        else:
            self._is_pinged = True
            self._transport.send_ping(b"vox")
            self._arm(limits.ping_timeout_s, self._keep_alive)

    def _arm(self, delay_s: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, callback)

    def _verdict(self) -> tuple[int, str]:
        handshake: Any = self._transport.close_handshake
        if handshake is None:
            return ABNORMAL, ""
        close_frame = handshake.recv if handshake.recv_then_sent else handshake.sent
        return int(close_frame.code) or NO_STATUS, close_frame.reason or ""


class _Quiet:
    """A logger for picows: the comings and goings of single connections are debug lines."""

    def __init__(self) -> None:
        self._logger = getLogger("picows")

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  the standard library's name
        return level >= DEBUG and self._logger.isEnabledFor(DEBUG)

    def debug(self, message: str, *args: object, **_options: object) -> None:
        self._logger.debug(message, *args)

    info = warning = error = exception = debug

    def log(self, _level: int, message: str, *args: object) -> None:
        self._logger.debug(message, *args)


_QUIET = _Quiet()


def server_protocol(socket: PicowsSocket, limits: Limits, headers: Iterable[tuple[str, str]]) -> Any:
    """A picows protocol that takes over a server connection and answers 101 with these extra headers."""
    response = WSUpgradeResponse.create_101_response(list(headers))
    answer = WSUpgradeResponseWithListener(response, socket)

    def choose(_request: object) -> WSUpgradeResponseWithListener:
        return answer

    return _protocol(choose, limits, None, None, None)


def client_protocol(
    socket: PicowsSocket, limits: Limits, host_port: str, path: str, headers: Iterable[tuple[str, str]]
) -> Any:
    """A picows protocol that performs the client's handshake; its caller keeps the deadline."""

    def choose(_request: object, _response: object) -> PicowsSocket:
        return socket

    return _protocol(choose, limits, host_port, path, list(headers))


def feed(protocol: Any, data: bytes | bytearray) -> None:
    """Gives a picows protocol bytes that were read before it owned the connection."""
    view = memoryview(data)
    while view:
        room = protocol.get_buffer(-1)
        count = min(len(room), len(view))
        room[:count] = view[:count]
        protocol.buffer_updated(count)
        view = view[count:]


def _protocol(
    factory: Callable[..., Any],
    limits: Limits,
    host_port: str | None,
    path: str | None,
    headers: list[tuple[str, str]] | None,
) -> Any:
    make: Callable[..., Any] = vars(native)["WSProtocol"]  # absent from the library's stub
    return make(
        host_port,
        path,
        host_port is not None,
        factory,
        _QUIET,
        True,  # disconnect when a listener raises
        None,  # the caller keeps the handshake's deadline
        False,  # our own keepalive
        20,
        20,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # our own pongs
        limits.max_message_bytes,
        headers,
        limits.read_buffer_bytes,
    )
