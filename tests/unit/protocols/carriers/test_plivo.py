"""The messages are those of Plivo's reference of audio streaming."""

import pytest

from tests.unit.protocols.carriers.pair import Pair, only, refused, said
from vox.protocols.carriers.plivo import Carrier, Server
from vox.protocols.media_stream import (
    AudioCleared,
    DigitPressed,
    MarkReached,
    StreamAudio,
    StreamStarted,
    StreamStopped,
)

START = """{
  "event": "start", "sequenceNumber": 1,
  "start": {
    "callId": "12345678-1234", "streamId": "87654321-4321", "accountId": "MAXXXX", "tracks": ["inbound"],
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}
  },
  "extra_headers": "userId=12345;sessionId=abc-xyz"
}"""
MEDIA = """{"event": "media", "sequenceNumber": 42, "streamId": "87654321-4321",
  "media": {"track": "inbound", "timestamp": "1705312200000", "chunk": 41, "payload": "AQID"},
  "extra_headers": "userId=12345;sessionId=abc-xyz"}"""
DTMF = """{"event": "dtmf", "sequenceNumber": 43, "streamId": "87654321-4321",
  "dtmf": {"track": "inbound", "digit": "5", "timestamp": "1705312200000"}}"""
PLAYED = '{"event":"playedStream","sequenceNumber":44,"streamId":"87654321-4321","name":"greeting"}'
CLEARED = '{"event":"clearedAudio","sequenceNumber":45,"streamId":"87654321-4321"}'


def started(start=START):
    server = Server()
    event = only(server.receive(start))
    assert isinstance(event, StreamStarted)
    return server, event


def test_a_documented_stream():
    server, event = started()
    assert (event.stream_id, event.call_id, event.account_id) == ("87654321-4321", "12345678-1234", "MAXXXX")
    assert (event.encoding, event.sample_rate) == ("mulaw", 8000)
    assert event.parameters == {"userId": "12345", "sessionId": "abc-xyz"}
    assert server.receive(MEDIA) == [StreamAudio(b"\x01\x02\x03")]
    assert server.receive(MEDIA.replace("inbound", "outbound")) == []
    assert server.receive(DTMF) == [DigitPressed("5")]
    assert server.receive(PLAYED) == [MarkReached("greeting")]
    assert server.receive(CLEARED) == []
    assert server.receive('{"event":"stop"}') == [StreamStopped("stop")]
    assert server.receive('{"event":"stop"}') == []


@pytest.mark.parametrize(
    ("written", "parameters"),
    [
        ('"a=1,b=2"', {"a": "1", "b": "2"}),
        ('"{\\"a\\": \\"1\\", \\"b\\": 2}"', {"a": "1", "b": "2"}),
        ('{"a": "1"}', {"a": "1"}),
        ("null", {}),
        ('""', {}),
        ('";;=x; a = 1 "', {"a": "1"}),
        ('"{X-PH-key1: value1}"', {"key1": "value1"}),
        ('"{X-PH-key1: value1, x-ph-key2: v:2}"', {"key1": "value1", "key2": "v:2"}),
        ("\"{'X-PH-a': '1'}\"", {"a": "1"}),
        ('{"X-PH-a": 1}', {"a": "1"}),
        ('"{"', {}),
        ('"{}"', {}),
        ('"word"', {"word": ""}),
    ],
)
def test_extra_headers_come_in_several_forms(written, parameters):
    _, event = started(START.replace('"userId=12345;sessionId=abc-xyz"', written))
    assert event.parameters == parameters


def test_the_callers_number_may_come_by_either_way():
    _, by_header = started(START.replace("userId=12345", "from=1555;to=1666"))
    assert (by_header.caller, by_header.callee) == ("1555", "1666")
    _, by_start = started(START.replace('"callId"', '"from": "+1", "to": "+2", "callId"'))
    assert (by_start.caller, by_start.callee) == ("+1", "+2")


def test_linear_audio_is_answered_alike():
    server, event = started(START.replace("x-mulaw", "x-l16").replace("8000", "16000"))
    assert (event.encoding, event.sample_rate) == ("s16le", 16000)
    assert said(server.audio(b"\x01\x02"))["media"] == {
        "contentType": "audio/x-l16",
        "sampleRate": 16000,
        "payload": "AQI=",
    }
    assert refused(server, MEDIA) == "malformed_message"


def test_what_we_say():
    server, _ = started()
    assert said(server.audio(b"\xff\x00")) == {
        "event": "playAudio",
        "streamId": "87654321-4321",
        "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "/wA="},
    }
    assert said(server.mark("m")) == {"event": "checkpoint", "streamId": "87654321-4321", "name": "m"}
    assert said(server.clear()) == {"event": "clearAudio", "streamId": "87654321-4321"}
    assert [said(message) for message in server.digits("12x#a")] == [{"event": "sendDTMF", "dtmf": "12#A"}]
    assert server.digits("xyz") == []
    assert server.stop() is None


def test_a_checkpoint_that_a_clear_threw_away_is_reported_with_the_acknowledgement():
    pair = Pair(Server(), Carrier())
    pair.open()
    for name in ("played", "cut", "cut too"):
        pair.to_carrier(pair.server.mark(name))
    assert pair.to_server(pair.carrier.mark_reached("played")) == [MarkReached("played")]
    assert pair.to_carrier(pair.server.clear()) == [AudioCleared()]
    pair.to_carrier(pair.server.mark("after"))
    assert pair.to_server(pair.carrier.cleared()) == [MarkReached("cut"), MarkReached("cut too")]
    assert pair.to_server(pair.carrier.cleared()) == []
    assert pair.to_server(pair.carrier.mark_reached("after")) == [MarkReached("after")]


def test_another_carriers_words_mean_nothing():
    pair = Pair(Server(), Carrier())
    pair.open()
    assert pair.to_server('{"event":"mark","mark":{"name":"m"}}') == []
    assert pair.to_carrier('{"event":"clear"}') == []
    assert pair.to_carrier('{"event":"media","media":{"payload":"AQID"}}') == []


def test_pending_checkpoints_are_bounded():
    server, _ = started()
    for number in range(3000):
        server.mark(str(number))
    server.clear()
    assert server.receive(CLEARED) == [MarkReached(str(number)) for number in range(1976, 3000)]


def test_our_digits_reach_the_carrier():
    pair = Pair(Server(), Carrier())
    pair.open()
    heard = [event for message in pair.server.digits("1#") for event in pair.to_carrier(message)]
    assert heard == [DigitPressed("1"), DigitPressed("#")]
