"""HttpEdge and read_body, driven as a server drives them."""

import asyncio
import json
from uuid import UUID

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import PeerError, UsageError
from vox.http.edge import HttpEdge, error_envelope, read_body, request_id, respond


class Seen:
    def __init__(self):
        self.events = []

    def started(self, scope):
        self.events.append(("started", scope["path"]))

    def finished(self, scope, status, duration_s):
        assert duration_s >= 0
        self.events.append(("finished", status))


async def call(app, headers=(), messages=()):
    sent, incoming = [], list(messages)

    async def receive():
        return incoming.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/x", "method": "GET", "headers": list(headers)}
    await app(scope, receive, send)
    return sent


async def echo_id(scope, receive, send):
    await respond(send, 200, request_id(scope).encode(), {"Content-Type": "text/plain"})


async def test_the_incoming_request_id_is_trimmed_and_kept():
    sent = await call(HttpEdge(echo_id, FakeClock()), [(b"x-request-id", b"  abc-1 ")])
    assert sent[1]["body"] == b"abc-1"


@pytest.mark.parametrize("value", [b"", b"  ", b"a" * 129, b"a\x00b", "ä".encode("latin-1")])
async def test_an_unusable_request_id_is_replaced(value):
    made = set()
    for _ in range(300):
        sent = await call(HttpEdge(echo_id, FakeClock()), [(b"x-request-id", value)])
        made.add(text := sent[1]["body"].decode())
        assert str(UUID(text, version=4)) == text
    assert len(made) == 300


async def test_the_observer_sees_start_and_status():
    seen = Seen()
    await call(HttpEdge(echo_id, FakeClock(), observer=seen))
    assert seen.events == [("started", "/x"), ("finished", 200)]


async def failing(scope, receive, send):
    raise ValueError("secret detail")


async def test_an_exception_becomes_the_json_envelope_without_its_text():
    seen = Seen()
    sent = await call(HttpEdge(failing, FakeClock(), observer=seen), [(b"x-request-id", b"r1")])
    assert sent[0]["status"] == 500
    error = json.loads(sent[1]["body"])["error"]
    assert error == {"code": "INTERNAL_ERROR", "message": "Internal server error", "requestId": "r1"}
    assert seen.events[-1] == ("finished", 500)


async def test_the_application_may_shape_errors_itself():
    edge = HttpEdge(
        failing, FakeClock(), on_error=lambda error, identity: (418, identity.encode(), {"x-a": type(error).__name__})
    )
    sent = await call(edge, [(b"x-request-id", b"r2")])
    assert sent[0]["status"] == 418
    assert (b"x-a", b"ValueError") in sent[0]["headers"]
    assert sent[1]["body"] == b"r2"


async def test_a_failure_behind_half_a_response_goes_on_to_the_server():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    with pytest.raises(ValueError):
        await call(HttpEdge(half, FakeClock()))


def test_details_are_left_out_where_there_are_none():
    assert b"details" not in error_envelope("X", "m", "r")
    body = json.loads(error_envelope("X", "m", "r", [{"field": "f", "message": "g"}]))
    assert body["error"]["details"] == [{"field": "f", "message": "g"}]
    assert error_envelope("X", "m", "r").endswith(b"\n")


def chunks(*parts):
    return [{"type": "http.request", "body": part, "more_body": n < len(parts) - 1} for n, part in enumerate(parts)]


async def body(messages, headers=(), max_bytes=10):
    incoming = list(messages)

    async def receive():
        if not incoming:
            await asyncio.Event().wait()
        return incoming.pop(0)

    return await read_body({"headers": list(headers)}, receive, max_bytes=max_bytes, timeout_s=5)


async def test_a_body_is_joined_and_bounded():
    assert await body(chunks(b"12345", b"67890")) == b"1234567890"
    with pytest.raises(UsageError) as caught:
        await body(chunks(b"12345", b"67890", b"1"))
    assert caught.value.code == "body_too_large"
    with pytest.raises(UsageError):
        await body([], [(b"content-length", b"11")])


@pytest.mark.usefixtures("virtual_loop")
async def test_a_body_that_stalls_or_breaks_off_is_the_peers_fault():
    with pytest.raises(PeerError) as caught:
        await body([{"type": "http.request", "body": b"1", "more_body": True}])
    assert caught.value.code == "body_timeout"
    with pytest.raises(PeerError) as caught:
        await body([{"type": "http.disconnect"}])
    assert caught.value.code == "body_incomplete"
