"""Starts real chat servers for tests: a process of its own, by `vox chat` or by uvicorn as the documents have it."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.chat.harness import API, PASSWORD, Gateway
from tests.e2e.agents import VOX, until
from tests.free_ports import free_port
from tests.time_limits import WAIT_S, time_limit
from vox.http.sockets import Socket
from vox.http.websocket import open_socket

QUICK = {"VOX_RATE_LIMIT_SCALE": "0", "VOX_PASSWORD_MEMORY_KIB": "64", "VOX_PASSWORD_PASSES": "1"}


@dataclass(slots=True)
class RunningChat:
    """A server under test."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    def kill(self) -> None:
        """As the power or the kernel would: no warning."""
        self.process.kill()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """The exit code."""
        async with time_limit():
            return await self.process.wait()


@contextlib.asynccontextmanager
async def chat_server(
    folder: Path,
    *arguments: str,
    uvicorn: bool = False,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> AsyncGenerator[RunningChat, None]:
    """A chat server with its database in that folder, killed when the block is left."""
    port = port or free_port()
    if uvicorn:
        command = [sys.executable, "-m", "uvicorn", "vox.api.app:create_app", "--factory", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1", *arguments]
    else:
        command = [str(VOX), "chat", "--port", str(port), *arguments]
    log = folder / "chat.log"
    given = {name: value for name, value in os.environ.items() if not name.startswith("VOX_")}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**given, **QUICK, **(environment or {})},
        )
    running = RunningChat(process, port, log)
    try:
        await _ready(running)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()


class _Listener:
    """Puts what comes over a real connection where the in-process client has it."""

    def __init__(self, session: Gateway) -> None:
        self._session = session

    def opened(self, socket: Socket) -> None:
        """`open_socket` returns it."""

    def received(self, message: str | bytes) -> None:
        self._session.inbox.put_nowait(json.loads(message))

    def closed(self, code: int, reason: str) -> None:
        self._session.close_code, self._session.close_reason = code, reason
        self._session.inbox.put_nowait(None)


@contextlib.asynccontextmanager
async def gateway(
    url: str, token: str | None = None, *, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> AsyncGenerator[Gateway, None]:
    """A gateway session behind `ready`; behind nothing where no token is given."""
    session = Gateway(asyncio.Queue(), asyncio.Queue())
    socket = await open_socket(url, _Listener(session), tls=tls, headers=list((headers or {}).items()))

    async def pump() -> None:
        while (message := await session.outbox.get())["type"] == "websocket.receive":
            socket.send(message["text"])
        socket.close()

    pumping = asyncio.create_task(pump())
    try:
        if token is not None:
            await session.expect("hello")
            await session.send("identify", {"token": token})
            session.ready = (await session.expect("ready"))["d"]
        yield session
    finally:
        session.drop()
        await pumping


async def register(http: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    """Makes an account: user_id and token."""
    reply = await http.post(f"{API}/auth/register", json={"username": name, "password": PASSWORD})
    assert reply.status_code == 201, reply.text
    return reply.json()


def bearer(account: dict[str, Any]) -> dict[str, str]:
    """The headers of somebody who is logged in."""
    return {"authorization": f"Bearer {account['token']}"}


async def _ready(running: RunningChat) -> None:
    answered = False
    async with httpx2.AsyncClient(timeout=WAIT_S) as http, time_limit():
        while not answered:
            if running.process.returncode is not None:
                raise AssertionError(f"ended with {running.process.returncode}:\n{running.log.read_text()[-4000:]}")
            with contextlib.suppress(httpx2.TransportError):
                answered = (await http.get(f"{running.http}/ready")).status_code == 200
            await asyncio.sleep(0 if answered else 0.05)


__all__ = [
    "API",
    "PASSWORD",
    "QUICK",
    "RunningChat",
    "bearer",
    "chat_server",
    "free_port",
    "gateway",
    "register",
    "until",
]
