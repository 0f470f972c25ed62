"""A TCP server of a test's own that leaves nothing open behind it."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """The port of a server while the block runs.

    `asyncio.start_server` alone leaves its connections as they are: one that a client opened and never used would be found unclosed
    while some later test runs.

    Args:
        serve: talks over one connection, which is closed when it returns; cancelled where it still runs at the end of the block.
        host: to listen at.
        tls: of the server.
    """
    connections: set[asyncio.Task[None] | None] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        connections.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left
        finally:
            connections.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(one, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in [task for task in connections if task is not None]:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await server.wait_closed()
