"""The process dies at any moment: what was acknowledged is there afterwards, and no id is given twice."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from tests.e2e.chats import API, bearer, chat_server, register
from tests.e2e.postgres import postgres
from tests.time_limits import WAIT_S

WRITERS = 16
ENOUGH = 400
ROUNDS = 3


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url.replace("postgresql://", "postgresql+asyncpg://")


async def write_until_killed(
    http: httpx2.AsyncClient, feed: int, kept: dict[int, str], enough: asyncio.Event, tag: str
) -> None:
    with contextlib.suppress(httpx2.TransportError):
        for number in range(100_000):
            body = f"{tag} {number}"
            reply = await http.post(f"{API}/feeds/{feed}/messages", json={"body": body})
            assert reply.status_code == 201, reply.text
            msg_id = reply.json()["msg_id"]
            assert msg_id not in kept, "an id was given twice"
            kept[msg_id] = body
            if len(kept) >= ENOUGH:
                enough.set()


async def everything(http: httpx2.AsyncClient, feed: int) -> dict[int, str]:
    """The whole history, read backwards as a client does."""
    found: dict[int, str] = {}
    query = {"limit": "100"}
    while page := (await http.get(f"{API}/feeds/{feed}/messages", params=query)).json()["messages"]:
        found |= {message["msg_id"]: message["body"] for message in page}
        query["before"] = str(min(found))
    return found


async def check(folder: Path, environment: Mapping[str, str]) -> None:
    kept: dict[int, str] = {}
    account, feed = {}, 0
    for round_number in range(ROUNDS):
        async with (
            chat_server(folder, environment=environment) as chat,
            httpx2.AsyncClient(base_url=chat.http, timeout=WAIT_S) as http,
        ):
            account = account or await register(http, "alice")
            http.headers.update(bearer(account))
            feed = feed or (await http.post(f"{API}/feeds", json={"name": "general", "type": "text"})).json()["feed_id"]
            before = await everything(http, feed)
            assert kept.items() <= before.items()
            acknowledged, enough = dict[int, str](), asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for writer in range(WRITERS):
                    tag = f"{round_number}.{writer}"
                    group.create_task(write_until_killed(http, feed, acknowledged, enough, tag))
                await enough.wait()
                chat.kill()
            assert acknowledged.keys().isdisjoint(before)
            kept |= acknowledged
            await chat.ended()
    async with (
        chat_server(folder, environment=environment) as chat,
        httpx2.AsyncClient(base_url=chat.http, timeout=WAIT_S) as http,
    ):
        http.headers.update(bearer(account))
        after = await everything(http, feed)
        assert kept.items() <= after.items()
        bodies = [body for body in after.values() if body]
        assert len(set(bodies)) == len(bodies)


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
async def test_a_killed_server_on_sqlite_loses_nothing_it_acknowledged(tmp_path: Path, synchronous: str):
    await check(tmp_path, {"VOX_SQLITE_SYNCHRONOUS": synchronous})


async def test_a_killed_server_on_postgresql_loses_nothing_it_acknowledged(tmp_path: Path, postgres_url: str):
    await check(tmp_path, {"VOX_DATABASE_URL": postgres_url})
