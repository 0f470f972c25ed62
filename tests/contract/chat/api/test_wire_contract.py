"""What holds of every route alike, and the examples of the specification that no other suite asks: read off the route table.

Logins, permissions, error forms, page limits, rate limits, cache headers, ids for JavaScript.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_people import set_everyone
from tests.contract.chat.helpers_spaces import feed, refusal, say
from tests.contract.chat.helpers_wire import ROUTES, fields_of, filled, sample, unsafe_numbers
from vox.chat.api.rate_categories import CATEGORIES, category_of
from vox.chat.api.request import Upload
from vox.chat.events.permissions import P

LINKS = {"GET /api/v1/files/{file_id}"}
"""Also opened by a signed link, so asked for themselves in test_files_upload.py."""
CATEGORY_EXAMPLES = {
    "/api/v1/feeds/1/messages": "messages",
    "/api/v1/messages/search": "messages",
    "/api/v1/webhooks/1/execute": "messages",
    "/api/v1/webhooks/1/token": "webhooks",
    "/api/v1/gifs/search": "search",
    "/api/v1/auth/login": "auth",
    "/api/v1/feeds/1": "channels",
    "/api/v1/rooms/1": "channels",
    "/api/v1/rooms/1/voice/join": "channels",
    "/api/v1/categories": "channels",
    "/api/v1/threads/1": "channels",
    "/api/v1/roles": "roles",
    "/api/v1/members": "members",
    "/api/v1/users/1": "members",
    "/api/v1/invites": "invites",
    "/api/v1/emoji": "emoji",
    "/api/v1/stickers": "emoji",
    "/api/v1/moderation": "moderation",
    "/api/v1/reports": "moderation",
    "/api/v1/admin/2fa-reset": "moderation",
    "/api/v1/voice/media-cert": "voice",
    "/api/v1/server": "server",
    "/api/v1/bots/1/commands": "bots",
    "/api/v1/commands": "server",
    "/api/v1/interactions/component": "interactions",
    "/api/v1/outgoing-webhooks": "webhooks",
    "/api/v1/keys/devices": "e2ee",
    "/api/v1/dms": "messages",
    "/api/v1/files/x": "files",
    "/api/v1/federation/join": "federation",
    "/api/v1/bans": "server",
    "/api/v1/sync": "server",
    "/api/v1/gateway": "server",
    "/api/v1/audit-log": "server",
    "/api/v1/embeds/resolve": "server",
}
"""Chat.md section 3.1, the order of questions; interactions have a category of their own here."""
BUCKETS = {
    "auth": (5, 0.1), "messages": (50, 1), "channels": (20, 0.5), "roles": (10, 0.2), "members": (20, 0.5),
    "invites": (10, 0.2), "webhooks": (10, 0.2), "emoji": (10, 0.2), "moderation": (10, 0.2), "voice": (30, 1),
    "server": (10, 0.2), "bots": (10, 0.2), "e2ee": (30, 0.5), "search": (10, 0.1), "files": (20, 0.5),
    "federation": (50, 1), "interactions": (60, 10),
}  # fmt: skip


@pytest.fixture
async def alice(chat: Rig) -> Person:
    """An administrator with a feed, a room, a message, a category, a thread and a conversation."""
    alice = await chat.register("alice")
    await chat.register("bob")
    general = await feed(alice)
    message = await say(alice, general)
    await alice.ok("POST", "/rooms", {"name": "voice", "type": "voice"})
    await alice.ok("POST", "/categories", {"name": "texts", "position": 0})
    await alice.ok("POST", f"/feeds/{general}/threads", {"name": "aside", "parent_msg_id": message})
    await alice.ok("POST", "/dms", {"recipient_ids": [2]})
    await alice.ok("POST", "/keys/devices", {"device_id": "1", "device_name": "laptop"})
    return alice


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, (422, "VALIDATION_ERROR")),
        ("Basic YTpi", (401, "AUTH_FAILED")),
        ("Bearer", (401, "AUTH_FAILED")),
        ("Bearer mfa_x", (401, "AUTH_FAILED")),
        ("Bearer vox_sess_unknown", (401, "AUTH_EXPIRED")),
        ("Bot vox_sess_unknown", (401, "AUTH_EXPIRED")),
    ],
)
async def test_no_route_answers_without_the_login_it_needs(
    alice: Person, authorization: str | None, expected: tuple[int, str]
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    wrong = list[str]()
    for route in ROUTES:
        if route.access.kind == "public" or route.name in LINKS:
            continue
        body = b"{}" if route.body is None else b"not looked at"
        reply = await alice.rig.http.request(route.method, filled(route), headers=headers, content=body)
        if (reply.status_code, reply.json()["error"]["code"]) != expected:
            wrong.append(f"{route.name}: {reply.status_code} {reply.text}")
    assert not wrong, "\n".join(wrong)


async def test_no_route_answers_without_the_permission_it_declares(chat: Rig, alice: Person) -> None:
    """The permission is asked before the body is read."""
    await set_everyone(alice, 0)
    eve = await chat.register("eve")
    wrong = list[str]()
    for route in ROUTES:
        access = route.access
        if access.kind in {"public", "user", "checked"} or (access.kind == "self" and access.permission is None):
            continue
        reply = await chat.http.request(route.method, filled(route), headers=eve.headers, content=b"not looked at")
        expected = (403, "NOT_DM_PARTICIPANT" if access.kind == "dm" else "MISSING_PERMISSIONS")
        error = reply.json()["error"]
        if (reply.status_code, error["code"]) != expected:
            wrong.append(f"{route.name}: {reply.status_code} {reply.text}")
        if access.permission is not None and error.get("missing_permission") != access.permission.name:
            wrong.append(f"{route.name}: {reply.text}")
    assert not wrong, "\n".join(wrong)


async def test_of_what_is_not_there_every_route_says_so(alice: Person) -> None:
    """As administrator, so that no permission is in the way; what is idempotent by contract may also succeed."""
    wrong = list[str]()
    gone = "4611686018427387904"
    for route in ROUTES:
        names = re.findall(r"{(\w+_id)}", route.template)
        if not names or route.access.kind == "dm" or route.body is Upload or "{token}" in route.template:
            continue
        path = filled(route, **dict.fromkeys(names, gone))
        body = None if route.body is None else sample(route.body)
        reply = await alice.rig.http.request(route.method, path, headers=alice.headers, json=body)
        if reply.status_code != 404 and not (reply.status_code == 204 and route.method == "DELETE"):
            wrong.append(f"{route.name}: {reply.status_code} {reply.text}")
    assert not wrong, "\n".join(wrong)


async def test_ids_in_paths_are_numbers(alice: Person) -> None:
    """400 INVALID_USER_ID where the member resolver asks, 422 elsewhere; `@me` is the caller."""
    wrong = list[str]()
    for route in ROUTES:
        for name in re.findall(r"{(\w+_id)}", route.template):
            texts = {"file_id", "credential_id", "interaction_id", "device_id", "pair_id"}
            if name in texts or "{token}" in route.template:
                continue
            reply = await alice.rig.http.request(
                route.method, filled(route, **{name: "x"}), headers=alice.headers, content=b"{}"
            )
            error = (reply.status_code, reply.json().get("error", {}).get("code"))
            allowed = (
                {(422, "VALIDATION_ERROR"), (400, "INVALID_USER_ID")}
                if name == "user_id"
                else {(422, "VALIDATION_ERROR")}
            )
            if error not in allowed or (route.access.kind == "self" and error[0] != 400 and name == "user_id"):
                wrong.append(f"{route.name} {name}: {error}")
    assert not wrong, "\n".join(wrong)


async def test_every_list_takes_1_to_1000_and_shows_no_more_than_the_limit(alice: Person) -> None:
    asked = 0
    for route in ROUTES:
        if route.query is None or "limit" not in fields_of(route.query) or "/gifs/" in route.template:
            continue
        if "{msg_id}" in route.template or "{subscription_id}" in route.template:  # there is none here; others have one
            continue
        more = {"query": "x"} if "query" in fields_of(route.query) else {}
        for limit, status in (("0", 422), ("1001", 422), ("-1", 422), ("x", 422), ("1", 200), ("1000", 200)):
            reply = await alice.rig.http.get(filled(route), headers=alice.headers, params={"limit": limit, **more})
            assert reply.status_code == status, f"{route.name} limit={limit}: {reply.text}"
        asked += 1
    assert asked > 12


async def test_every_answer_is_private_typed_and_limited_by_headers(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path, rate_limit_scale=1000) as rig:
        alice = await rig.register("alice")
        for route in ROUTES:
            if route.method != "GET":
                continue
            reply = await rig.http.get(filled(route), headers=alice.headers)
            headers = reply.headers
            assert headers["cache-control"].startswith("private, no-store"), route.name
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-type"] == "application/json", route.name
            assert route.category is not None, route.name
            assert int(headers["x-ratelimit-limit"]) == route.category.burst * 1000
            assert {"x-ratelimit-remaining", "x-ratelimit-reset"} <= set(headers)


async def test_no_answer_holds_a_number_that_javascript_changes(alice: Person) -> None:
    for route in ROUTES:
        if route.method == "GET":
            headers = {**alice.headers, "x-vox-ids": "string"}
            reply = await alice.rig.http.get(filled(route), headers=headers)
            assert not list(unsafe_numbers(reply.json())), route.name


async def test_unknown_fields_are_ignored(alice: Person) -> None:
    """In bodies and in queries."""
    for path, body in (("/feeds", {"name": "a", "type": "text"}), ("/categories", {"name": "a", "position": 1})):
        assert (await alice.post(path, {**body, "unknown": {"x": [1]}, "components": []})).status_code == 201
    assert (await alice.get("/members", unknown="x")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/server", "/gateway"]
)
async def test_what_is_not_routed_is_unknown(chat: Rig, path: str) -> None:
    reply = await chat.http.get(path)
    assert (reply.status_code, reply.json()) == (404, {"error": {"code": "UNKNOWN", "message": "Not Found"}})


async def test_what_a_wrong_method_gets(chat: Rig) -> None:
    for path, allowed in (("/auth/login", "POST"), ("/server", "GET, HEAD, PATCH"), ("/bans/1", "DELETE, PUT")):
        reply = await chat.http.request("POST" if path != "/auth/login" else "PUT", API + path)
        assert (reply.status_code, reply.json()) == (
            405,
            {"error": {"code": "UNKNOWN", "message": "Method Not Allowed"}},
        )
        assert reply.headers["allow"] == allowed


async def test_documentation_and_probes_need_no_login(chat: Rig) -> None:
    for path in ("/docs", "/redoc"):
        reply = await chat.http.get(path)
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/html")
    document = (await chat.http.get("/openapi.json")).json()
    described = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert described == {route.name for route in ROUTES}
    for path in ("/health", "/ready"):
        reply = await chat.http.get(path)
        assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
        assert "x-ratelimit-limit" not in reply.headers


def test_every_path_is_limited_in_the_category_of_the_specification() -> None:
    assert {path: category_of(path).name for path in CATEGORY_EXAMPLES} == CATEGORY_EXAMPLES
    ours = {"federation_peers": (500, 50)}  # servers have quotas of their own besides
    assert {name: (one.burst, one.refill_per_s) for name, one in CATEGORIES.items()} == {**BUCKETS, **ours}


async def test_the_sixth_login_is_told_to_wait_in_the_words_of_its_category(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path, rate_limit_scale=1) as rig:
        body = {"username": "nobody", "password": "wrong password"}
        for remaining in (4, 3, 2, 1, 0):
            reply = await rig.http.post(f"{API}/auth/login", json=body)
            assert reply.status_code == 401
            assert reply.headers["x-ratelimit-remaining"] == str(remaining)
        reply = await rig.http.post(f"{API}/auth/login", json=body)
        assert refusal(reply) == (429, "AUTH_RATE_LIMITED")
        after_ms = reply.json()["error"]["retry_after_ms"]
        assert 0 < after_ms <= 10_000
        assert int(reply.headers["retry-after"]) == -(-after_ms // 1000)


async def test_one_category(alice: Person) -> None:
    assert await alice.ok("GET", "/categories/1") == {"category_id": 1, "name": "texts", "position": 0}


async def test_an_override_of_a_room_is_taken_away(alice: Person) -> None:
    mask = {"allow": 0, "deny": int(P.CONNECT)}
    await alice.ok("PUT", "/rooms/1/permissions/role/1", mask)
    assert (await alice.ok("GET", "/rooms/1"))["permission_overrides"] == [
        {"target_type": "role", "target_id": 1, **mask}
    ]
    async with alice.gateway() as socket:
        assert (await alice.delete("/rooms/1/permissions/role/1")).status_code == 204
        frame = await socket.expect("permission_override_delete")
    assert frame["d"] == {"space_type": "room", "space_id": 1, "target_type": "role", "target_id": 1}
    assert (await alice.ok("GET", "/rooms/1"))["permission_overrides"] == []
    assert refusal(await alice.delete("/rooms/1/permissions/group/1")) == (400, "INVALID_TARGET_TYPE")


async def test_who_comes_when_the_server_is_full_is_told_so(chat: Rig, alice: Person) -> None:
    await alice.ok("PATCH", "/server/limits", {"limits": {"max_total_connections": 1}})
    async with alice.gateway(), chat.socket() as second:
        assert await second.closed() == 4012


@pytest.mark.parametrize(
    ("kind", "d"),
    [
        ("voice_state_update", {"self_mute": True}),
        ("nothing_known", {"a": [1]}),
        ("stage_response", {}),
        ("voice_codec_neg", {}),
        ("mls_relay", {"mls_type": "commit", "data": "x"}),
        ("typing", {"feed_id": "x"}),
        ("typing", {"feed_id": {"$gt": 0}}),
        ("typing", {}),
        ("typing", {"feed_id": 2**70}),
        ("presence_update", {"status": {"a": 1}}),
        ("presence_update", None),
        ("heartbeat", {"seq": "x"}),
        ("heartbeat", {"seq": -(2**70)}),
    ],
)
async def test_no_message_of_a_client_ends_the_session(alice: Person, kind: str, d: Any) -> None:
    """At most an error in the session comes back, or what the client sent to its own sessions."""
    async with alice.gateway() as socket:
        await socket.send(kind, d)
        assert {frame["type"] for frame in await socket.events()} <= {"error", "mls_commit"}


@pytest.mark.parametrize(
    "said", ["[]", "1", "null", '{"d":1}', '{"type":1}', '{"type":null}', "{", "\0", "[" * 50_000, ""]
)
async def test_what_is_no_message_is_a_decode_error(alice: Person, said: str) -> None:
    async with alice.gateway() as socket:
        await socket.send_text(said)
        assert await socket.closed() == 4002


async def test_a_huge_message_is_answered_in_the_session(alice: Person) -> None:
    """The original's tests send 10 MiB and expect an error frame."""
    async with alice.gateway() as socket:
        await socket.send("mls_relay", {"mls_type": "commit", "data": "x" * (10 << 20)})
        assert (await socket.expect("error"))["d"]["code"] == "PAYLOAD_TOO_LARGE"
        assert await socket.events() == []
