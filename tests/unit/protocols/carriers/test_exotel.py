"""The messages are those of Exotel's description of the Voicebot applet."""

import json
from base64 import b64encode

import pytest

from tests.unit.protocols.carriers.pair import Pair, only, refused, said
from vox.protocols.carriers.exotel import Carrier, Server
from vox.protocols.media_stream import DigitPressed, MarkReached, StreamAudio, StreamStarted, StreamStopped

CONNECTED = '{"event":"connected"}'
START = """{
  "event": "start", "sequence_number": 1, "stream_sid": "s-1",
  "start": {
    "stream_sid": "s-1", "call_sid": "c-1", "account_sid": "exotel1", "from": "09012345678", "to": "08012345678",
    "custom_parameters": {"agent": "a"},
    "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}
  }
}"""
MEDIA = """{"event": "media", "sequence_number": 3, "stream_sid": "s-1",
  "media": {"chunk": 2, "timestamp": "100", "payload": "AQIDBA=="}}"""
DTMF = '{"event":"dtmf","sequence_number":5,"stream_sid":"s-1","dtmf":{"duration":"200","digit":"9"}}'
MARK = '{"event":"mark","sequence_number":4,"stream_sid":"s-1","mark":{"name":"m"}}'
STOP = """{"event": "stop", "sequence_number": 6, "stream_sid": "s-1",
  "stop": {"call_sid": "c-1", "account_sid": "exotel1", "reason": "callended"}}"""


def started(start=START):
    server = Server()
    assert server.receive(CONNECTED) == []
    event = only(server.receive(start))
    assert isinstance(event, StreamStarted)
    return server, event


def test_a_documented_stream():
    server, event = started()
    assert (event.stream_id, event.call_id, event.account_id) == ("s-1", "c-1", "exotel1")
    assert (event.caller, event.callee, event.parameters) == ("09012345678", "08012345678", {"agent": "a"})
    assert (event.encoding, event.sample_rate) == ("s16le", 8000)
    assert server.receive(MEDIA) == [StreamAudio(b"\x01\x02\x03\x04")]
    assert server.receive(MEDIA.replace('"chunk"', '"track": "outbound", "chunk"')) == []
    assert server.receive(DTMF) == [DigitPressed("9")]
    assert server.receive(MARK) == [MarkReached("m")]
    assert server.receive('{"event":"clear","stream_sid":"s-1"}') == []
    assert server.receive(STOP) == [StreamStopped("callended")]


@pytest.mark.parametrize(
    ("name", "rate", "encoding"),
    [
        ("base64", '"16000"', "s16le"),
        ("audio/x-raw", '"8000"', "s16le"),  # the current documents; the others are older or seen on the wire
        ("raw/slin", "24000", "s16le"),
        ("audio/L16", "16000", "s16le"),
        ("audio/x-mulaw;rate=8000", "8000", "mulaw"),
        ("alaw", "8000", "alaw"),
    ],
)
def test_other_announced_forms(name, rate, encoding):
    server, event = started(START.replace('"base64"', json.dumps(name)).replace('"8000"', rate))
    assert (event.encoding, event.sample_rate) == (encoding, int(rate.strip('"')))
    assert (server.reply_encoding, server.reply_sample_rate) == (event.encoding, event.sample_rate)


@pytest.mark.parametrize(
    ("length", "padded"), [(0, 0), (1, 3200), (320, 3200), (3200, 3200), (3202, 3520), (3840, 3840)]
)
def test_payloads_are_multiples_of_320_bytes_and_3200_at_least(length, padded):
    pair = Pair(Server(), Carrier())
    pair.open()
    heard = pair.to_carrier(pair.server.audio(b"\x01" * length))
    assert heard == ([StreamAudio(b"\x01" * length + bytes(padded - length))] if padded else [])


def test_the_filling_is_silence_in_the_announced_encoding():
    pair = Pair(Server(), Carrier(encoding="mulaw"))
    pair.open()
    assert pair.to_carrier(pair.server.audio(b"\x01")) == [StreamAudio(b"\x01" + b"\xff" * 3199)]


@pytest.mark.parametrize("size", [3, 320, 3201, 100_160])
def test_the_simulated_carrier_is_as_strict_as_the_real_one(size):
    message = {"event": "media", "stream_sid": "s-1", "media": {"payload": b64encode(bytes(size)).decode()}}
    assert refused(Carrier(), json.dumps(message)) == "malformed_message"


def test_what_we_say():
    server, _ = started()
    audio = said(server.audio(bytes(320)))
    assert (audio["event"], audio["stream_sid"]) == ("media", "s-1")
    assert said(server.mark("m")) == {"event": "mark", "stream_sid": "s-1", "mark": {"name": "m"}}
    assert said(server.clear()) == {"event": "clear", "stream_sid": "s-1"}
    assert server.digits("1") == []
    assert server.stop() is None


def test_the_carrier_announces_what_it_sends():
    opening = Carrier(sample_rate=16000).open(call_id="c", stream_id="s", caller="", callee="", parameters={})
    assert said(opening[1])["start"]["media_format"] == {
        "encoding": "base64",
        "sample_rate": "16000",
        "bit_rate": "256kbps",
    }
