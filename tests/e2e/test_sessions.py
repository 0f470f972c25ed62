"""Sessions from outside: several instances behind a real nginx with a real Redis, which dies and comes back."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.nginx_proxy import nginx_in_front_of
from tests.e2e.redis_server import redis_server
from tests.e2e.ws_client import connected, upgrade_status
from tests.time_limits import WAIT_S, time_limit

GREETS = {**FAKES, "transport": "both", "greeting": "Good day {{guest}}."}


@asynccontextmanager
async def instances(folder: Path, redis_url: str, count: int = 2) -> AsyncGenerator[list[RunningAgent]]:
    """Agent servers that share a Redis."""
    async with AsyncExitStack() as stack:
        running: list[RunningAgent] = []
        for number in range(count):
            own = folder / str(number)
            own.mkdir()
            environment = {"VOXRAY_SESSION_STORE": "redis", "VOXRAY_REDIS_URL": redis_url}
            running.append(await stack.enter_async_context(agent_server(own, GREETS, **environment)))
        yield running


@asynccontextmanager
async def behind_nginx(folder: Path) -> AsyncGenerator[tuple[list[RunningAgent], int]]:
    """Two of them, and the port of the nginx that balances over them."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(redis_server())
        running = await stack.enter_async_context(instances(folder, redis.url))
        port = await stack.enter_async_context(nginx_in_front_of(folder, [one.port for one in running]))
        yield running, port


@asynccontextmanager
async def asking(port: int) -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S) as http:
        yield http


async def start(http: httpx2.AsyncClient, guest: str, **headers: str) -> dict[str, Any]:
    """A session for this guest."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await http.post("/start", json={"transport": "webrtc", "body": {"guest": guest}}, headers=given)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def greeting(port: int, session_id: str) -> str:
    """What the agent says first to a client with this session."""
    async with connected(f"ws://127.0.0.1:{port}/ws?session={session_id}") as client:
        return (await client.frame("AggregatedTextFrame"))["text"]


async def test_two_instances_behind_nginx_share_sessions_and_idempotency_keys(tmp_path: Path):
    async with behind_nginx(tmp_path) as (running, port), asking(port) as http:
        for number in range(3):  # nginx gives the offer to the other instance than `/start`
            made = await start(http, f"guest {number}")
            assert await greeting(port, made["sessionId"]) == f"Good day guest {number}."
        answers = [await start(http, "Ann", Idempotency_Key="order-1") for _ in range(3)]
        assert {answer["sessionId"] for answer in answers} == {answers[0]["sessionId"]}
        for one in running:
            assert 'http_requests_total{method="POST",route="start",status="2xx"}' in await metrics(one)


async def test_the_instance_that_answered_start_is_not_needed_any_more(tmp_path: Path):
    async with behind_nginx(tmp_path) as (running, port), asking(running[0].port) as http:
        session_id = (await start(http, "Ann"))["sessionId"]
        running[0].process.kill()
        await running[0].process.wait()
        for _ in range(2):
            assert await greeting(port, session_id) == "Good day Ann."


async def test_redis_gone_is_said_by_name_calls_go_on_and_everything_recovers(tmp_path: Path):
    with redis_server() as redis:
        redis.kill()
        async with instances(tmp_path, redis.url, 1) as (one,), asking(one.port) as http:
            assert (await http.get("/ready")).status_code == 503  # it comes up later than this
            redis.start()
            assert (await http.get("/ready")).status_code == 200
            async with connected(one.ws) as call:
                await call.frame("AggregatedTextFrame")
                redis.kill()
                ready = await http.get("/ready")
                assert ready.status_code == 503
                assert [each["field"] for each in ready.json()["error"]["details"]] == ["redis"]
                assert (await http.get("/health")).status_code == 200
                refused = await http.post("/start", json={})
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                assert await upgrade_status(f"{one.ws}?session=00000000-0000-4000-8000-000000000000") == 503
                call.send('{"type": "TextFrame", "data": {"text": "still there?"}}')
                await until(lambda: len(call.frames("AggregatedTextFrame")) > 1)
                async with connected(one.ws) as another:
                    await another.frame("AggregatedTextFrame")
                redis.start()
                assert (await http.get("/ready")).status_code == 200
                assert await greeting(one.port, (await start(http, "Ann"))["sessionId"]) == "Good day Ann."
                assert call.closing is None
            assert 'vox_agent_sessions_refused_total{reason="store"} 2' in await metrics(one)


async def test_a_redis_that_hangs_costs_a_deadline_and_nothing_else(tmp_path: Path):
    with redis_server() as redis:
        async with instances(tmp_path, redis.url, 1) as (one,), asking(one.port) as http:
            await start(http, "Ann")
            assert redis.process is not None
            redis.process.send_signal(signal.SIGSTOP)
            try:
                waiting = asyncio.create_task(http.post("/start", json={}))
                async with connected(one.ws) as call:
                    await call.frame("AggregatedTextFrame")
                assert not waiting.done()
                async with time_limit():
                    assert (await waiting).status_code == 503
                assert (await http.get("/ready")).status_code == 503
            finally:
                redis.process.send_signal(signal.SIGCONT)
            await start(http, "Ann")


async def test_a_wrong_store_ends_the_start_with_the_remedy_and_without_the_password(tmp_path: Path):
    log, config = tmp_path / "agent.log", {"session_store": "redis", "redis_url": "redis://:p@ss/word@h:6379/0"}
    with pytest.raises(AssertionError):
        async with agent_server(tmp_path, {**FAKES, **config}):
            pass
    assert "redis_url is not the address of a Redis" in log.read_text()
    assert "redis://HOST:6379/0" in log.read_text()
    assert "ss/word" not in log.read_text()


async def metrics(one: RunningAgent) -> str:
    async with asking(one.port) as http:
        return (await http.get("/metrics")).text
