"""The tests' own TCP server leaves no connection behind, whatever its clients do."""

import asyncio

from tests.fakes.tcp_server import listening
from tests.time_limits import time_limit


async def test_a_connection_that_was_never_used_ends_with_the_server():
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        served.set()
        await reader.read()

    async with time_limit():
        async with listening(serve) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await served.wait()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
