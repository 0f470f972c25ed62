"""A gRPC call with streams in both directions, in the shape of a socket: messages out by `send`, in by a listener."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

import grpc

from vox.http.sockets import SocketListener

MAX_WAITING = 1000
"""Messages that wait for the vendor to read; one more ends the call."""
REFUSAL_S = 0.25
"""How long audio waits for a refusal; speech takes longer than that anyway."""
LOST = 599
"""The connection broke while something was sent, in place of an HTTP status."""
_NORMAL = 1000
_LOST_WORDS = "Internal error from Core"
_STATUS = {
    grpc.StatusCode.OK: _NORMAL,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""What a call's end means as an HTTP status; a call that ended well counts as closed normally."""


class GrpcSocket:
    """One call. An empty message ends what this side sends.

    Args:
        start: begins the call, given the messages to send.
        listener: gets the answers, and the end with an HTTP status in place of a close code.
    """

    write_frames = None

    def __init__(self, start: Callable[[AsyncGenerator[bytes, None]], Any], listener: SocketListener) -> None:
        self._listener = listener
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._call = start(self._requests())
        self._is_open = True
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._reading = asyncio.create_task(self._read())
        self._listener.opened(self)

    def pause_reading(self) -> None:
        """Leaves the vendor's messages where they are; the one that is being read still comes."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Goes on after `pause_reading`."""
        self._may_read.set()

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        return self._is_open

    @property
    def backlog_bytes(self) -> int:
        """Not known: gRPC keeps its own buffers."""
        return 0

    def send(self, message: str | bytes) -> None:
        """Sends one message; an empty one ends the stream."""
        data = message.encode() if isinstance(message, str) else message
        try:
            if self._is_open:
                self._waiting.put_nowait(data)
        except asyncio.QueueFull:
            self.close()

    def close(self, code: int = _NORMAL, reason: str = "") -> None:
        """Ends the call at once."""
        if self._is_open:
            self._is_open = False
            self._call.cancel()

    async def _requests(self) -> AsyncGenerator[bytes, None]:
        """The first message, and after the vendor's answer to the call's beginning the others.

        A write to a call that the vendor has ended hides why it was ended; a refusal comes at the beginning.
        """
        yield await self._waiting.get()
        with suppress(TimeoutError):
            async with asyncio.timeout(REFUSAL_S):
                await self._call.initial_metadata()
        while message := await self._waiting.get():
            yield message

    async def _read(self) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            async for response in self._call:
                self._listener.received(response)
                await self._may_read.wait()
        # What was raised may only be that nothing could be sent any more; the status says why.
        code: grpc.StatusCode = await self._call.code()
        words = await self._call.details()
        self._is_open = False
        is_lost = code is grpc.StatusCode.UNAVAILABLE or words == _LOST_WORDS
        self._listener.closed(LOST if is_lost else _STATUS.get(code, 500), words or code.name)


def channel(address: str, options: Mapping[str, Any] | None = None) -> grpc.aio.Channel:
    """A channel to `https://host`, or to `http://host` without TLS."""
    target = address.partition("://")[2]
    given = list((options or {}).items())
    if address.startswith("http://"):
        return grpc.aio.insecure_channel(target, given)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), given)
