"""A call over gRPC in the shape of a socket: its answers wait where the call does not keep up."""

import asyncio
from typing import Any

import grpc

from tests.time_limits import time_limit
from vox.providers.stt._grpc_socket import GrpcSocket


class Call:
    """A call whose answers the test gives, None as its end; `taken` counts those that were asked for."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.taken = 0

    def __aiter__(self) -> "Call":
        return self

    async def __anext__(self) -> bytes:
        self.taken += 1
        answer = await self.answers.get()
        if answer is None:
            raise StopAsyncIteration
        return answer

    def cancel(self) -> None:
        self.answers.put_nowait(None)

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.CANCELLED

    async def details(self) -> str:
        return "ended by this side"


class Listener:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.end: asyncio.Future[str] = asyncio.Future()

    def opened(self, socket: object) -> None: ...

    def received(self, message: Any) -> None:
        self.heard.put_nowait(message)

    def closed(self, code: int, reason: str) -> None:
        self.end.set_result(reason)


async def test_while_reading_is_paused_no_further_answer_is_asked_for():
    call, listener = Call(), Listener()
    socket = GrpcSocket(lambda _requests: call, listener)
    async with time_limit():
        socket.pause_reading()
        for number in range(3):
            call.answers.put_nowait(b"%d" % number)
        assert await listener.heard.get() == b"0"  # the one that was being read
        for _ in range(20):
            await asyncio.sleep(0)
        assert (listener.heard.empty(), call.taken) == (True, 1)
        socket.resume_reading()
        assert [await listener.heard.get() for _ in range(2)] == [b"1", b"2"]
        socket.close()
        assert await listener.end == "ended by this side"
