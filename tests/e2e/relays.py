"""Starts real relays for tests, and clients that only signal."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from livekit.protocol import rtc
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.agents import VOX, RunningAgent
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit
from vox.relay.opening import is_engine_installed
from vox.runtime.clock import SystemClock
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

KEY = RoomKey("APIkey", "0123456789abcdef0123456789abcdef")


def token(room: str, identity: str) -> str:
    claims = RoomClaims(sub=identity, video=VideoGrant(room=room, room_join=True))
    return sign_room_token(KEY, claims, now=SystemClock().unix(), lifetime_s=600)


@contextlib.asynccontextmanager
async def relay_process(
    folder: Path, name: str = "relay", *, port: int = 0, **config: Any
) -> AsyncGenerator[RunningAgent]:
    """A `vox relay`, on a port of its own where none is given; killed where the test has not ended it."""
    require(is_engine_installed(), "vox_native", "make native")
    port = port or free_port()
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    values: dict[str, Any] = {
        "listen": {
            "host": "127.0.0.1",
            "port": port,
            "public_url": f"ws://127.0.0.1:{port}",
            "drain_timeout_ms": 10_000,
        },
        "media": {"udp_port": 0, "tcp_port": -1, "threads": 1},
        "keys": {KEY.key: KEY.secret},
        "logs": {"json_lines": True},
        **config,
    }
    file.write_text(json.dumps(values))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(VOX, "relay", "--config", str(file)), stdout=subprocess.DEVNULL, stderr=output, env=dict(os.environ)
        )
    running = RunningAgent(process, log, port)
    try:
        await running.logged("relay ready")
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Member:
    """One participant's signalling on one relay."""

    def __init__(self, connection: ClientConnection, joined: rtc.JoinResponse) -> None:
        self._connection = connection
        self.joined = joined

    async def leave_message(self) -> rtc.LeaveRequest:
        """The relay's leave message."""
        return (await _until(self._connection, "leave")).leave


@contextlib.asynccontextmanager
async def member(url: str, room: str, identity: str, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Member]:
    """A participant on the relay at this address; `tls` says whom a wss:// address trusts."""
    address = f"{url.rstrip('/')}/rtc?access_token={token(room, identity)}&auto_subscribe=1&protocol=16"
    async with connect(address, ssl=tls) as connection:
        yield Member(connection, (await _until(connection, "join")).join)


async def _until(connection: ClientConnection, kind: str) -> rtc.SignalResponse:
    async with time_limit():
        while True:
            message = await connection.recv()
            assert isinstance(message, bytes)
            response = rtc.SignalResponse.FromString(message)
            if response.WhichOneof("message") == kind:
                return response
