"""Joins the messages that one socket sends within a few milliseconds into one write.

Each write is a system call, and on a line without other traffic a segment of its own. Joining them saves that, and costs the window
in latency; hence it is off unless it is asked for.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from vox.http.sockets import Socket
from vox.protocols.websocket_frames import server_frame

MAX_JOINED_BYTES: Final = 1 << 16
"""What waits is written once it is so much, whatever its number of frames."""


def coalesced(socket: Socket, window_ms: float, max_frames: int, *, max_backlog_bytes: int = 1 << 20) -> Socket:
    """The socket with its writes joined; itself where the window is 0.

    Args:
        socket: an open one.
        window_ms: how long the first message waits for others.
        max_frames: so many messages are written at once, however short the time.
        max_backlog_bytes: unread bytes at which the peer is closed with 1013, as the socket itself does.
    """
    if window_ms <= 0 or max_frames <= 1:
        return socket
    return _CoalescingSocket(socket, window_ms / 1000, max_frames, max_backlog_bytes)


class _CoalescingSocket:
    """Implements `Socket`."""

    __slots__ = ("_bytes", "_loop", "_max_backlog_bytes", "_max_frames", "_messages", "_socket", "_timer", "_window_s")

    def __init__(self, socket: Socket, window_s: float, max_frames: int, max_backlog_bytes: int) -> None:
        self._socket = socket
        self._window_s = window_s
        self._max_frames = max_frames
        self._max_backlog_bytes = max_backlog_bytes
        self._messages: list[str | bytes] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        return self._socket.is_open

    @property
    def backlog_bytes(self) -> int:
        """What was sent and the peer has not yet read."""
        return self._socket.backlog_bytes + self._bytes

    @property
    def write_frames(self) -> Callable[[bytes], None] | None:
        """None: whole frames would overtake the messages that wait."""
        return None

    def send(self, message: str | bytes) -> None:
        """Sends one message, at the latest when the window is over."""
        if not self._socket.is_open:
            return
        self._messages.append(message)
        self._bytes += len(message)
        if len(self._messages) >= self._max_frames or self._bytes >= MAX_JOINED_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._window_s, self._flush)

    def pause_reading(self) -> None:
        """Leaves what the peer sends where it is."""
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        """Goes on after `pause_reading`."""
        self._socket.resume_reading()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake behind what waits."""
        self._flush()
        self._socket.close(code, reason)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        messages, self._messages, self._bytes = self._messages, [], 0
        socket = self._socket
        write = socket.write_frames
        if write is None or len(messages) <= 1:
            for message in messages:
                socket.send(message)
            return
        write(b"".join(map(server_frame, messages)))
        if socket.backlog_bytes > self._max_backlog_bytes:
            socket.close(1013, "peer reads too slowly")
