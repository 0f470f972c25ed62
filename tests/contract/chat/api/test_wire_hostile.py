"""Input that nobody sends by accident: every route answers it with a refusal, never with 5xx, and alike on both databases.

The requests are made from the route table itself, so a new route is attacked without anybody writing a test for it.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from tests.contract.chat.harness import API, Person, Rig
from tests.contract.chat.helpers_spaces import feed, say
from tests.contract.chat.helpers_wire import ROUTES, fields_of, filled, parameters, sample
from vox.chat.api.request import Route, Upload

SPARED = {"POST /api/v1/auth/logout", "POST /api/v1/auth/password"}
"""They end the login that the other requests need."""

IDS = ("", "0", "-1", "9223372036854775807", "9223372036854775808", "9" * 5000, "1.0", "1e3", "NaN", "+1", " 1", "%00",
       "%2F", "..", "%2e%2e%2f1", "٣", "%D9%A3", "%FF", "%ED%A0%80", "1%00", "a" * 3000, "%F0%9F%98%80", "'; --", "@me")  # fmt: skip
TEXTS = ("\0", "a\0b", "\ud800", "a" * 70_000, "\u202e", "'; DROP TABLE users; --", "%", "😀" * 300)
NUMBERS = (-1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, 1.5, 1e308, True)
OTHERS = (
    None,
    {},
    [],
    {"$gt": ""},
    [[]],
    [None],
    ["\0"],
    [2**63],
    [-1],
    {"": ""},
    {"a": 2**63},
    {"message_body_max": -1},
)
VALUES: tuple[Any, ...] = (*TEXTS, *NUMBERS, *OTHERS)
RAW = (
    b"", b"{", b"null", b"[]", b'"x"', b"1", b"\xff\xfe{}", b'{"name": NaN}', b'{"name": Infinity}', b"\xef\xbb\xbf{}",
    b"[" * 200_000, b'{"a":' * 100_000, b'{"name":"\xed\xa0\x80"}', b'{"name":"\xff"}', b'{"name":"a","name":{"b":[]}}',
    b'{"permission_overrides":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"limit":' + b"9" * 5000 + b"}", b'{"limit":1e999999}', b"{}" + b" " * 200 + b"x",
)  # fmt: skip
QUERIES = ("limit=-1", "limit=0", "limit=1001", "limit=x", "limit=" + "9" * 5000, "limit=%00", "after=-1", "after=%00",
           "after=9223372036854775808", "after=a%00b", "before=1e5", "query=%00", "query=%FF", "query=%22", "query=%5C%25_",
           "query=" + "a+" * 900, "query=%ED%A0%80", "event_type=%00", "event_type=" + "*" * 200, "status=%00",
           "feed_id=99999999999999999999", "has_file=maybe", "limit=1&limit=2", "&" * 300, "=" * 50, "%", "\xe9",
           "q=%00", "q=" + "a" * 5000, "around=-1", "actor_id=%00", "target_id=9223372036854775807")  # fmt: skip


@pytest.fixture
async def admin(chat: Rig) -> Person:
    """An administrator with something to attack."""
    alice = await chat.register("alice")
    await chat.register("bob")
    feed_id = await feed(alice)
    await say(alice, feed_id)
    await alice.ok("POST", "/rooms", {"name": "voice", "type": "voice"})
    await alice.ok("POST", "/categories", {"name": "texts", "position": 0})
    await alice.ok("POST", "/dms", {"recipient_ids": [2]})
    return alice


@pytest.mark.timeout(90)
async def test_no_path_fails_the_server(admin: Person) -> None:
    await survives(admin, ((route, path, {}) for route in ROUTES for path in hostile_paths(route)))


@pytest.mark.timeout(90)
async def test_no_query_fails_the_server(admin: Person) -> None:
    await survives(
        admin,
        (
            (route, f"{filled(route)}?{query}{tail}", {})
            for route in ROUTES
            if route.query is not None
            for tail in tails(route)
            for query in QUERIES
        ),
    )


@pytest.mark.timeout(90)
async def test_no_body_fails_the_server(admin: Person) -> None:
    def requests() -> Iterator[tuple[Route, str, dict[str, Any]]]:
        for route in ROUTES:
            if route.body is None or route.body is Upload:
                continue
            path = filled(route)
            for raw in RAW:
                yield route, path, {"content": raw}
            for body in hostile_bodies(route):
                yield route, path, {"content": json.dumps(body).encode()}

    await survives(admin, requests())


@pytest.mark.timeout(60)
async def test_no_text_among_string_ids_fails_the_server(admin: Person) -> None:
    """With `X-Vox-Ids: string` bodies are read loosely: what else gets in that way?"""
    texts = ("", "x", "1.5", "1e3", "nan", "9223372036854775808", "-1", "true", "null", " 1 ", "1_0", "٣", "\0")
    await survives(
        admin,
        (
            (
                route,
                filled(route),
                {"content": json.dumps(good | {name: text}).encode(), "headers": {"x-vox-ids": "string"}},
            )
            for route in ROUTES
            if route.body is not None and route.body is not Upload
            for good in [sample(route.body)]
            for name in fields_of(route.body)
            for text in texts
        ),
    )


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
                                  "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "x" * 300,
                                  "multipart/form-data; boundary=\xff", "multipart/mixed; boundary=x"])  # fmt: skip
async def test_no_upload_fails_the_server(admin: Person, kind: str) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: %b\r\n\r\n%b\r\n'
    forms = (
        b"", b"{}", b"--", b"--x", b"--x--", b"--x\r\n\r\n\r\n--x--\r\n", b"\0" * 1000, b"\r\n" * 1000, b"--x\r\n" * 1000,
        *(
            b"".join(part % (name, title, mime, content) for name in names) + b"--x--\r\n"
            for names in ((b"file",), (b"image", b"name"), (b"name", b"mime"), (b"\xff",))
            for title in (b"", b"\xff\0", b"a" * 300, b"../../x", b'"; name="y')
            for mime, content in ((b"image/png", b"\x89PNG\r\n\x1a\n"), (b"", b""), (b"\0", b"GIF89a"), (b"text/html", b"<script>"))
        ),
    )  # fmt: skip
    for route in ROUTES:
        for form in forms if route.body is Upload else ():
            headers = {**admin.headers, "content-type": kind.encode("latin-1")}
            raw = [
                (name.encode(), value if isinstance(value, bytes) else value.encode())
                for name, value in headers.items()
            ]
            reply = await admin.rig.http.request(route.method, filled(route), headers=raw, content=form)
            assert reply.status_code < 500, f"{route.name} {form[:200]!r}: {reply.text}"
            assert well_formed(reply)


async def test_deep_nesting_and_surrogates_are_refused_as_invalid(admin: Person) -> None:
    for raw in (b"[" * 200_000, b'{"name":' * 100_000, b'{"name":"\\ud800","type":"text"}', b'{"name":"\xff"}', b"{"):
        reply = await admin.call("POST", "/feeds", content=raw)
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), raw[:20]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "CONNECT"])
async def test_other_methods_are_not_allowed(admin: Person, method: str) -> None:
    for route in ROUTES:
        reply = await admin.rig.http.request(method, filled(route), headers=admin.headers)
        assert reply.status_code == 405, f"{method} {route.name}"
        assert reply.json()["error"] == {"code": "UNKNOWN", "message": "Method Not Allowed"}


async def test_a_head_never_has_a_body(admin: Person) -> None:
    for route in ROUTES:
        reply = await admin.rig.http.request("HEAD", filled(route), headers=admin.headers)
        assert reply.status_code < 500 or is_unset_up(route, reply), route.name
        assert reply.content == b""


async def test_a_head_is_a_get_without_a_body(admin: Person) -> None:
    get, head = await admin.get("/server"), await admin.call("HEAD", "/server")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    "path", ["/feeds/", "/feeds//messages", "//feeds/1", "/feeds/1/", "/Feeds/1", "/feeds/1%2Fmessages"]
)
async def test_paths_mean_what_they_say(admin: Person, path: str) -> None:
    """No segment may be empty, and an encoded slash is part of its segment."""
    reply = await admin.get(path)
    assert reply.status_code in {404, 422}
    assert reply.json()["error"]["code"] in {"UNKNOWN", "VALIDATION_ERROR"}


@pytest.mark.parametrize("path", ["/auth/register", "/feeds", "/feeds/1/messages", "/dms"])
async def test_a_chunked_body_over_the_cap_is_refused_while_it_arrives(admin: Person, path: str) -> None:
    """The original looked at Content-Length only."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 65_536
            yield b" " * 65_536

    request = httpx2.Request("POST", f"http://chat.test{API}{path}", headers=admin.headers, content=pieces())
    assert "content-length" not in request.headers
    reply = await admin.rig.http.send(request)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_declared_length_over_the_cap_is_refused(admin: Person) -> None:
    reply = await admin.call("POST", "/feeds", content=b" " * (1_048_576 + 1))
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_of_a_name_given_twice_one_value_counts_and_is_checked(admin: Person) -> None:
    reply = await admin.call("POST", "/feeds", content=b'{"name":{"$ne":1},"type":"text","name":"kept"}')
    assert reply.status_code in {201, 422}
    assert reply.status_code == 422 or reply.json()["name"] == "kept"


async def survives(admin: Person, requests: Iterator[tuple[Route, str, dict[str, Any]]]) -> None:
    """Sends them all; none may be answered with 5xx, and errors have the documented form."""
    failed: dict[str, list[str]] = {}
    for route, path, more in requests:
        if route.name in SPARED:
            continue
        headers = {**admin.headers, "content-type": "application/json", **more.get("headers", {})}
        content: bytes = more.get("content", b"")
        try:
            reply = await admin.rig.http.request(route.method, path, headers=headers, content=content)
        except httpx2.InvalidURL:
            continue
        if (reply.status_code >= 500 and not is_unset_up(route, reply)) or not well_formed(reply):
            sent = f"{path.partition('?')[2][:60]} {content[:60]}"
            failed.setdefault(sent, []).append(f"{reply.status_code} {route.name} {path[-60:]}")
    assert not failed, "\n".join(f"{sent}: {len(where)} times, as {where[:3]}" for sent, where in failed.items())


def is_unset_up(route: Route, reply: httpx2.Response) -> bool:
    """Whether this is the documented 503 of GIF search without a key."""
    return "/gifs/" in route.template and reply.status_code == 503


def well_formed(reply: httpx2.Response) -> bool:
    """Whether an error has the documented body."""
    if reply.status_code < 400:
        return True
    error = reply.json()["error"]
    return isinstance(error["code"], str) and isinstance(error["message"], str)


def hostile_paths(route: Route) -> Iterator[str]:
    """The route's path with each parameter replaced by each hostile value."""
    for name in parameters(route):
        for value in IDS:
            yield filled(route, **{name: value})


def tails(route: Route) -> tuple[str, ...]:
    """Required parameters, so that a hostile one beside them is looked at."""
    required = [name for name in fields_of(route.query) if fields_of(route.query)[name].required]
    return ("", "".join(f"&{name}=a" for name in required)) if required else ("",)


def hostile_bodies(route: Route) -> Iterator[Any]:
    """A good body with each field replaced by each hostile value."""
    good = sample(route.body)
    for name in fields_of(route.body):
        for value in VALUES:
            yield good | {name: value}
        yield {key: value for key, value in good.items() if key != name}
