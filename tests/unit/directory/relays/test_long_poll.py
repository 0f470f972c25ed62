"""Lists that answer once they are other ones, on virtual time (virtual_loop)."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.unit.directory.harness import LONDON, SYDNEY, Rig, rig
from vox.directory.relays import long_poll


async def poll(it: Rig, query: str, path: str = "/v1/relays") -> httpx2.Response:
    return await it.http.get(f"{path}?{query}", timeout=120)


def index_of(answer: httpx2.Response) -> str:
    return answer.headers["vox-directory-index"]


def names(answer: httpx2.Response) -> list[str]:
    return [one["name"] for one in answer.json()["relays"]]


async def waited_s(waiting: "asyncio.Task[httpx2.Response]") -> tuple[float, httpx2.Response]:
    began = asyncio.get_running_loop().time()
    answer = await waiting
    return asyncio.get_running_loop().time() - began, answer


@pytest.fixture
async def it(tmp_path, virtual_clock):
    async with rig(tmp_path, clock=virtual_clock) as made:
        yield made


async def until_waiting(it: Rig, count: int) -> None:
    async with asyncio.timeout(1):
        while it.directory.long_poll.waiting != count:  # noqa: ASYNC110  nothing else says that it arrived
            await asyncio.sleep(0.001)


async def test_without_an_index_the_answer_comes_at_once_and_says_where_it_stands(it: Rig):
    await it.register(SYDNEY)
    async with asyncio.timeout(1):
        first = await poll(it, "wait=30s")
        other = await poll(it, f"wait=30s&index={int(index_of(first)) - 1}")
    assert (names(first), names(other)) == (["Sydney"], ["Sydney"])
    assert first.headers["cache-control"] == "no-store"
    assert "vox-directory-index" not in (await it.http.get("/v1/relays")).headers


async def test_a_new_relay_ends_the_wait_and_load_does_not(it: Rig):
    relay = await it.register(SYDNEY)
    index = index_of(await poll(it, "wait=0s"))
    waiting = asyncio.create_task(poll(it, f"wait=30s&index={index}&lat=0&lon=0"))
    await until_waiting(it, 1)
    await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json={"current_connections": 7})
    await asyncio.sleep(5)
    assert not waiting.done()
    await it.register(LONDON)
    late_s, answer = await waited_s(waiting)
    assert late_s <= long_poll.SPREAD_S
    assert names(answer) == ["London", "Sydney"]
    assert int(index_of(answer)) == int(index) + 1
    assert it.directory.long_poll.waiting == 0


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"latitude": 1.0}, {"capacity": 7}, {"public_key": "b3RoZXI="}, {"region": "au"}]
)
async def test_what_a_relay_says_of_itself_ends_the_wait(it: Rig, change: dict[str, Any]):
    await it.register(SYDNEY)
    index = index_of(await poll(it, "wait=0s"))
    await it.register(SYDNEY)
    assert index_of(await poll(it, "wait=0s")) == index
    await it.register({**SYDNEY, **change})
    assert index_of(await poll(it, "wait=0s")) != index


async def test_a_relay_that_leaves_the_list_ends_the_wait(it: Rig):
    relay = await it.register(SYDNEY)
    index = index_of(await poll(it, "wait=0s"))
    waiting = asyncio.create_task(poll(it, f"wait=30s&index={index}"))
    await until_waiting(it, 1)
    await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json={"current_connections": 1000})
    late_s, answer = await waited_s(waiting)
    assert (late_s <= long_poll.SPREAD_S, names(answer)) == (True, [])


async def test_a_wait_has_an_end(it: Rig):
    index = index_of(await poll(it, "wait=0s"))
    late_s, answer = await waited_s(asyncio.create_task(poll(it, f"wait=30s&index={index}")))
    assert late_s == pytest.approx(30, abs=0.1)
    assert (answer.status_code, index_of(answer)) == (200, index)


async def test_the_end_of_the_directory_ends_all_waits(it: Rig):
    index = index_of(await poll(it, "wait=0s"))
    waiting = [asyncio.create_task(poll(it, f"wait=60s&index={index}")) for _ in range(3)]
    await until_waiting(it, 3)
    it.directory.lifecycle.drain()
    async with asyncio.timeout(0.5):
        assert [(await one).status_code for one in waiting] == [200] * 3
        assert (await poll(it, f"wait=60s&index={index}")).status_code == 200


@pytest.mark.parametrize("bound", ["MAX_PER_ADDRESS", "MAX_WAITING"])
async def test_there_is_an_end_to_how_many_wait(it: Rig, monkeypatch, bound: str):
    monkeypatch.setattr(long_poll, bound, 1)
    index = index_of(await poll(it, "wait=0s"))
    waiting = asyncio.create_task(poll(it, f"wait=30s&index={index}"))
    await until_waiting(it, 1)
    refused = await poll(it, f"wait=30s&index={index}")
    assert (refused.status_code, refused.json()["code"]) == (503, "TOO_MANY_LISTENERS")
    assert refused.headers["retry-after"] == "30"
    assert (await poll(it, "limit=3")).status_code == 200
    await waiting
    assert (await poll(it, f"wait=1s&index={index}")).status_code == 200


async def test_whoever_leaves_makes_room(it: Rig):
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    wait = it.directory.long_poll
    waiting = asyncio.create_task(wait.beyond(wait.index, 60.0, "203.0.113.1", receive))
    await until_waiting(it, 1)
    left.set()
    async with asyncio.timeout(0.5):
        await waiting
    assert wait.waiting == 0


@pytest.mark.parametrize("query", ["wait=30", "wait=61s", "wait=-1s", "wait=", "wait=1s&index=-1", "wait=1s&lat=1"])
async def test_a_wrong_wait_is_refused_at_once(it: Rig, query: str):
    index = "" if "index" in query else f"&index={it.directory.long_poll.index}"
    async with asyncio.timeout(0.5):
        answer = await poll(it, query + index)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_the_signed_list_waits_until_a_new_one_is_made(it: Rig):
    await it.register(SYDNEY)
    first = await poll(it, "wait=30s", "/v1/directory")
    waiting = asyncio.create_task(poll(it, f"wait=30s&index={index_of(first)}", "/v1/directory"))
    await until_waiting(it, 1)
    await it.register(LONDON)
    late_s, answer = await waited_s(waiting)
    assert late_s <= 6.0
    assert (str(LONDON["url"]) in first.text, str(LONDON["url"]) in answer.text) == (False, True)
    assert int(index_of(answer)) == int(index_of(first)) + 1


@pytest.mark.parametrize("path", ["/v1/relays", "/v1/directory"])
async def test_addresses_of_one_ipv6_network_share_their_places(it: Rig, monkeypatch, path: str):
    monkeypatch.setattr(long_poll, "MAX_PER_ADDRESS", 1)

    async def ask(peer: str) -> int:
        it.http._transport.client = (peer, 1)  # type: ignore[attr-defined]
        return (await poll(it, f"wait=30s&index={index}", path)).status_code

    await it.register(SYDNEY)
    index = index_of(await poll(it, "wait=0s", path))
    waiting = asyncio.create_task(ask("2001:db8::1"))
    await until_waiting(it, 1)
    assert await ask("2001:db8::2") == 503
    assert await ask("2001:db8:0:1::1") == 200
    assert await waiting == 200
