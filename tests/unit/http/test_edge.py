"""Request ids, error envelopes and bodies over bare ASGI; stalled bodies on virtual time (virtual_loop)."""

import asyncio
import json
from uuid import UUID

import pytest

from tests.unit.http.asgi import Sent, chunks
from vox.errors import PeerError, UsageError
from vox.http.edge import error_envelope, read_body, request_id, request_id_of, respond


def test_the_incoming_request_id_is_trimmed_and_kept():
    assert request_id_of([(b"host", b"x"), (b"x-request-id", b"  abc-1 ")]) == "abc-1"


@pytest.mark.parametrize("value", [b"", b"  ", b"a" * 129, b"a\x00b", "ä".encode("latin-1")])
def test_an_unusable_request_id_is_replaced_by_a_new_one_each_time(value):
    made = [request_id_of([(b"x-request-id", value)]) for _ in range(300)]
    assert all(str(UUID(text, version=4)) == text for text in made)
    assert len(set(made)) == 300


def test_a_request_keeps_the_id_that_was_made_for_it():
    scope = {"headers": []}
    assert request_id(scope) == request_id(scope)
    assert request_id({"headers": []}) != request_id(scope)


def test_details_are_left_out_where_there_are_none():
    assert b"details" not in error_envelope("X", "m", "r")
    body = json.loads(error_envelope("X", "m", "r", [{"field": "f", "message": "g"}]))
    assert body["error"] == {
        "code": "X",
        "message": "m",
        "requestId": "r",
        "details": [{"field": "f", "message": "g"}],
    }
    assert error_envelope("X", "m", "r").endswith(b"\n")


async def test_a_response_has_lower_case_headers_and_its_length():
    sent = Sent()

    async def send(message):
        sent.messages.append(message)

    await respond(send, 418, b"tea", {"Content-Type": "text/plain"})
    assert (sent.status, sent.body) == (418, b"tea")
    assert sent.headers == {"content-type": "text/plain", "content-length": "3"}


async def body(messages, headers=(), max_bytes=10):
    incoming = list(messages)

    async def receive():
        if not incoming:
            await asyncio.Event().wait()
        return incoming.pop(0)

    return await read_body({"headers": list(headers)}, receive, max_bytes=max_bytes, timeout_s=5)


async def test_a_head_request_gets_the_length_of_the_body_it_does_not_get():
    sent = Sent()

    async def send(message):
        sent.messages.append(message)

    await respond(send, 400, b"{}", {"Content-Type": "application/json"}, is_head=True)
    assert (sent.status, sent.headers["content-length"], sent.body) == (400, "2", b"")


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
