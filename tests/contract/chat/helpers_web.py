"""A web server outside the community, which answers what a test says."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.fakes.tcp_server import listening

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Outside:
    """A running web server; keeps the heads of the requests."""

    port: int = 0
    seen: list[bytes] = field(default_factory=list[bytes])

    @property
    def url(self) -> str:
        return f"http://page.test:{self.port}/"


@asynccontextmanager
async def outside(answer: Answer) -> AsyncGenerator[Outside, None]:
    """Answers every request with these bytes, in which PORT becomes its port, or as the function does."""
    me = Outside()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me.seen.append(await reader.readuntil(b"\r\n\r\n"))
        if isinstance(answer, bytes):
            writer.write(answer.replace(b"PORT", str(me.port).encode()))
            await writer.drain()
        else:
            await answer(writer)

    async with listening(serve) as me.port:
        yield me
