"""Connects a scenario's caller; a server that is full for the moment is called again when it says, as any client would."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from vox.clients.phone import Connect
from vox.http.sockets import Socket
from vox.http.websocket import SocketListener, UpgradeRefusedError

MAX_ATTEMPTS: Final = 30
_BUSY: Final = 503
_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 10.0


def redialling(connect: Connect) -> Connect:
    """`connect`, which waits and tries again where the server answers 503; what waits is bounded by its scenario's time."""

    async def dial(
        url: str, listener: SocketListener, *, headers: Sequence[tuple[str, str]], connect_timeout_s: float
    ) -> Socket:
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return await connect(url, listener, headers=headers, connect_timeout_s=connect_timeout_s)
            except UpgradeRefusedError as refusal:
                if refusal.status != _BUSY:
                    raise
                await asyncio.sleep(_pause_s(refusal.headers.get("retry-after", "")))
        return await connect(url, listener, headers=headers, connect_timeout_s=connect_timeout_s)

    return dial


def _pause_s(retry_after: str) -> float:
    with contextlib.suppress(ValueError):
        return min(max(float(retry_after), 0.1), _LONGEST_PAUSE_S)
    return _PAUSE_S
