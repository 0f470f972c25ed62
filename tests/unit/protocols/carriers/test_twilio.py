"""The messages are those of Twilio's documentation of Media Streams."""

from tests.unit.protocols.carriers.pair import Pair, refused, said
from vox.protocols.carriers.twilio import Carrier, Server
from vox.protocols.media_stream import DigitPressed, MarkReached, StreamAudio, StreamStarted, StreamStopped

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = """{
  "event": "start", "sequenceNumber": "1",
  "start": {
    "accountSid": "AC0123", "streamSid": "MZ0456", "callSid": "CA0789", "tracks": ["inbound"],
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    "customParameters": {"FirstName": "Jane", "from": "+14155551212", "to": "+18005551212", "RemoteParty": 7}
  },
  "streamSid": "MZ0456"
}"""
MEDIA = """{"event": "media", "sequenceNumber": "3", "streamSid": "MZ0456",
  "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": "//8AAP4="}}"""
STOP = '{"event":"stop","sequenceNumber":"5","stop":{"accountSid":"AC0123","callSid":"CA0789"},"streamSid":"MZ0456"}'
DTMF = '{"event":"dtmf","streamSid":"MZ0456","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}'
MARK = '{"event":"mark","sequenceNumber":"4","streamSid":"MZ0456","mark":{"name":"my label"}}'


def started():
    server = Server()
    assert server.receive(CONNECTED) == []
    assert server.receive(START) == [
        StreamStarted(
            carrier="twilio",
            stream_id="MZ0456",
            call_id="CA0789",
            encoding="mulaw",
            sample_rate=8000,
            caller="+14155551212",
            callee="+18005551212",
            account_id="AC0123",
            parameters={"FirstName": "Jane", "from": "+14155551212", "to": "+18005551212", "RemoteParty": "7"},
        )
    ]
    return server


def test_a_documented_stream():
    server = started()
    assert server.receive(MEDIA) == [StreamAudio(b"\xff\xff\x00\x00\xfe")]
    assert server.receive(MEDIA.encode()) == [StreamAudio(b"\xff\xff\x00\x00\xfe")]
    assert server.receive(DTMF) == [DigitPressed("1")]
    assert server.receive(MARK) == [MarkReached("my label")]
    assert server.receive(STOP) == [StreamStopped("stop")]
    assert server.receive(STOP) == []


def test_what_we_said_ourselves_is_not_heard():
    assert started().receive(MEDIA.replace("inbound", "outbound")) == []


def test_what_we_say():
    server = started()
    assert said(server.audio(b"\xff\x00")) == {
        "event": "media",
        "streamSid": "MZ0456",
        "media": {"payload": "/wA="},
    }
    assert said(server.mark('say "hi"')) == {
        "event": "mark",
        "streamSid": "MZ0456",
        "mark": {"name": 'say "hi"'},
    }
    assert said(server.clear()) == {"event": "clear", "streamSid": "MZ0456"}
    assert server.digits("12") == []
    assert server.stop("bye") is None
    assert server.replies() == []


def test_broken_audio_is_refused():
    assert refused(started(), MEDIA.replace("//8AAP4=", "//8AAP4")) == "malformed_message"
    assert refused(started(), MEDIA.replace("//8AAP4=", "/ /8AA")) == "malformed_message"


def test_an_encoding_we_cannot_decode_is_refused():
    assert refused(Server(), START.replace("x-mulaw", "opus")) == "unsupported_media"
    assert refused(Server(), START.replace("8000", "8001")) == "unsupported_media"
    assert refused(Server(), START.replace("8000", '"' + "9" * 5000 + '"')) == "unsupported_media"


def test_unknown_messages_and_fields_are_ignored():
    server = started()
    assert server.receive('{"event":"surprise","deep":[{"x":[1,2,{}]}]}') == []
    assert server.receive('{"event":"media"}') == []
    assert server.receive('{"event":"dtmf","dtmf":{"digit":"1","extra":null}}') == [DigitPressed("1")]


def test_the_carriers_messages_are_numbered():
    pair = Pair(Server(), Carrier())
    opening = pair.carrier.open(call_id="c", stream_id="s", caller="+1", callee="+2", parameters={"a": "b"})
    audio = [pair.carrier.audio(b"\xff", timestamp_ms=20 * n) for n in range(2)]
    messages = [said(message) for message in (*opening, *audio, pair.carrier.digit("5"), pair.carrier.close())]
    assert [message.get("sequenceNumber") for message in messages] == [None, "1", "2", "3", "4", "5"]
    assert [message["media"]["chunk"] for message in messages[2:4]] == ["1", "2"]
    assert [message["media"]["timestamp"] for message in messages[2:4]] == ["0", "20"]
    assert messages[1]["start"]["customParameters"] == {"from": "+1", "to": "+2", "a": "b"}
    assert {message["streamSid"] for message in messages[1:]} == {"s"}
