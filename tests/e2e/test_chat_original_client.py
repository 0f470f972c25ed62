"""A client that does what the original's SDK documents, and nothing of ours: it must keep working through everything.

It stands on the libraries the SDK stands on (an httpx, websockets, zstandard), takes integer ids, one zstd frame per message,
the error envelope, `retry_after_ms`, and the table of close codes. It loses nothing over cut connections, a restart and a kill.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx2
import zstandard
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.chats import API, PASSWORD, chat_server
from tests.free_ports import free_port
from tests.time_limits import WAIT_S, time_limit

RESUMABLE = {1000, 1001, 1006, 1011, 4000, 4006, 4007, 4008}
FRESH = {4009, 4010}
RETRIED = {500, 502, 503, 504}
BACK_OFF_S, BACK_OFF_MAX_S = 0.05, 1.0
"""The SDK's 1 s and 60 s, in a hurry; doubled each time, with up to a half of jitter."""


class OriginalClient:
    """REST and gateway of one user, as the SDK documents them."""

    def __init__(self, port: int) -> None:
        self.http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}{API}", timeout=WAIT_S)
        self.url = f"ws://127.0.0.1:{port}/gateway?compress=zstd&v=1&encoding=json"
        self.feed_id = 0
        self.messages: dict[int, str] = {}
        self.repeated: list[int] = []
        self.codes: list[int] = []
        self.resumed = 0
        self.identified = 0
        self.waited_ms: list[int] = []
        self.socket: ClientConnection | None = None
        self._session_id: str | None = None
        self._last_seq = 0
        self._random = random.Random(7)
        self._changed = asyncio.Event()

    async def request(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """A request with the SDK's patience: three more tries on 5xx and lost connections, and as told on 429."""
        tries = 0
        while True:
            try:
                reply = await self.http.request(method, path, json=body, params=query)
            except httpx2.TransportError:
                tries += 1
                if tries > 40:
                    raise
                await asyncio.sleep(0.25)
                continue
            if reply.status_code == 429:
                self.waited_ms.append(reply.json()["error"]["retry_after_ms"])
                await asyncio.sleep(self.waited_ms[-1] / 1000)
            elif reply.status_code in RETRIED and tries < 3:
                tries += 1
                await asyncio.sleep(0.1 * 2**tries)
            else:
                assert reply.is_success, reply.text
                return reply.json() if reply.content else None

    async def sign_in(self, name: str) -> None:
        """Makes the account and keeps its token."""
        token = (await self.request("POST", "/auth/register", {"username": name, "password": PASSWORD}))["token"]
        self.http.headers["authorization"] = f"Bearer {token}"
        self._token = token

    async def run(self) -> None:
        """Connects and comes back until it is cancelled or a code is final."""
        wait_s = BACK_OFF_S
        while True:
            try:
                async with connect(self.url, max_size=None, proxy=None) as socket:
                    self.socket = socket
                    await self._converse(socket)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else 1006
                self.codes.append(code)
                if code in FRESH:
                    self._session_id = None
                elif code not in RESUMABLE:
                    raise
                if self.resumed + self.identified:
                    wait_s = BACK_OFF_S
            except OSError:
                pass
            await asyncio.sleep(wait_s * (1 + self._random.random() / 2))
            wait_s = min(wait_s * 2, BACK_OFF_MAX_S)

    async def until(self, test: Callable[[], bool]) -> None:
        """Waits until something is so."""
        async with time_limit():
            while not test():
                self._changed.clear()
                await self._changed.wait()

    async def _converse(self, socket: ClientConnection) -> None:
        unpack = zstandard.ZstdDecompressor()
        beating: asyncio.Task[None] | None = None
        try:
            while True:
                packed = await socket.recv()
                assert isinstance(packed, bytes)
                frame = json.loads(unpack.decompress(packed))
                if "seq" in frame:
                    expected = 1 if frame["type"] == "ready" else self._last_seq + 1
                    assert frame["seq"] == expected, f"{frame['seq']} instead of {expected}"
                    self._last_seq = frame["seq"]
                if frame["type"] == "hello":
                    beating = asyncio.create_task(self._beat(socket, frame["d"]["heartbeat_interval"] / 1000))
                    await self._open(socket)
                else:
                    await self._take(frame)
                self._changed.set()
        finally:
            if beating is not None:
                beating.cancel()

    async def _open(self, socket: ClientConnection) -> None:
        if self._session_id is None:
            opening = {"type": "identify", "d": {"token": self._token, "protocol_version": 1}}
        else:
            given = {"token": self._token, "session_id": self._session_id, "last_seq": self._last_seq}
            opening = {"type": "resume", "d": given}
        await socket.send(json.dumps(opening))

    async def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "ready":
                self._session_id = frame["d"]["session_id"]
                self.identified += 1
                await self._catch_up()
            case "resumed":
                assert frame["d"]["seq"] == self._last_seq
                self.resumed += 1
            case "message_create":
                self._keep(frame["d"]["msg_id"], frame["d"]["body"])
            case _:
                pass

    async def _catch_up(self) -> None:
        """After a fresh identify nothing is replayed: what came meanwhile is read."""
        if not self.feed_id:
            return
        path, after = f"/feeds/{self.feed_id}/messages", max(self.messages, default=0)
        page = await self.request("GET", path, after=after, limit=100)
        for message in reversed(page["messages"]):
            self.messages[message["msg_id"]] = message["body"]

    def _keep(self, msg_id: int, body: str) -> None:
        if msg_id in self.messages and self.messages[msg_id] != body:
            self.repeated.append(msg_id)
        self.messages[msg_id] = body

    async def _beat(self, socket: ClientConnection, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await socket.send(json.dumps({"type": "heartbeat"}))


async def test_nothing_is_lost_over_cut_connections_a_restart_and_a_kill(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(11)
    sent: dict[int, str] = {}
    async with running(port) as client:

        async def say(count: int) -> None:
            for _ in range(count):
                body = {"body": f"message {len(sent)}", "nonce": f"n{len(sent)}"}
                answer = await client.request("POST", f"/feeds/{client.feed_id}/messages", body)
                sent[answer["msg_id"]] = body["body"]

        async with chat_server(tmp_path, port=port) as chat:
            await client.sign_in("original")
            client.feed_id = (await client.request("POST", "/feeds", {"name": "general", "type": "text"}))["feed_id"]
            reading = asyncio.create_task(client.run())
            await client.until(lambda: client.identified == 1)
            for cut in range(1, 13):
                await say(chance.randrange(3))
                assert client.socket is not None
                client.socket.transport.abort()
                await say(chance.randrange(5))
                await client.until(lambda cut=cut: client.resumed == cut)
            await client.until(lambda: client.messages == sent)
            assert client.identified == 1
            chat.terminate()
            await chat.ended()
        async with chat_server(tmp_path, port=port) as chat:
            await say(20)
            await client.until(lambda: client.messages == sent and client.identified == 2)
            chat.kill()
            await chat.ended()
        async with chat_server(tmp_path, port=port):
            await say(20)
            await client.until(lambda: client.messages == sent and client.identified == 3)
            assert not reading.done()
            reading.cancel()
            await asyncio.wait({reading})
    assert client.repeated == []
    assert {4008, 4009} <= set(client.codes)
    assert list(sent) == sorted(sent)


async def test_a_limit_is_waited_for_as_the_answer_says(tmp_path: Path) -> None:
    port = free_port()
    async with chat_server(tmp_path, port=port, environment={"VOX_RATE_LIMIT_SCALE": "1"}), running(port) as client:
        await client.sign_in("original")
        client.feed_id = (await client.request("POST", "/feeds", {"name": "general", "type": "text"}))["feed_id"]
        for number in range(52):
            await client.request("POST", f"/feeds/{client.feed_id}/messages", {"body": f"message {number}"})
        assert client.waited_ms
        assert all(0 < waited <= 1000 for waited in client.waited_ms)
        page = await client.request("GET", f"/feeds/{client.feed_id}/messages", limit=100)
    assert [message["body"] for message in page["messages"]] == [f"message {number}" for number in reversed(range(52))]


@contextlib.asynccontextmanager
async def running(port: int) -> AsyncGenerator[OriginalClient, None]:
    """A client of the server on that port."""
    client = OriginalClient(port)
    async with client.http:
        yield client
