"""Waits where a busy server refuses a call for now."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vox.http.websocket import UpgradeRefusedError

MOST_TRIES = 30
T = TypeVar("T")


async def admitted(connect: Callable[[], Awaitable[T]]) -> T:
    """What `connect` gives, tried again as long as the server says that it is only busy."""
    for _ in range(MOST_TRIES):
        try:
            return await connect()
        except UpgradeRefusedError as refusal:
            if not refusal.retryable:
                raise
            await asyncio.sleep(refusal.retry_after_s or 1.0)
    return await connect()
