"""A WebSocket over plain ASGI: the same listener under any ASGI server, at ASGI's price.

Sending is synchronous here too: messages wait in a queue bounded in bytes, and one task per connection writes them.
Pings are the server's business (ASGI has none).
"""

import asyncio
from collections import deque
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from vox.http.sockets import ABNORMAL, CLOSE_TIMEOUT_S, Limits, SocketListener, checked_close
from vox.runtime.logging import get_logger

_log = get_logger(__name__)


class AsgiSocket:
    """One accepted connection; `run` returns when it is over."""

    def __init__(self, websocket: WebSocket, listener: SocketListener, limits: Limits) -> None:
        self._websocket = websocket
        self._listener = listener
        self._limits = limits
        self._is_open = True
        self._outbox: deque[str | bytes] = deque()
        self._outbox_bytes = 0
        self._wake = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._closed_by_us: tuple[int, str] | None = None
        self._deadline: asyncio.Timeout | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        return self._is_open

    @property
    def backlog_bytes(self) -> int:
        """What waits to be handed to the server."""
        return self._outbox_bytes

    @property
    def write_frames(self) -> None:
        """None: the server writes the frames."""
        return

    def send(self, message: str | bytes) -> None:
        """Queues one message; closes with 1013 when the peer does not keep up."""
        if not self._is_open:
            return
        self._outbox.append(message)
        self._outbox_bytes += len(message)
        self._wake.set()
        if self._outbox_bytes > self._limits.max_backlog_bytes:
            self._outbox.clear()
            self.close(1013, "peer reads too slowly")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake; after CLOSE_TIMEOUT_S the connection is given back to the server to cut."""
        verdict = checked_close(code, reason)
        if self._is_open:
            self._is_open = False
            self._may_read.set()
            self._closed_by_us = verdict
            self._wake.set()
            if self._deadline is not None:
                self._deadline.reschedule(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)

    def pause_reading(self) -> None:
        """Takes no further message from the server, which then reads no more either."""
        if self._is_open:
            self._may_read.clear()

    def resume_reading(self) -> None:
        """Goes on after `pause_reading`."""
        self._may_read.set()

    async def run(self) -> None:
        """Serves the connection to its end and tells the listener what happens."""
        closing = (ABNORMAL, "")
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                try:
                    self._tell_opened()
                    closing = await self._read()
                finally:
                    writer.cancel()
        finally:
            self._is_open = False
            try:
                self._listener.closed(*(self._closed_by_us or closing))
            except Exception:  # noqa: BLE001  a connection's top: a listener's fault ends this connection only
                _log.exception("socket listener failed when told of the close")

    def _tell_opened(self) -> None:
        try:
            self._listener.opened(self)
        except Exception:  # noqa: BLE001  a connection's top
            self._fail_listener()

    async def _read(self) -> tuple[int, str]:
        try:
            async with asyncio.timeout(None) as self._deadline:
                if not self._is_open:  # closed by `opened`, before there was a deadline to move
                    self._deadline.reschedule(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)
                while True:
                    await self._may_read.wait()
                    event = await self._websocket.receive()
                    if event["type"] == "websocket.disconnect":
                        return event.get("code") or ABNORMAL, event.get("reason") or ""
                    if self._is_open:
                        self._take(event)
        except TimeoutError:
            return ABNORMAL, ""

    def _take(self, event: Any) -> None:
        text: str | None = event.get("text")
        message: str | bytes = event["bytes"] if text is None else text
        if len(message) > self._limits.max_message_bytes:
            self.close(1009, "message too big")
            return
        try:
            self._listener.received(message)
        except Exception:  # noqa: BLE001  a connection's top
            self._fail_listener()

    def _fail_listener(self) -> None:
        _log.exception("socket listener failed")
        self.close(1011, "internal error")

    async def _write(self) -> None:
        try:
            while True:
                while self._outbox:
                    message = self._outbox.popleft()
                    if isinstance(message, str):
                        await self._websocket.send({"type": "websocket.send", "text": message})
                    else:
                        await self._websocket.send({"type": "websocket.send", "bytes": message})
                    self._outbox_bytes -= len(message)
                if self._closed_by_us is not None:
                    code, reason = self._closed_by_us
                    await self._websocket.send({"type": "websocket.close", "code": code, "reason": reason})
                    return
                self._wake.clear()
                await self._wake.wait()
        except (WebSocketDisconnect, OSError, RuntimeError):
            self._is_open = False  # the peer has gone; reading says how
