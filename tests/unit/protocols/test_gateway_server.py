"""The server's half: who may say what when."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.gateway import CloseCode, CpaceRelay, Heartbeat, Identify, MlsRelay, PresenceUpdate, Resume, Typing
from vox.protocols.gateway_server import Closing, GatewayServer, Refused, State, as_id, capabilities


def said(kind, d=None):
    return json.dumps({"type": kind} if d is None else {"type": kind, "d": d})


def live(now=0.0, **more):
    server = GatewayServer(now, **more)
    assert server.receive(said("identify", {"token": "t"}), now) == [Identify("t")]
    assert server.accepted(now) == []
    return server


def codes(asked):
    return [one.code for one in asked]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (said("heartbeat"), 4003),
        (said("unknown"), 4003),
        ("nonsense", 4002),
        (b"{}", 4002),
        ("[]", 4002),
        (said("identify"), 4004),
        (said("identify", {"token": 1}), 4004),
        (said("identify", {"token": "t", "protocol_version": 2}), 4011),
        (said("identify", {"token": "t" * 9000}), 4002),
        (said("resume", {"token": "t", "session_id": "s"}), 4004),
        (said("resume", {"token": "t", "session_id": "s", "last_seq": "1"}), 4004),
        (said("resume", {"token": "t", "session_id": "s", "last_seq": True}), 4004),
    ],
)
def test_first_messages_that_close(message, code):
    server = GatewayServer(0)
    assert codes(server.receive(message, 0)) == [code]
    assert server.state is State.CLOSED
    assert server.receive(said("identify", {"token": "t"}), 0) == []


@pytest.mark.parametrize("version", [None, 1])
def test_the_version_may_be_left_out(version):
    asked = GatewayServer(0).receive(said("identify", {"token": "t", "protocol_version": version}), 0)
    assert isinstance(asked[0], Identify)


def test_resume_and_a_second_login():
    server = GatewayServer(0)
    asked = server.receive(said("resume", {"token": "t", "session_id": "s", "last_seq": 3, "more": 1}), 0)
    assert asked == [Resume("t", "s", 3)]
    server.accepted(0)
    assert codes(server.receive(said("identify", {"token": "t"}), 0)) == [4005]


def test_what_is_said_during_the_check_waits():
    server = GatewayServer(0)
    server.receive(said("identify", {"token": "t"}), 0)
    assert server.receive(said("heartbeat", {"seq": 4}), 1) == []
    assert server.receive(said("identify", {"token": "t"}), 1) == []
    assert server.expired(1000) is None
    asked = server.accepted(2)
    assert asked[0] == Heartbeat(4)
    assert codes(asked[1:]) == [4005]


def test_messages_of_a_session():
    server = live()
    assert server.receive(said("typing", {"feed_id": 1}), 0) == [Typing(feed_id=1)]
    assert server.receive(said("typing", {"dm_id": "12"}), 0) == [Typing(dm_id="12")]
    assert server.receive(said("unknown", [1]), 0) == []
    assert server.receive(said("heartbeat", "anything"), 0) == [Heartbeat()]
    assert codes(server.receive(said("typing", {"feed_id": []}), 0)) == ["VALIDATION_ERROR"]
    assert codes(server.receive(said("presence_update", {"status": "online", "activity": 1}), 0)) == [
        "VALIDATION_ERROR"
    ]
    assert server.state is State.LIVE


def test_what_is_relayed_to_devices_is_told_apart_and_otherwise_not_read():
    server = live()
    assert server.receive(said("mls_relay", {"mls_type": "commit", "data": {"any": 1}}), 0) == [
        MlsRelay("commit", {"any": 1})
    ]
    asked = {"mls_type": "welcome", "data": "x", "dm_id": "12", "device_ids": ["d"], "request_id": "r"}
    assert server.receive(said("mls_relay", asked), 0) == [
        MlsRelay("welcome", "x", dm_id="12", device_ids=["d"], request_id="r")
    ]
    step = {"cpace_type": "new_device_key", "pair_id": "p", "data": "x", "nonce": "n"}
    assert server.receive(said("cpace_relay", step), 0) == [CpaceRelay("new_device_key", "p", "x", "n")]
    for kind, wrong in (
        ("mls_relay", {"data": "x"}),
        ("mls_relay", {"mls_type": "application", "data": "x"}),
        ("mls_relay", {"mls_type": "commit", "epoch": "1"}),
        ("mls_relay", {"mls_type": "commit", "device_ids": "d"}),
        ("cpace_relay", {"cpace_type": "isi"}),
        ("cpace_relay", {"cpace_type": "hello", "pair_id": "p"}),
    ):
        assert codes(server.receive(said(kind, wrong), 0)) == ["VALIDATION_ERROR"], wrong


@pytest.mark.parametrize("status", ["offline", "", None, 1, [], {}])
def test_only_the_four_statuses(status):
    assert codes(live().receive(said("presence_update", {"status": status}), 0)) == ["INVALID_STATUS"]


def test_presence_is_cut_and_bounded():
    server = live()
    asked = server.receive(said("presence_update", {"status": "dnd", "custom_status": "x" * 200}), 0)
    assert asked == [PresenceUpdate("dnd", "x" * 128)]
    for more in ({"activity": {"a": "x" * 600}}, {"custom_status": {"a": "x" * 600}}):
        assert codes(server.receive(said("presence_update", {"status": "idle", **more}), 0)) == ["PAYLOAD_TOO_LARGE"]
    custom = {"text": "hi"}
    assert server.receive(said("presence_update", {"status": "idle", "custom_status": custom}), 0) == [
        PresenceUpdate("idle", custom)
    ]


def test_ten_mebibytes_are_answered_and_not_read():
    server = live()
    assert server.receive(said("mls_relay", {"data": "x" * (10 << 20)}), 0) == [
        Refused("PAYLOAD_TOO_LARGE", "The message is too large.")
    ]


def test_the_121st_message_of_a_minute_closes():
    server = live()
    for _ in range(119):
        assert server.receive(said("x"), 1) == []
    assert codes(server.receive(said("x"), 59.9)) == [CloseCode.RATE_LIMITED]
    slow = live()
    assert all(slow.receive(said("x"), number * 0.6) == [] for number in range(1, 500))


def test_deadlines():
    server = GatewayServer(10)
    assert server.deadline == 40
    assert server.expired(39.9) is None
    assert server.expired(40) == Closing(CloseCode.NOT_AUTHENTICATED, "identify timeout")
    server = live(10)
    server.receive(said("heartbeat"), 50)
    assert server.expired(117.4) is None
    assert server.expired(117.5) == Closing(CloseCode.SESSION_TIMEOUT, "heartbeat timeout")


def test_capabilities_and_ids_of_any_kind():
    assert capabilities(Identify("t", capabilities=["a", 1, None])) == {"a"}
    assert capabilities(Identify("t", capabilities="a")) == frozenset()
    assert [as_id(value) for value in (1, "22", "x", "-1", "٣", "9" * 30, None)] == [
        1,
        22,
        None,
        None,
        None,
        None,
        None,
    ]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
kinds = st.sampled_from(["identify", "resume", "heartbeat", "typing", "presence_update", "x"])


@given(st.lists(st.tuples(kinds, junk)), st.booleans())
def test_no_shape_of_content_raises(messages, is_live):
    server = live() if is_live else GatewayServer(0)
    for kind, d in messages:
        server.receive(json.dumps({"type": kind, "d": d}), 0)
        server.accepted(0)


@given(st.text() | st.binary())
def test_no_text_raises(message):
    GatewayServer(0).receive(message, 0)
    live().receive(message, 0)
