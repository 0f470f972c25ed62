"""The routes of offers: the order of their checks, their forms, and which client they belong to; calls are made by a played connection."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.agent.api.asgi import Answered, Site
from tests.unit.media.webrtc.offers import PIPECAT
from vox.agent.sessions.contract import StoredSession
from vox.errors import DependencyError

ORIGIN = "https://app.example.com"
SESSION = "01234567-89ab-4def-8123-456789abcdef"
PATHS = [
    "/webrtc/offer",
    "/api/v1/webrtc/offer",
    "/api/offer",
    f"/sessions/{SESSION}/api/offer",
    f"/api/v1/sessions/{SESSION}/offer",
]


def site(**config: Any) -> Site:
    return Site(transport="both", **config)


async def kept(**config: Any) -> Site:
    one = site(**config)
    await one.server.session_store.put(SESSION, StoredSession({"agent": "none"}))
    return one


async def post(at: Site, path: str, fields: Any = None, method: str = "POST", **headers: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return await at.request(method, path, headers=given, body=body)


@pytest.mark.parametrize("path", PATHS)
async def test_a_preflight_needs_no_key(path: str):
    at = await kept(server_api_key="k", cors_allowed_origins=[ORIGIN])
    answer = await post(at, path, b"", "OPTIONS", origin=ORIGIN, access_control_request_method="POST")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "POST, PATCH"


@pytest.mark.parametrize("path", PATHS)
async def test_without_the_key_nothing_else_is_looked_at(path: str):
    at = await kept(server_api_key="k", cors_allowed_origins=[ORIGIN])
    answer = await post(at, path, b"{", origin=ORIGIN)
    assert (answer.status, answer.json["error"]["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["cache-control"] == "no-store"
    assert (await post(at, path, b"{", x_api_key="k")).status == 400


@pytest.mark.parametrize("path", PATHS)
async def test_other_pages_and_other_methods_are_refused(path: str):
    at = await kept(cors_allowed_origins=[ORIGIN])
    assert (await post(at, path, {}, origin="https://other.example")).status == 403
    answer = await post(at, path, {}, "GET", origin=ORIGIN)
    assert (answer.status, answer.json["error"]["code"]) == (405, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("path", "fields", "status", "code", "field"),
    [
        ("/webrtc/offer", b"{", 400, "BAD_REQUEST", None),
        ("/webrtc/offer", {}, 422, "VALIDATION_ERROR", "offer"),
        ("/webrtc/offer", {"offer": "hello"}, 422, "VALIDATION_ERROR", "sdp"),
        ("/api/offer", {"sdp": ""}, 422, "VALIDATION_ERROR", "sdp"),
        ("/webrtc/offer?agent=none", {"offer": PIPECAT}, 404, "NOT_FOUND", None),
        ("/sessions/x/api/offer", {"sdp": PIPECAT}, 400, "VALIDATION_ERROR", "sessionId"),
        (f"/sessions/{SESSION[:-1]}0/api/offer", {"sdp": PIPECAT}, 404, "NOT_FOUND", None),
        (f"/sessions/{SESSION}/api/offer", b"{", 400, "BAD_REQUEST", None),
        (f"/sessions/{SESSION}/api/offer", {"sdp": " "}, 422, "VALIDATION_ERROR", "sdp"),
        (f"/sessions/{SESSION}/api/offer", {"sdp": PIPECAT}, 404, "NOT_FOUND", None),
    ],
)
async def test_what_is_wrong_with_an_offer_is_said(path: str, fields: Any, status: int, code: str, field: str | None):
    answer = await post(await kept(), path, fields)
    error = answer.json["error"]
    assert (answer.status, error["code"]) == (status, code)
    assert [one["field"] for one in error.get("details", [])] == ([field] if field else [])
    assert answer.json["detail"] == error["message"], "Pipecat's clients read it there"


async def test_a_store_that_is_away_is_no_unknown_session():
    class Broken:
        async def get(self, session_id: str) -> StoredSession | None:
            raise DependencyError("Redis failed", code="redis_failed", retryable=True)

    at = site()
    at.server.stores = replace(at.server.stores, sessions=Broken())  # type: ignore[arg-type]
    answer = await post(at, f"/sessions/{SESSION}/api/offer", {"sdp": PIPECAT})
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_a_draining_server_sends_callers_elsewhere():
    at = site()
    at.server.admission.is_closed = True
    answer = await post(at, "/api/offer", {"sdp": PIPECAT})
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_offers_in_a_loop_are_bounded_by_address():
    at = site()
    at.client = "8.8.8.8"
    statuses = [(await post(at, "/api/offer", {"sdp": "hello"})).status for _ in range(40)]
    assert statuses == [422] * 30 + [429] * 10
    refused = await post(at, "/api/offer", {"sdp": "hello"})
    assert refused.json["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert int(refused.headers["retry-after"]) >= 1
    at.client = "8.8.4.4"
    assert (await post(at, "/api/offer", {"sdp": "hello"})).status == 422


async def test_a_patch_without_a_connection():
    at = await kept()
    for path in PATHS:
        assert (await post(at, path, b"", "PATCH")).status == 204
        unknown = await post(at, path, {"pc_id": "pc_1", "candidates": []}, "PATCH")
        assert (unknown.status, unknown.json["error"]["code"]) == (404, "NOT_FOUND")
        assert (await post(at, path, b"[", "PATCH")).status == 400
    assert (await post(at, "/sessions/x/api/offer", {}, "PATCH")).status == 400


async def test_without_the_transport_there_are_no_such_routes():
    at = Site(transport="websocket")
    assert (await post(at, "/webrtc/offer", {"offer": PIPECAT})).status == 404
    refused = await post(at, "/api/offer", {"sdp": PIPECAT})
    assert refused.status == 404
    assert "no WebRTC" in refused.json["detail"]
