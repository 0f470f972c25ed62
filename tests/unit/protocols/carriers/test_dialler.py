"""The messages are those of VoxCore's description of its dialler's stream."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.carriers.pair import Pair, refused
from vox.errors import PeerError
from vox.protocols.carriers.dialler import CONNECTED_FIELDS, Carrier, Server
from vox.protocols.media_stream import (
    AudioCleared,
    DigitPressed,
    StreamAudio,
    StreamStarted,
    StreamStopped,
    TransfersInStream,
)

CONNECTED = """{"event": "connected", "callerId": "+919876543210", "did": "+911234567890", "callDirection": "incoming",
  "streamId": "stream-abc", "userrefno": 42, "vip": true}"""
START = """{"event": "start", "streamId": "stream-abc",
  "mediaFormat": {"encoding": "LINEAR", "sampleRate": 8000, "channels": 1}}"""
ANSWER = '{"event": "answer"}'
MEDIA = '{"event": "media", "payload": "AQIDBA=="}'
HANGUP = '{"event": "hangup-call", "disconnectedBy": "customer"}'


def ringing():
    server = Server()
    assert server.receive(CONNECTED) == []
    assert server.receive(START) == []
    return server


def answered():
    server = ringing()
    (event,) = server.receive(ANSWER)
    assert isinstance(event, StreamStarted)
    return server, event


def test_a_documented_stream():
    server, event = answered()
    assert (event.carrier, event.stream_id, event.call_id) == ("dialler", "stream-abc", "stream-abc")
    assert (event.caller, event.callee) == ("+919876543210", "+911234567890")
    assert (event.encoding, event.sample_rate) == ("s16le", 8000)
    assert server.receive(MEDIA) == [StreamAudio(b"\x01\x02\x03\x04")]
    assert server.receive('{"event":"dtmf","digit":"9"}') == [DigitPressed("9")]
    assert server.receive('{"event":"news","payload":""}') == []
    assert server.receive(HANGUP) == [StreamStopped("customer")]
    assert server.receive(HANGUP) == []
    assert server.receive(MEDIA) == []
    assert server.stop("late") is None, "the dialler has dropped the call itself"


def test_everything_that_the_dialler_knows_of_the_call_is_passed_on():
    _, event = answered()
    assert event.parameters["userrefno"] == "42"
    assert json.loads(event.parameters[CONNECTED_FIELDS]) == {
        "callerId": "+919876543210",
        "did": "+911234567890",
        "callDirection": "incoming",
        "streamId": "stream-abc",
        "userrefno": 42,
        "vip": True,
    }


def test_a_call_begins_with_the_answer_and_what_rings_before_is_no_speech():
    server = Server()
    server.receive(CONNECTED)
    assert server.receive('{"event":"dtmf","digit":"1"}') == []
    assert server.receive(START) == []
    assert [type(event) for event in server.receive(ANSWER)] == [StreamStarted]
    assert server.receive(ANSWER) == []
    assert server.receive(START) == [], "a second start changes nothing"


def test_a_dialler_that_sends_audio_has_answered():
    server = ringing()
    started, audio = server.receive(MEDIA)
    assert isinstance(started, StreamStarted)
    assert audio == StreamAudio(b"\x01\x02\x03\x04")


def test_the_streams_id_may_come_with_the_start():
    server = Server()
    server.receive('{"event":"connected","callerId":"+1","did":"+2"}')
    server.receive('{"event":"start","streamId":"late"}')
    (event,) = server.receive(ANSWER)
    assert isinstance(event, StreamStarted)
    assert event.stream_id == "late"


@pytest.mark.parametrize("message", [ANSWER, MEDIA])
def test_nothing_begins_before_the_stream_is_described(message):
    assert refused(Server(), message) == "out_of_order_message"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"event":"media","payload":"AQID"}', "malformed_message"),
        ('{"event":"media","payload":7}', "malformed_message"),
        ('{"event":"media","payload":"%%"}', "malformed_message"),
        ("{", "malformed_message"),
        ("[]", "malformed_message"),
        ('{"payload":""}', "malformed_message"),
    ],
)
def test_a_malformed_message_is_refused(message, code):
    server, _ = answered()
    assert refused(server, message) == code


def test_audio_for_the_caller_has_the_documented_fields():
    server, _ = answered()
    server.audio(bytes(320))
    assert json.loads(server.audio(bytes(320))) == {
        "event": "reverse-media",
        "chunk": 2,
        "did": "+911234567890",
        "payload": b64encode(bytes(320)).decode(),
        "streamId": "stream-abc",
        "callerId": "+919876543210",
        "chunk_durn_ms": 20,
        "callDirection": "incoming",
        "encoding": "LINEAR",
        "RevMediaQ": 0,
        "source": "ai",
    }


def test_the_documented_controls():
    server, _ = answered()
    ids = {"streamId": "stream-abc", "callerId": "+919876543210"}
    assert json.loads(str(server.clear())) == {"event": "reverse-media-stop", **ids}
    assert json.loads(server.transfer("+91111")) == {"event": "reverse-call-transfer", **ids, "transferTo": "+91111"}
    assert isinstance(server, TransfersInStream)
    stop = json.loads(str(server.stop("idle")))
    assert stop == {
        "event": "reverse-hangup-call",
        **ids,
        "source": "ai",
        "message": "Call ended by bot",
        "reason": "idle",
    }
    assert server.stop("idle") is None
    assert (server.mark("m"), server.digits("1"), server.replies()) == (None, [], [])


def test_both_sides_agree():
    pair = Pair(Server(), Carrier())
    started = pair.open(campaign="7")
    assert (started.caller, started.callee, started.parameters["campaign"]) == ("+15550001", "+15550002", "7")
    assert pair.to_server(pair.carrier.audio(b"\x01\x02", timestamp_ms=0)) == [StreamAudio(b"\x01\x02")]
    assert pair.to_server(pair.carrier.digit("#")) == [DigitPressed("#")]
    assert pair.to_carrier(pair.server.audio(b"\x03\x04")) == [StreamAudio(b"\x03\x04")]
    assert pair.to_carrier(pair.server.clear()) == [AudioCleared()]
    assert pair.to_carrier(pair.server.transfer("+1")) == [StreamStopped("transfer_to +1")]
    assert pair.to_carrier(pair.server.stop("done")) == [StreamStopped("Call ended by bot")]
    assert pair.carrier.mark_reached("m") is None
    assert pair.carrier.receive('{"event":"other"}') == []
    assert Pair(Server(), Carrier()).to_server(pair.carrier.close()) == [StreamStopped("customer")]


def test_a_call_may_ring_before_it_is_answered():
    carrier, server = Carrier(is_answered_at_once=False), Server()
    opening = carrier.open(call_id="c", stream_id="s", caller="1", callee="2", parameters={})
    assert [event for message in opening for event in server.receive(message)] == []
    assert [type(event) for event in server.receive(carrier.answer())] == [StreamStarted]


MESSAGES = st.sampled_from([CONNECTED, START, ANSWER, MEDIA, HANGUP]) | st.text(max_size=40) | st.binary(max_size=40)


@given(st.lists(MESSAGES, max_size=12))
def test_whatever_comes_only_peer_errors_are_raised(messages):
    server = Server()
    for message in messages:
        try:
            server.receive(message)
        except PeerError:
            continue
