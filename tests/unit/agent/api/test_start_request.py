"""Which answer a `POST /start` asks for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.api.start_request import StartRequest, parse_start
from vox.errors import UsageError


def request(fields: Any) -> StartRequest:
    return parse_start(b"" if fields is None else json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("fields", "by_default", "otherwise"),
    [
        (None, True, False),  # Pipecat's WebSocket transport without request data sends no body at all
        ({}, True, True),
        ({"agent": "kitchen"}, True, False),
        ({"transport": "websocket"}, False, False),
        ({"transport": "websocket", "body": {}}, False, False),
        ({"transport": "webrtc"}, True, True),
        ({"transport": "SmallWebRTC"}, True, True),
        ({"transport": "pigeon"}, True, False),
        ({"transport": 1}, True, False),
        ({"enableDefaultIceServers": True}, True, True),
        ({"enableDefaultIceServers": False}, True, True),
        ({"createDailyRoom": False}, True, True),
        ({"body": {"name": "Ann"}}, True, True),
        ({"body": None}, True, True),
    ],
)
def test_a_session_or_the_address_of_the_socket(fields: Any, by_default: bool, otherwise: bool):
    assert request(fields).wants_session(by_default=True) is by_default
    assert request(fields).wants_session(by_default=False) is otherwise


@pytest.mark.parametrize(
    "fields", [{"agent": "bar"}, {"body": {"agent": "bar"}}, {"agent": "bar", "body": {"agent": "x"}}]
)
def test_the_agent_stands_at_the_top_or_in_the_body(fields: Any):
    assert request(fields).agent == "bar"


@pytest.mark.parametrize("fields", [None, {}, {"agent": 5}, {"body": "bar"}, {"body": {"agent": ["bar"]}}])
def test_without_a_name_it_is_the_default_agent(fields: Any):
    assert request(fields).agent == ""


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"createDailyRoom": "yes"}, "createDailyRoom"),
        ({"enableDefaultIceServers": 1}, "enableDefaultIceServers"),
        ({"body": [1]}, "body"),
        ({"body": "text"}, "body"),
    ],
)
def test_a_field_of_another_type_is_named(fields: Any, name: str):
    with pytest.raises(UsageError, match=rf"^{name} must be") as refused:
        request(fields).check_session_fields()
    assert refused.value.code == "start_field_invalid"


def test_null_counts_as_not_given():
    request({"createDailyRoom": None, "enableDefaultIceServers": None, "body": None}).check_session_fields()


@pytest.mark.parametrize("body", [b"[]", b"null", b"{", b'"x"', b"\xff", b'{"a":' * 50_000])
def test_what_is_no_object_is_refused(body: bytes):
    with pytest.raises(UsageError) as refused:
        parse_start(body)
    assert refused.value.code == "start_body_invalid"


@given(st.binary(max_size=200))
def test_no_body_raises_anything_else(body: bytes):
    try:
        found = parse_start(body)
    except UsageError:
        return
    found.wants_session(by_default=False)
