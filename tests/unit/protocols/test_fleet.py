"""The messages between workers and bridges."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols import fleet
from vox.protocols.fleet import (
    Accept,
    Busy,
    Drain,
    Ended,
    EndedReceived,
    HangUp,
    Inject,
    Offer,
    Progress,
    Refused,
    Register,
    Registered,
    Release,
    Renew,
    RunningCall,
    Status,
    Transfer,
    read_bridge,
    read_worker,
    started_call,
    write,
)

FROM_WORKER = [
    Register(
        "host-8001",
        1_764_000_000_000,
        "1.2",
        "http://10.0.0.2:8001",
        "eu-west",
        ["twilio"],
        8,
        {"relay_region": "eu-west"},
        [RunningCall("call_1", "inbound", 1_764_000_000_001)],
        1,
    ),
    Status(3, 1, 8, 7, "ready", 0.5, 12.5, 2, 30.0),
    Accept("offer_1", "rsv_1", "secret", "wss://host/stream"),
    Busy("offer_1", 3.0, "AT_CAPACITY"),
    Ended("call_1", "completed", {"seconds": 12}),
    Progress("call_1", "started", {"class": "inbound", "since_ms": 5}),
]
FROM_BRIDGE = [
    Registered(6.0, 2.0),
    Refused("wrong_worker", "The token belongs to another worker."),
    Offer("offer_1", "call_1", "campaign", "bot", 30.0, {"name": "Ada"}),
    Renew("rsv_1", 30.0),
    Release("rsv_1"),
    Drain(60.0),
    HangUp("call_1"),
    Transfer("call_1", "+15551234567"),
    Inject("call_1", "Hello"),
    EndedReceived("call_1"),
]


@pytest.mark.parametrize("message", FROM_WORKER, ids=lambda one: type(one).__name__)
def test_what_a_worker_writes_a_bridge_reads(message):
    assert read_worker(write(message)) == message
    assert read_worker(write(message).encode()) == message


@pytest.mark.parametrize("message", FROM_BRIDGE, ids=lambda one: type(one).__name__)
def test_what_a_bridge_writes_a_worker_reads(message):
    assert read_bridge(write(message)) == message


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            Register("a-1", 5, max_calls=4, calls=[RunningCall("c", "inbound", 3)]),
            '{"type":"register","worker_id":"a-1","generation":5,"max":4,"calls":[{"call_id":"c","class":"inbound","since_ms":3}]}',
        ),
        (
            Status(1, 2, 4, 4, "ready"),
            '{"type":"status","active":1,"reserved":2,"max":4,"limit":4,"state":"ready"}',
        ),
        (
            Offer("o", "c", "outbound", "bot", 60.0),
            '{"type":"offer","offer_id":"o","call_id":"c","class":"outbound","bot_id":"bot","ttl_s":60.0}',
        ),
        (Registered(), '{"type":"registered","lease_s":6.0,"heartbeat_s":2.0}'),
        (EndedReceived("c"), '{"type":"ended_received","call_id":"c"}'),
    ],
)
def test_the_texts_are_these(message, text):
    assert write(message) == text


@pytest.mark.parametrize("read", [read_worker, read_bridge])
def test_an_unknown_type_is_ignored_and_so_is_an_unknown_field(read):
    assert read('{"type":"teleport","to":"mars"}') is None
    if read is read_bridge:
        assert read('{"type":"hang_up","call_id":"c","politely":true}') == HangUp("c")


def test_each_side_ignores_what_only_the_other_sends():
    assert read_bridge(write(Busy("o"))) is None
    assert read_worker(write(Drain(1.0))) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"register"',
        '{"call_id":"c"}',
        '{"type":5}',
        '{"type":"register"}',
        '{"type":"register","worker_id":"Upper","generation":1}',
        '{"type":"register","worker_id":"new-line\\n","generation":1}',
        '{"type":"register","worker_id":"","generation":1}',
        '{"type":"register","worker_id":"a","generation":-1}',
        '{"type":"register","worker_id":"a","generation":1,"calls":[{"call_id":"c","class":"private","since_ms":1}]}',
        '{"type":"status","active":-1,"reserved":0,"max":4,"limit":4,"state":"ready"}',
        '{"type":"status","active":1e99,"reserved":0,"max":4,"limit":4,"state":"ready"}',
        '{"type":"status","active":1,"reserved":0,"max":4,"limit":4,"state":"ready","load":NaN}',
        '{"type":"accept","offer_id":"o","reservation_id":"r","token":"","stream_url":"x"}',
        '{"type":"busy","offer_id":"o","retry_after_s":-5}',
        "[" * 100_000,
        b"\xff\xfe",
        "\ud800",
    ],
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(PeerError) as raised:
        read_worker(text)
    assert raised.value.code == "malformed_message"


def test_what_is_too_long_is_refused_on_both_ends():
    long = Ended("call_1", "completed", {"transcript": "x" * fleet.MAX_MESSAGE_BYTES})
    with pytest.raises(PeerError) as raised:
        write(long)
    assert raised.value.code == "message_too_large"
    with pytest.raises(PeerError) as raised:
        read_worker(msgspec.json.encode(long))
    assert raised.value.code == "message_too_large"


def test_a_worker_may_not_report_calls_without_end():
    calls = [RunningCall(f"c{number}", "inbound", 1) for number in range(fleet.MAX_CALLS)]
    assert read_worker(write(Register("a", 1, calls=calls))) == Register("a", 1, calls=calls)
    with pytest.raises(PeerError):
        read_worker(write(Register("a", 1, calls=[*calls, calls[0]])))


def test_a_refusal_does_not_repeat_what_was_sent():
    with pytest.raises(PeerError) as raised:
        read_worker('{"type":"accept","offer_id":"o","reservation_id":"r","token":["secret-token"],"stream_url":"x"}')
    assert "secret-token" not in str(raised.value)


def test_the_call_that_has_started_is_read_from_the_events_data():
    call = RunningCall("call_1", "campaign", 7)
    assert started_call(Progress("call_1", "started", {"class": "campaign", "since_ms": 7, "more": 1})) == call


@pytest.mark.parametrize(
    "data", [{}, {"class": "vip", "since_ms": 1}, {"class": ["inbound"], "since_ms": 1}, {"class": "inbound"}]
)
def test_a_start_without_its_data_is_no_call(data):
    assert started_call(Progress("call_1", "started", data)) is None


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_garbage_raises_nothing_else(data):
    assert outcome(read_worker, data) in {None, "malformed_message"}
    assert outcome(read_bridge, data) in {None, "malformed_message"}


@given(st.sampled_from([*FROM_WORKER, *FROM_BRIDGE]), st.data())
def test_a_damaged_message_raises_nothing_else(message, data):
    text = bytearray(write(message).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    for read in (read_worker, read_bridge):
        assert outcome(read, bytes(text)) in {None, "malformed_message"}


def outcome(read, data):
    """The code of the refusal, or None; any other error is the test's."""
    try:
        read(data)
    except PeerError as error:
        return error.code
    return None
