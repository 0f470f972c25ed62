"""`POST /start` where it makes a session."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from tests.unit.agent.api.asgi import Answered, Site
from vox.agent.sessions.contract import StoredSession
from vox.errors import DependencyError

ORIGIN = "https://app.example.com"
STUN = {"iceServers": [{"urls": ["stun:stun.l.google.com:19302"]}]}


def site(transport: str = "both", **config: Any) -> Site:
    return Site(transport=transport, **config)


async def start(at: Site, fields: Any, *, path: str = "/start", **headers: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await at.request("POST", path, headers=given, body=b"" if fields is None else json.dumps(fields).encode())


class Broken:
    """A store whose engine is away."""

    async def put(self, session_id: str, session: StoredSession) -> None:
        raise DependencyError("Redis failed: secret details", code="redis_failed", retryable=True)

    async def get(self, session_id: str) -> StoredSession | None:
        raise DependencyError("Redis failed: secret details", code="redis_failed", retryable=True)


# The answer


async def test_a_session_is_made_and_its_id_stands_where_each_kind_of_client_reads_it():
    one = site()
    answer = await start(one, {"body": {"name": "Ann"}})
    session_id = answer.json["sessionId"]
    assert answer.status == 201
    assert answer.json == {"data": {"sessionId": session_id}, "sessionId": session_id}
    assert UUID(session_id).version == 4
    assert answer.body[-1:] == b"}"
    assert await one.server.session_store.get(session_id) == StoredSession({"name": "Ann"})


async def test_ice_servers_are_listed_where_they_are_asked_for():
    one = site()
    answer = await start(one, {"enableDefaultIceServers": True})
    session_id = answer.json["sessionId"]
    assert answer.json == {
        "data": {"sessionId": session_id, "iceConfig": STUN}, "sessionId": session_id, "iceConfig": STUN,
    }  # fmt: skip
    assert await one.server.session_store.get(session_id) == StoredSession(None, enable_default_ice_servers=True)
    assert "iceConfig" not in (await start(one, {"enableDefaultIceServers": False})).json


async def test_configured_ice_servers_take_their_place():
    turn = {"urls": ["turn:t.example"], "username": "u", "credential": "c"}
    answer = await start(site(webrtc_ice_servers=["stun:s.example", turn]), {"enableDefaultIceServers": True})
    assert answer.json["iceConfig"] == {"iceServers": [{"urls": ["stun:s.example"]}, turn]}


@pytest.mark.parametrize(
    ("transport", "fields", "path", "status"),
    [
        ("both", {"transport": "webrtc"}, "/start", 201),
        ("both", {}, "/start", 201),
        ("both", None, "/start", 200),
        ("both", {"agent": "bar"}, "/start", 200),
        ("both", {"transport": "websocket", "body": {}}, "/start", 200),
        ("both", None, "/api/v1/start", 201),
        ("both", {"transport": "webrtc"}, "/connect", 200),
        ("smallwebrtc", None, "/start", 201),
        ("smallwebrtc", {"transport": "websocket"}, "/start", 200),
        ("websocket", {}, "/start", 200),
        ("websocket", {"enableDefaultIceServers": True}, "/start", 200),
        ("websocket", {"transport": "webrtc"}, "/start", 400),
        ("websocket", {}, "/api/v1/start", 404),
    ],
)
async def test_the_request_decides_and_the_setting_where_it_does_not(
    transport: str, fields: Any, path: str, status: int
):
    answer = await start(site(transport=transport, agents={"bar": {}}), fields, path=path)
    assert answer.status == status
    if status == 200:
        assert set(answer.json) == {"wsUrl"}


# What the session says


async def test_the_agent_and_the_variables_of_the_query_are_part_of_the_session():
    one = site(agents={"kitchen": {}, "bar": {}})
    answer = await start(one, {"transport": "webrtc", "body": {"guest": "Ann"}}, path="/start?agent=bar&var.table=4")
    assert await one.server.session_store.get(answer.json["sessionId"]) == StoredSession(
        {"table": "4", "guest": "Ann", "agent": "bar"}
    )
    answer = await start(one, {"transport": "webrtc", "agent": "cellar"})
    assert (answer.status, answer.json["detail"]) == (404, "no agent is named cellar")


async def test_data_for_a_websocket_call_waits_in_a_session_and_stays_out_of_the_address():
    one = site(transport="websocket")
    answer = await start(one, {"body": {"name": "Ann", "agent": ""}}, host="h")
    address, _, query = answer.json["wsUrl"].partition("?")
    assert (address, set(answer.json)) == ("ws://h/ws", {"wsUrl"})
    assert "Ann" not in query
    fields = dict(part.split("=") for part in query.split("&"))
    assert await one.server.session_store.get(fields["session"]) == StoredSession({"name": "Ann"})
    assert (await one.upgrade(f"/ws?{query}")).status == 101


async def test_a_socket_with_a_session_that_is_gone_is_refused():
    one = site(session_ttl_secs=60)
    session_id = (await start(one, {"body": {"name": "Ann"}})).json["sessionId"]
    assert (await one.upgrade(f"/ws?session={session_id}")).status == 101
    one.clock.advance(60)
    for query in (session_id, "x" * 1000, "unknown", ""):
        refused = await one.upgrade(f"/ws?session={query}")
        assert (refused.status, refused.json["error"]["code"]) == (404, "NOT_FOUND")
        assert "start a new one" in (await one.request("GET", f"/ws?session={query}")).json["error"]["message"]


# Refusals


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"body": [1]}, "body"),
        ({"createDailyRoom": "yes"}, "createDailyRoom"),
        ({"enableDefaultIceServers": 3}, "enableDefaultIceServers"),
    ],
)
async def test_a_field_of_another_type_is_named(fields: Any, field: str):
    answer = await start(site(), {"transport": "webrtc", **fields})
    assert (answer.status, answer.json["error"]["details"][0]["field"]) == (400, field)


async def test_a_body_over_the_limit_is_refused():
    one = site(max_request_body_bytes=100)
    assert (await start(one, {"body": {"name": "x" * 50}})).status == 201
    answer = await start(one, {"body": {"name": "x" * 100}})
    assert (answer.status, answer.json["error"]["code"]) == (400, "BAD_REQUEST")
    assert "100 bytes" in answer.json["detail"]


async def test_a_public_address_may_start_so_many_a_minute_and_is_told_when_to_come_back():
    one = site(max_starts_per_minute=3)
    one.client = "8.8.8.8"
    statuses = [(await start(one, {})).status for _ in range(4)]
    assert statuses == [201, 201, 201, 429]
    refused = await start(one, {})
    assert refused.json["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    one.clock.advance(int(refused.headers["retry-after"]))
    assert (await start(one, {})).status == 201
    one.client = "10.0.0.1"
    assert {(await start(one, {})).status for _ in range(20)} == {201}


async def test_a_store_that_is_away_is_an_answer_to_try_again_without_its_details():
    one = site()
    one.server.stores = type(one.server.stores)(Broken(), one.server.stores.idempotency)  # type: ignore[arg-type]
    for answer in (await start(one, {}), await start(one, None, path="/api/v1/start", Idempotency_Key="k")):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "session store" in answer.json["detail"]
        assert "secret" not in answer.text
    assert (await one.upgrade("/ws?session=x")).status == 503


async def test_a_server_that_is_closing_makes_no_sessions():
    one = site()
    one.server.lifecycle.drain()
    answer = await start(one, {})
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1


# Idempotency


async def test_a_repeated_request_gets_the_same_bytes_and_makes_one_session():
    one = site()
    first = await start(one, {"body": {"n": 1}}, Idempotency_Key="order-1")
    again = await start(one, {"body": {"n": 1}}, Idempotency_Key="order-1")
    assert (again.status, again.body) == (201, first.body)
    other = await start(one, {"body": {"n": 1}}, Idempotency_Key="order-2")
    assert other.json["sessionId"] != first.json["sessionId"]
    one.clock.advance(86_400)
    assert (await start(one, {"body": {"n": 1}}, Idempotency_Key="order-1")).body != first.body


async def test_a_key_is_not_used_for_another_request():
    one = site()
    await start(one, {"body": {"n": 1}}, Idempotency_Key="k")
    for path, fields in (("/start", {"body": {"n": 2}}), ("/start?agent=", {"body": {"n": 1}})):
        answer = await start(one, fields, path=path, Idempotency_Key="k")
        assert (answer.status, answer.json["error"]["code"]) == (422, "VALIDATION_ERROR")
        assert answer.json["error"]["details"][0]["field"] == "Idempotency-Key"


async def test_a_key_belongs_to_its_caller_and_path():
    one = site()
    first = await start(one, {}, Idempotency_Key="k")
    assert (await start(one, {}, path="/api/v1/start", Idempotency_Key="k")).body != first.body
    one.client = "10.0.0.7"
    assert (await start(one, {}, Idempotency_Key="k")).body != first.body


async def test_two_requests_at_once_with_one_key_make_one_session():
    one, is_putting, gate = site(), asyncio.Event(), asyncio.Event()
    put = one.server.session_store.put

    async def slow_put(session_id: str, session: StoredSession) -> None:
        is_putting.set()
        await gate.wait()
        await put(session_id, session)

    one.server.session_store.put = slow_put  # type: ignore[method-assign]
    first = asyncio.create_task(start(one, {}, Idempotency_Key="k"))
    await is_putting.wait()
    second = await start(one, {}, Idempotency_Key="k")
    assert (second.status, second.json["error"]["code"], second.headers["retry-after"]) == (409, "CONFLICT", "1")
    gate.set()
    answered = await first
    assert (await start(one, {}, Idempotency_Key="k")).body == answered.body


async def test_a_key_whose_request_was_refused_is_free():
    one = site()
    assert (await start(one, {"body": 1, "transport": "webrtc"}, Idempotency_Key="k")).status == 400
    assert (await start(one, {}, Idempotency_Key="k")).status == 201


async def test_repeating_an_answer_costs_nothing_of_the_address_limit():
    one = site(max_starts_per_minute=1)
    one.client = "8.8.8.8"
    statuses = [(await start(one, {}, Idempotency_Key="k")).status for _ in range(5)]
    assert statuses == [201] * 5


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "ü"])
async def test_a_key_that_is_none_is_refused(key: str):
    assert (await start(site(), {}, Idempotency_Key=key)).status == 400


# Pages of other origins


async def test_a_page_is_told_everything_also_of_refusals_and_of_what_is_not_there():
    one = site(cors_allowed_origins=[ORIGIN], server_api_key="k")
    preflight = await one.request(
        "OPTIONS", "/start", headers={"origin": ORIGIN, "access-control-request-method": "POST"}
    )
    allowed = preflight.headers["access-control-allow-headers"]
    assert preflight.status == 204
    assert {"idempotency-key", "x-request-id", "authorization", "x-api-key", "content-type"} <= set(allowed.split(", "))
    statuses: dict[int, Answered] = {}
    for method, body, headers in (
        ("POST", b"{}", {"x-api-key": "k"}),
        ("POST", b"{}", {}),
        ("POST", b"{", {"x-api-key": "k"}),
        ("POST", b"x" * 300_000, {"x-api-key": "k"}),
        ("GET", b"", {"x-api-key": "k"}),
    ):
        answer = await one.request(method, "/start", headers={"origin": ORIGIN, **headers}, body=body)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "origin"
        statuses[answer.status] = answer
    assert set(statuses) == {201, 401, 400, 405}
    assert statuses[405].headers["allow"] == "OPTIONS, POST"


async def test_another_page_can_read_nothing():
    one = site(cors_allowed_origins=[ORIGIN])
    for method in ("OPTIONS", "POST", "GET"):
        answer = await one.request(method, "/start", headers={"origin": "https://evil.example"}, body=b"{}")
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-methods" not in answer.headers
        assert answer.status != 201


async def test_a_failure_of_the_server_can_be_read_too():
    one = site(cors_allowed_origins=[ORIGIN])

    async def fail(session_id: str, session: StoredSession) -> None:
        raise RuntimeError("bug")

    one.server.session_store.put = fail  # type: ignore[method-assign]
    answer = await start(one, {}, origin=ORIGIN)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (500, ORIGIN)
