"""What every session store and every idempotency store promises, in memory and in a real Redis over each kind of address."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.certificates import certificate
from tests.e2e.redis_server import RunningRedis, redis_server
from tests.fakes.clock import FakeClock
from tests.free_ports import free_port
from tests.time_limits import time_limit
from vox.agent.config.settings import AgentSettings
from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.idempotency import Recorded
from vox.agent.sessions.redis import IDEMPOTENCY_PREFIX, SESSION_PREFIX
from vox.agent.sessions.stores import SessionStores, make_stores
from vox.cli.doctor import check_session_store
from vox.errors import DependencyError, UsageError
from vox.runtime.metrics import Metrics

FULL = StoredSession({"agent": "kitchen", "guest": {"name": "Zoë", "party": 4}}, enable_default_ice_servers=True)
PASSWORD = "p@ss/w#rd"


@dataclass(frozen=True, slots=True)
class Addresses:
    """One Redis, and the URLs under which it is reached."""

    server: RunningRedis
    urls: dict[str, str]


@pytest.fixture(scope="module")
def addresses() -> Iterator[Addresses]:
    folder = Path(tempfile.mkdtemp(prefix="voxkeys"))
    pair, unix = certificate(folder), folder / "redis.sock"
    tls_port = free_port()
    options = (
        "--unixsocket", str(unix), "--tls-port", str(tls_port), "--tls-cert-file", str(pair.cert),
        "--tls-key-file", str(pair.key), "--tls-auth-clients", "no",
        "--user", "vox", "on", f">{PASSWORD}", "~voxray:*", "+@all",
    )  # fmt: skip
    try:
        with redis_server(*options) as server:
            urls = {
                "redis": server.url,
                "user": f"redis://vox:p%40ss%2Fw%23rd@127.0.0.1:{server.port}/0",
                "rediss": f"rediss://localhost:{tls_port}/0?ssl_ca_certs={pair.cert}",
                "unix": f"unix://{unix}?db=0",
            }
            yield Addresses(server, urls)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def configured(**config: Any) -> SessionStores:
    return make_stores(AgentSettings.model_validate(config), FakeClock(), Metrics())


@pytest.fixture(params=["memory", "redis", "user", "rediss", "unix"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[SessionStores]:
    """The stores of a configuration, of every kind."""
    if request.param == "memory":
        made = configured()
    else:
        found: Addresses = request.getfixturevalue("addresses")
        found.server.flush()
        made = configured(session_store="redis", redis_url=found.urls[request.param])
    await made.sessions.open()
    yield made
    await made.sessions.close()
    await made.sessions.close()


async def test_a_session_is_read_as_it_was_put_as_often_as_it_is_asked_for(stores: SessionStores):
    await stores.sessions.put("one", FULL)
    await stores.sessions.put("two", StoredSession())
    for _ in range(2):
        assert await stores.sessions.get("one") == FULL
        assert await stores.sessions.get("two") == StoredSession()
    assert await stores.sessions.get("three") is None
    await stores.sessions.check()


async def test_a_session_that_is_put_again_is_the_new_one(stores: SessionStores):
    await stores.sessions.put("one", FULL)
    await stores.sessions.put("one", StoredSession({"new": True}))
    assert await stores.sessions.get("one") == StoredSession({"new": True})


async def test_many_at_once_do_not_mix(stores: SessionStores):
    async with time_limit():
        await asyncio.gather(*(stores.sessions.put(str(n), StoredSession({"n": n})) for n in range(200)))
        found = await asyncio.gather(*(stores.sessions.get(str(n)) for n in range(200)))
    assert found == [StoredSession({"n": n}) for n in range(200)]


async def test_a_key_belongs_to_the_first_request_until_it_is_answered(stores: SessionStores):
    keys = stores.idempotency
    assert await keys.begin("k", "body") is None
    assert await keys.begin("k", "body") == Recorded("body")
    await keys.finish("k", "body", b'{"sessionId": "1"}')
    assert await keys.begin("k", "body") == Recorded("body", b'{"sessionId": "1"}')
    assert await keys.begin("k", "another") == Recorded("body", b'{"sessionId": "1"}')
    assert await keys.begin("other", "body") is None


async def test_a_key_whose_request_failed_can_be_used_again(stores: SessionStores):
    assert await stores.idempotency.begin("k", "body") is None
    await stores.idempotency.abandon("k")
    assert await stores.idempotency.begin("k", "another") is None


async def test_one_of_many_requests_at_once_gets_the_key(stores: SessionStores):
    found = await asyncio.gather(*(stores.idempotency.begin("k", "body") for _ in range(20)))
    assert found.count(None) == 1


async def test_a_memory_session_expires_and_reading_does_not_prolong_it():
    clock = FakeClock()
    store = make_stores(AgentSettings(session_ttl_secs=60), clock, Metrics()).sessions
    await store.put("one", FULL)
    clock.advance(59)
    assert await store.get("one") == FULL
    clock.advance(1)
    assert await store.get("one") is None


async def test_redis_has_the_documented_keys_and_times(addresses: Addresses):
    client = configured(session_store="redis", redis_url=addresses.urls["redis"], session_ttl_secs=90)
    await client.sessions.put("one", FULL)
    name, raw = SESSION_PREFIX + "one", raw_client(client)
    assert name == "voxray:session:one"
    assert (await raw.get(name)).decode() == (
        '{"Body":{"agent":"kitchen","guest":{"name":"Zoë","party":4}},"EnableDefaultIceServers":true}'
    )
    assert 85 < await raw.ttl(name) <= 90
    await raw.expire(name, 40)
    await client.sessions.get("one")
    assert await raw.ttl(name) <= 40
    await client.idempotency.begin("of its own", "body")
    assert 0 < await raw.ttl(IDEMPOTENCY_PREFIX + "of its own") <= 60
    await client.idempotency.finish("of its own", "body", b"{}")
    assert 86_000 < await raw.ttl(IDEMPOTENCY_PREFIX + "of its own") <= 86_400
    await client.sessions.close()


async def test_a_session_of_another_server_of_this_api_is_read(addresses: Addresses):
    client = configured(session_store="redis", redis_url=addresses.urls["redis"])
    await raw_client(client).set(SESSION_PREFIX + "x", '{"Body":{"a":1},"EnableDefaultIceServers":true}')
    assert await client.sessions.get("x") == StoredSession({"a": 1}, enable_default_ice_servers=True)
    await raw_client(client).set(SESSION_PREFIX + "y", "something else")
    with pytest.raises(DependencyError) as failed:
        await client.sessions.get("y")
    assert failed.value.code == "session_unreadable"
    await client.sessions.close()


async def test_redis_away_is_an_error_that_says_to_try_again_and_back_it_works_again():
    with redis_server() as redis:
        client = configured(session_store="redis", redis_url=redis.url)
        await client.sessions.put("one", FULL)
        redis.kill()
        for work in (
            client.sessions.get("one"), client.sessions.put("one", FULL), client.sessions.check(),
            client.idempotency.begin("k", "body"),
        ):  # fmt: skip
            with pytest.raises(DependencyError) as failed:
                await work
            assert (failed.value.code, failed.value.retryable) == ("redis_failed", True)
        redis.start()
        await client.sessions.check()
        assert await client.sessions.get("one") is None
        await client.sessions.put("one", FULL)
        assert await client.sessions.get("one") == FULL
        await client.sessions.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis.example:6379",
        "http://h:6379",
        "redis://h:port/0",
        f"redis://:{PASSWORD}@h:6379/0",
        "redis://h:6379/one",
        "unix://",
        "redis://h:6379/0?db=x",
    ],
)
def test_a_url_that_is_none_is_refused_with_the_key_and_the_remedy_and_without_its_password(url: str):
    with pytest.raises(UsageError) as refused:
        configured(session_store="redis", redis_url=url)
    message = str(refused.value)
    assert message.startswith("redis_url ")
    assert "redis://HOST:6379/0" in message
    assert "w#rd" not in message
    assert refused.value.__cause__ is None


def test_doctor_says_whether_redis_answers():
    with redis_server() as redis:
        settings = AgentSettings.model_validate({"session_store": "redis", "redis_url": redis.url})
        assert check_session_store(settings).status == "ok"
        redis.kill()
        found = check_session_store(settings)
        assert (found.status, "redis_url" in found.remedy) == ("warn", True)
    wrong = AgentSettings.model_validate({"session_store": "redis", "redis_url": "redis.example:6379"})
    assert check_session_store(wrong).status == "fail"


def raw_client(stores: SessionStores) -> Any:
    return vars(stores.sessions)["_client"]
