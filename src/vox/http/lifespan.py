"""The ASGI lifespan: opens what an application serves before its first request, and closes it after its last."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.types import Receive, Send

from vox.errors import VoxError


async def serve_lifespan(
    receive: Receive, send: Send, opened: Callable[[], AbstractAsyncContextManager[object]]
) -> None:
    """Runs a context manager for as long as the server runs; what it refuses at start is told to the server.

    Args:
        receive: the ASGI receive.
        send: the ASGI send.
        opened: makes the context manager.
    """
    await receive()
    is_started = False
    try:
        async with opened():
            is_started = True
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except VoxError as error:
        await send({"type": f"lifespan.{'shutdown' if is_started else 'startup'}.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})
