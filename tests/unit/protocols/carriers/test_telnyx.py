"""The messages are those of Telnyx's description of its media streaming WebSocket."""

import pytest

from tests.unit.protocols.carriers.pair import only, refused, said
from vox.protocols.carriers.telnyx import Carrier, Server
from vox.protocols.media_stream import DigitPressed, MarkReached, StreamAudio, StreamStarted, StreamStopped

CONNECTED = '{"event":"connected","version":"1.0.0"}'
START = """{
  "event": "start", "sequence_number": "1",
  "start": {
    "user_id": "3e6f995f", "call_control_id": "v3:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
    "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d", "from": "+13122010094", "to": "+13122123456",
    "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
  },
  "stream_id": "32DE0DEA"
}"""
MEDIA = """{"event": "media", "sequence_number": "4", "media": {"track": "inbound", "chunk": "2", "timestamp": "5",
  "payload": "AQIDBA=="}, "stream_id": "32DE0DEA"}"""
STOP = """{"event": "stop", "sequence_number": "5", "stop": {"user_id": "3e6f995f", "call_control_id": "v3:T02"},
  "stream_id": "32DE0DEA"}"""
DTMF = """{"event": "dtmf", "stream_id": "32DE0DEA", "occurred_at": "2026-01-01T00:00:00Z", "sequence_number": "5",
  "dtmf": {"digit": "1"}}"""
MARK = '{"event":"mark","sequence_number":"4","stream_id":"32DE0DEA","mark":{"name":"my label"}}'
ERROR = '{"event":"error","stream_id":"32DE0DEA","payload":{"title":"rate_limit_reached","code":100005}}'


def started(start=START, **options):
    server = Server(**options)
    assert server.receive(CONNECTED) == []
    event = only(server.receive(start))
    assert isinstance(event, StreamStarted)
    return server, event


def test_a_documented_stream():
    server, event = started()
    assert (event.stream_id, event.call_id) == (
        "32DE0DEA",
        "v3:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
    )
    assert (event.caller, event.callee, event.account_id) == ("+13122010094", "+13122123456", "3e6f995f")
    assert (event.encoding, event.sample_rate, event.parameters) == ("mulaw", 8000, {})
    assert server.receive(MEDIA) == [StreamAudio(b"\x01\x02\x03\x04")]
    assert server.receive(MEDIA.replace("inbound", "outbound")) == []
    assert server.receive(DTMF) == [DigitPressed("1")]
    assert server.receive(MARK) == [MarkReached("my label")]
    assert server.receive(ERROR) == []
    assert server.receive(STOP) == [StreamStopped("stop")]


@pytest.mark.parametrize(("name", "encoding"), [("PCMU", "mulaw"), ("PCMA", "alaw"), ("L16", "s16le")])
def test_the_callers_encoding_is_the_announced_one_and_ours_stays_pcmu(name, encoding):
    server, event = started(START.replace("PCMU", name))
    assert event.encoding == encoding
    assert server.reply_encoding == "mulaw"


def test_a_stream_ordered_with_another_codec_is_answered_in_it():
    server, _ = started(reply_encoding="s16le", reply_sample_rate=16000)
    assert (server.reply_encoding, server.reply_sample_rate) == ("s16le", 16000)


def test_l16_may_be_in_network_order():
    start = START.replace("PCMU", "L16").replace("8000", "16000")
    little, _ = started(start)
    big, _ = started(start, reply_encoding="s16le", l16_byteorder="big")
    assert little.receive(MEDIA) == [StreamAudio(b"\x01\x02\x03\x04")]
    assert big.receive(MEDIA) == [StreamAudio(b"\x02\x01\x04\x03")]
    assert said(big.audio(b"\x02\x01\x04\x03"))["media"]["payload"] == "AQIDBA=="
    assert refused(little, MEDIA.replace("AQIDBA==", "AQID")) == "malformed_message"


@pytest.mark.parametrize("name", ["G722", "OPUS", "AMR-WB"])
def test_encodings_we_cannot_decode_are_refused(name):
    assert refused(Server(), START.replace("PCMU", name)) == "unsupported_media"


@pytest.mark.parametrize(
    "written", ['{"agent": "a", "n": 1}', '[{"name": "agent", "value": "a"}, {"name": "n", "value": 1}, {"x": 2}]']
)
def test_custom_parameters_come_in_two_forms(written):
    _, event = started(START.replace('"client_state"', f'"custom_parameters": {written}, "client_state"'))
    assert event.parameters == {"agent": "a", "n": "1"}


def test_what_we_say():
    server, _ = started()
    assert said(server.audio(b"\xff\x00")) == {"event": "media", "media": {"payload": "/wA="}}
    assert said(server.mark("m")) == {"event": "mark", "mark": {"name": "m"}}
    assert said(server.clear()) == {"event": "clear"}
    assert server.digits("1") == []
    assert server.stop() is None


def test_the_carrier_announces_what_it_sends():
    carrier = Carrier(encoding="alaw")
    opening = carrier.open(call_id="c", stream_id="s", caller="+1", callee="+2", parameters={"a": "b"})
    start = said(opening[1])
    assert start["stream_id"] == "s"
    assert start["start"]["media_format"] == {"encoding": "PCMA", "sample_rate": 8000, "channels": 1}
    assert said(carrier.audio(b"\xd5", timestamp_ms=40))["media"] == {
        "track": "inbound",
        "chunk": "1",
        "timestamp": "40",
        "payload": "1Q==",
    }
