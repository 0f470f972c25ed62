"""`vox chat --workers N` as a tree of real processes: one dies, the others go on, and nobody loses anything."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.chat.harness import Gateway
from tests.e2e.agents import VOX
from tests.e2e.chats import API, QUICK, RunningChat, bearer, chat_server, gateway, register
from tests.e2e.redis_server import RunningRedis, redis_server
from tests.processes import children_of, is_running
from tests.time_limits import WAIT_S, time_limit
from vox.errors import VoxError

CHECKPOINT_S = 1.5


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@dataclass(slots=True)
class Tree:
    """A supervisor and what it started."""

    chat: RunningChat

    @property
    def children(self) -> list[int]:
        return children_of(self.chat.process.pid)

    def busy_child(self) -> int:
        """A child that serves a connection at present."""
        established = {
            fields[9]
            for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
            if fields[1].endswith(f":{self.chat.port:04X}") and fields[3] == "01"
        }
        for pid in self.children:
            for one in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if one.readlink().name.removeprefix("socket:[").removesuffix("]") in established:
                        return pid
        raise AssertionError("nobody serves anything")

    async def register(self, name: str) -> dict[str, Any]:
        async with self.http() as http:
            return await register(http, name)

    def http(self) -> httpx2.AsyncClient:
        """A connection of its own: any child may get it."""
        return httpx2.AsyncClient(base_url=self.chat.http, timeout=WAIT_S)


@pytest.fixture
async def tree(redis: RunningRedis, tmp_path: Path) -> AsyncIterator[Tree]:
    redis.flush()
    environment = {"VOX_REDIS_URL": redis.url, "VOX_DRAIN_TIMEOUT_S": "1", "VOX_CONNECTIONS_PER_ADDRESS": "200"}
    async with chat_server(tmp_path, "--workers", "2", environment=environment) as chat:
        one = Tree(chat)
        await until_workers(one, 2)
        yield one


async def until_workers(tree: Tree, count: int) -> None:
    """So many children have begun to answer, over the life of the tree."""
    async with time_limit():
        while tree.chat.log.read_text().count("chat ready") < count:  # noqa: ASYNC110  a log file tells nobody
            await asyncio.sleep(0.05)


async def say(tree: Tree, account: dict[str, Any], feed_id: int, body: str) -> None:
    async with tree.http() as http:
        for _ in range(50):
            with contextlib.suppress(httpx2.TransportError):
                reply = await http.post(
                    f"{API}/feeds/{feed_id}/messages", json={"body": body, "nonce": body}, headers=bearer(account)
                )
                assert reply.status_code in {200, 201}, reply.text
                return
            await asyncio.sleep(0.02)
    raise AssertionError("nobody answers")


async def frames_until(session: Gateway, kind: str, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        frame = await session.next()
        found.append(frame)
        if frame["type"] == kind and all(frame["d"].get(name) == value for name, value in fields.items()):
            return found


def bodies(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["d"]["body"] for frame in frames if frame["type"] == "message_create"]


async def test_clients_of_a_killed_process_go_on_in_another_without_loss(tree: Tree):
    alice = await tree.register("alice")
    async with tree.http() as http:
        feed = await http.post(f"{API}/feeds", json={"name": "general", "type": "text"}, headers=bearer(alice))
        feed_id = feed.json()["feed_id"]
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(gateway(tree.chat.gateway, alice["token"])) for _ in range(5)]
        await say(tree, alice, feed_id, "before")
        for session in sessions:
            await frames_until(session, "message_create", body="before")
        await asyncio.sleep(CHECKPOINT_S)
        victim = tree.busy_child()
        os.kill(victim, signal.SIGKILL)
        sent = [f"gap {number}" for number in range(20)]
        for body in sent:
            await say(tree, alice, feed_id, body)
        moved = 0
        for session in sessions:
            before = session.last_seq
            if session.close_code is None and not await died(session):
                assert bodies(await frames_until(session, "message_create", body=sent[-1])) == sent
                continue
            moved += 1
            again = await stack.enter_async_context(gateway(tree.chat.gateway))
            await again.expect("hello")
            asked = {"token": alice["token"], "session_id": session.ready["session_id"], "last_seq": before}
            await again.send("resume", asked)
            frames = await frames_until(again, "resumed")
            if bodies(frames) != sent:  # the rest is on its way
                frames += await frames_until(again, "message_create", body=sent[-1])
            assert bodies(frames) == sent
            numbered = [frame["seq"] for frame in frames if "seq" in frame]
            assert numbered == list(range(before + 1, before + 1 + len(numbered)))
        assert moved, "the killed process served somebody"
    await until_workers(tree, 3)
    assert len(tree.children) == 2
    assert victim not in tree.children


async def died(session: Gateway) -> bool:
    """Whether the connection breaks now; a living one has something to say."""
    first = await session.inbox.get()
    if first is None:
        return True
    # Put back in front, for whoever reads on.
    rest = [first]
    while not session.inbox.empty():
        rest.append(session.inbox.get_nowait())  # type: ignore[arg-type]
    for frame in rest:
        session.inbox.put_nowait(frame)
    return False


@dataclass(slots=True)
class Listener:
    """A client that comes back whenever its connection ends, and writes down what it was told."""

    tree: Tree
    account: dict[str, Any]
    stretches: list[list[int]] = field(default_factory=lambda: [[]])
    """The numbers it heard; a new stretch begins where it was told that its session is over."""
    resumed: int = 0

    async def listen(self) -> None:
        session_id, last_seq = "", 0
        session: Gateway | None = None
        while True:
            async with contextlib.AsyncExitStack() as stack:
                try:
                    session = await stack.enter_async_context(gateway(self.tree.chat.gateway))
                    await session.expect("hello")
                    if session_id:
                        known = {"session_id": session_id, "last_seq": last_seq}
                        await session.send("resume", {"token": self.account["token"], **known})
                    else:
                        await session.send("identify", {"token": self.account["token"]})
                    while (frame := await session.inbox.get()) is not None:
                        if frame["type"] == "ready":
                            session_id, last_seq = frame["d"]["session_id"], 0
                        self.resumed += frame["type"] == "resumed"
                        if "seq" in frame:
                            assert frame["seq"] == last_seq + 1, "a number is missing or repeated"
                            last_seq = frame["seq"]
                        if frame["type"] == "message_create":
                            self.stretches[-1].append(int(frame["d"]["body"]))
                except (AssertionError, OSError, VoxError) as error:
                    if "missing or repeated" in str(error):
                        raise
                if session is not None and session.close_code in {4009, 4010}:
                    session_id = ""
                    self.stretches.append([])
            await asyncio.sleep(0.05)


async def test_nothing_is_lost_or_repeated_while_processes_end_and_are_killed_under_load(tree: Tree):
    """Numbers are said without pause. One child is told to end, then one is killed, then one is told to end again."""
    alice = await tree.register("alice")
    async with tree.http() as http:
        feed = await http.post(f"{API}/feeds", json={"name": "general", "type": "text"}, headers=bearer(alice))
        feed_id = feed.json()["feed_id"]
    listeners = [Listener(tree, alice) for _ in range(4)]
    listening = [asyncio.create_task(one.listen()) for one in listeners]
    said = 0
    for number, how in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
        for _ in range(25):
            await say(tree, alice, feed_id, str(said))
            said += 1
        os.kill(tree.busy_child(), how)
        for _ in range(25):
            await say(tree, alice, feed_id, str(said))
            said += 1
        await until_workers(tree, 3 + number)
    async with time_limit():
        while any(not one.stretches[-1] or one.stretches[-1][-1] != said - 1 for one in listeners):
            for task in listening:
                if task.done():
                    task.result()
            await say(tree, alice, feed_id, str(said))
            said += 1
            await asyncio.sleep(0.2)
    for task in listening:
        task.cancel()
    await asyncio.wait(listening)
    for one in listeners:
        for stretch in one.stretches:
            first = stretch[0] if stretch else 0
            assert stretch == list(range(first, first + len(stretch)))
        assert len(one.stretches) <= 2, "only the kill may end a session"
    assert sum(one.resumed for one in listeners) >= 2


async def test_sigterm_drains_all_and_ends_with_0(tree: Tree):
    alice = await tree.register("alice")
    children = tree.children
    async with gateway(tree.chat.gateway, alice["token"]) as one, gateway(tree.chat.gateway, alice["token"]) as two:
        tree.chat.terminate()
        assert {await one.closed(), await two.closed()} == {4008}
    assert await tree.chat.ended() == 0
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


async def test_children_end_with_their_supervisor(tree: Tree):
    children = tree.children
    assert len(children) == 2
    tree.chat.kill()
    async with time_limit():
        while any(is_running(child) for child in children):  # noqa: ASYNC110  processes of somebody else
            await asyncio.sleep(0.1)


async def test_several_workers_without_redis_are_refused(tmp_path: Path):
    given = {name: value for name, value in os.environ.items() if not name.startswith("VOX_")}
    process = await asyncio.create_subprocess_exec(
        str(VOX), "chat", "--workers", "2", "--port", "0", cwd=tmp_path, env={**given, **QUICK},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 2
    assert b"need Redis" in said
    assert b"Traceback" not in said


async def test_a_redis_that_is_not_there_is_named(tmp_path: Path):
    given = {name: value for name, value in os.environ.items() if not name.startswith("VOX_")}
    process = await asyncio.create_subprocess_exec(
        str(VOX), "chat", "--port", "0", "--redis-url", "redis://127.0.0.1:1/0", cwd=tmp_path, env={**given, **QUICK},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode not in {0, None}
    assert b"Redis" in said
    assert b"Traceback" not in said
