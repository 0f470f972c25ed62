"""The gateway under our own server, over TCP: frames written whole, large messages, and the server's goodbye."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.time_limits import time_limit
from vox.http.server import Server
from vox.http.sockets import Socket
from vox.http.websocket import open_socket
from vox.protocols.gateway import MAX_FRAME_BYTES, PRESENCE_BATCH
from vox.protocols.gateway_client import GatewayClient

pytestmark = pytest.mark.enable_socket


class Caller:
    """A client on a real socket; its protocol is the sans-IO client."""

    def __init__(self, person: Person, *, is_compressed: bool) -> None:
        self.client = GatewayClient(person.token, capabilities=[PRESENCE_BATCH], is_compressed=is_compressed)
        self.client.connected()
        self.frames: asyncio.Queue[Any] = asyncio.Queue()
        self.ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def received(self, message: str | bytes) -> None:
        found, answers = self.client.receive(message, 0)
        for answer in answers:
            self.socket.send(answer)
        self.frames.put_nowait(found)

    def closed(self, code: int, reason: str) -> None:
        self.ended.set_result((code, reason))

    async def expect(self, kind: str) -> Any:
        async with time_limit():
            while (found := await self.frames.get()).type != kind:
                pass
        return found


@asynccontextmanager
async def served(rig: Rig) -> AsyncGenerator[Server]:
    async with Server(rig.app, "127.0.0.1", 0, close_timeout_s=2) as server:
        yield server


async def call(server: Server, person: Person, query: str = "") -> Caller:
    caller = Caller(person, is_compressed="zstd" in query)
    url = f"ws://127.0.0.1:{server.port}/gateway{query}"
    await open_socket(url, caller, max_message_bytes=MAX_FRAME_BYTES, max_backlog_bytes=2 * MAX_FRAME_BYTES)
    await caller.expect("ready")
    return caller


@pytest.mark.parametrize("query", ["", "?compress=zstd"])
async def test_events_arrive_whole_and_in_order(tmp_path: Path, query: str):
    async with community("sqlite://", tmp_path) as rig, served(rig) as server:
        alice = await rig.register("alice")
        feed_id = (await alice.ok("POST", "/feeds", {"name": "general", "type": "text"}))["feed_id"]
        caller = await call(server, alice, query)
        for text in ("short", "x" * 120, "ä" * 4000, "100 % %d"):
            await alice.ok("POST", f"/feeds/{feed_id}/messages", {"body": text})
            assert (await caller.expect("message_create")).d["body"] == text
        caller.socket.close()
        await caller.ended


async def test_ten_mebibytes_are_taken_and_answered(tmp_path: Path):
    async with community("sqlite://", tmp_path) as rig, served(rig) as server:
        caller = await call(server, await rig.register("alice"))
        caller.socket.send(json.dumps({"type": "mls_relay", "d": {"data": "x" * (10 << 20)}}))
        assert (await caller.expect("error")).d["code"] == "PAYLOAD_TOO_LARGE"
        caller.socket.send('{"type":"heartbeat"}')
        await caller.expect("heartbeat_ack")
        caller.socket.close()
        await caller.ended


async def test_a_server_that_closes_says_restarting(tmp_path: Path):
    async with community("sqlite://", tmp_path) as rig:
        alice = await rig.register("alice")
        async with served(rig) as server:
            caller = await call(server, alice)
        async with time_limit():
            assert await caller.ended == (4008, "Server restarting")
