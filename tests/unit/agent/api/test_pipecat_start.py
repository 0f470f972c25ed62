"""What Pipecat's clients ask before they connect."""

import json

import pytest

from tests.unit.agent.api.asgi import Site

ORIGIN = "https://app.example.com"


@pytest.mark.parametrize("path", ["/start", "/connect"])
async def test_the_answer_names_the_socket_and_nothing_else(path: str):
    answer = await Site().request("POST", path, headers={"host": "voice.example.com:8080"}, body=b"{}")
    assert answer.status == 200
    assert answer.json == {"wsUrl": "ws://voice.example.com:8080/ws?format=protobuf"}


async def test_behind_a_proxy_it_is_the_public_address():
    answer = await Site(proxy_host="voice.example.org").request("POST", "/start")
    assert answer.json == {"wsUrl": "wss://voice.example.org/ws?format=protobuf"}


@pytest.mark.parametrize("body", [{"agent": "kitchen"}, {"body": {"agent": "kitchen"}}])
async def test_an_agent_is_chosen_by_the_body_or_the_query(body):
    site = Site(agents={"kitchen": {}, "bar": {}})
    headers = {"host": "h"}
    answer = await site.request("POST", "/start", headers=headers, body=json.dumps(body).encode())
    assert answer.json == {"wsUrl": "ws://h/ws?agent=kitchen&format=protobuf"}
    answer = await site.request("POST", "/start?agent=bar&var.guest=A%26B", headers=headers)
    assert answer.json == {"wsUrl": "ws://h/ws?agent=bar&var.guest=A%26B&format=protobuf"}
    answer = await site.request("POST", "/start?agent=cellar", headers=headers)
    assert (answer.status, answer.json["detail"]) == (404, "no agent is named cellar")


async def test_a_key_is_asked_for_and_handed_on_as_token():
    site = Site(server_api_key="k")
    refused = await site.request("POST", "/start")
    assert (refused.status, refused.json["error"]["code"]) == (401, "UNAUTHORIZED")
    answer = await site.request("POST", "/start", headers={"host": "h", "x-api-key": "k"})
    assert answer.json == {"wsUrl": "ws://h/ws?format=protobuf", "token": "k"}
    assert answer.headers["cache-control"] == "no-store"
    assert (await site.request("POST", "/connect?api_key=k", headers={"host": "h"})).json["token"] == "k"


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:5173"])
async def test_pages_of_allowed_origins_may_ask(origin: str):
    site = Site(cors_allowed_origins=[ORIGIN])
    preflight = await site.request(
        "OPTIONS", "/start", headers={"origin": origin, "access-control-request-method": "POST"}
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    answer = await site.request("POST", "/start", headers={"origin": origin})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)


async def test_other_pages_may_not():
    site = Site(cors_allowed_origins=[ORIGIN])
    preflight = await site.request("OPTIONS", "/start", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in preflight.headers
    answer = await site.request("POST", "/start", headers={"origin": "https://evil.example"})
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(body: bytes):
    assert (await Site().request("POST", "/start", body=body)).status == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/start", b'{"transport": "webrtc"}', 400),
        ("POST", "/api/offer", b"{}", 404),
        ("PATCH", "/api/offer", b"{}", 404),
        ("POST", "/sessions/x/api/offer", b"{}", 404),
    ],
)
async def test_the_webrtc_transport_is_told_what_to_use(method: str, path: str, body: bytes, status: int):
    answer = await Site().request(method, path, headers={"host": "h"}, body=body)
    assert answer.status == status
    assert "WebSocketTransport with wsUrl ws://h/ws" in answer.json["detail"]
