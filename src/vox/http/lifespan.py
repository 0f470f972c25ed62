"""The ASGI lifespan: opens what an application serves before its first request, and closes it after its last."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from starlette.types import Receive, Send

from vox.errors import VoxError


async def serve_lifespan(
    receive: Receive, send: Send, context: Callable[[], AbstractAsyncContextManager[object]]
) -> None:
    """Runs a context manager for as long as the server runs; what it refuses at start is told to the server.

    Args:
        receive: the ASGI receive.
        send: the ASGI send.
        context: makes the context manager.
    """
    await receive()
    is_started = False
    try:
        async with context():
            is_started = True
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except VoxError as error:
        await send({"type": f"lifespan.{'shutdown' if is_started else 'startup'}.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})


class Openable(Protocol):
    """A part's server: an async context manager that knows whether it is open."""

    is_open: bool

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *_error: object) -> None: ...


@asynccontextmanager
async def opened(server: Openable) -> AsyncGenerator[None, None]:
    """A server for as long as the block runs; one that is open already stays so, because its opener closes it."""
    if server.is_open:
        yield
        return
    async with server:
        yield
