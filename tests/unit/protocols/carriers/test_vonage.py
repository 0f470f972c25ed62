"""The messages are those of Vonage's guide to WebSockets in the Voice API."""

import pytest

from tests.unit.protocols.carriers.pair import Pair, only, refused, said
from vox.protocols.carriers.vonage import Carrier, Server
from vox.protocols.media_stream import (
    AudioCleared,
    DigitPressed,
    MarkReached,
    StreamAudio,
    StreamStarted,
    StreamStopped,
)

CONNECTED = """{"event": "websocket:connected", "content-type": "audio/l16;rate=16000",
  "uuid": "u-1", "from": "447700900000", "to": "447700900001", "customer": "42"}"""


def started(connected=CONNECTED):
    server = Server()
    event = only(server.receive(connected))
    assert isinstance(event, StreamStarted)
    return server, event


def test_a_documented_stream():
    server, event = started()
    assert (event.call_id, event.caller, event.callee) == ("u-1", "447700900000", "447700900001")
    assert (event.encoding, event.sample_rate) == ("s16le", 16000)
    assert event.parameters["customer"] == "42"
    assert server.receive(b"\x01\x02" * 320) == [StreamAudio(b"\x01\x02" * 320)]
    assert server.receive('{"event":"websocket:dtmf","digit":"5","duration":260}') == [DigitPressed("5")]
    assert server.receive('{"event":"websocket:dtmf","dtmf":{"digit":"6"}}') == [DigitPressed("6")]
    assert server.receive('{"event":"websocket:dtmf"}') == []
    assert server.receive('{"event":"websocket:notify","payload":{"name":"m"}}') == [MarkReached("m")]
    assert server.receive('{"event":"websocket:notify","payload":{"other":1}}') == []
    assert server.receive('{"event":"websocket:cleared"}') == []
    assert server.receive('{"event":"websocket:disconnected"}') == [StreamStopped("disconnected")]


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_rates(rate):
    server, event = started(CONNECTED.replace("16000", str(rate)))
    assert event.sample_rate == server.reply_sample_rate == rate


def test_the_rate_is_16_khz_unless_said_otherwise():
    assert started(CONNECTED.replace(";rate=16000", ""))[1].sample_rate == 16000
    assert started('{"event":"websocket:connected"}')[1].sample_rate == 16000


@pytest.mark.parametrize("content_type", ['"audio/x-mulaw"', '"video/mp4"', '"audio/l16;rate=1"'])
def test_other_content_is_refused(content_type):
    message = CONNECTED.replace('"audio/l16;rate=16000"', content_type)
    assert refused(Server(), message) == "unsupported_media"


@pytest.mark.parametrize("content_type", ["5", "null", "{}"])
def test_a_content_type_that_is_no_text_is_left_out(content_type):
    server, event = started(CONNECTED.replace('"audio/l16;rate=16000"', content_type))
    assert (event.encoding, event.sample_rate) == ("s16le", 16000)
    assert server.dropped.count == 1


def test_half_a_sample_is_refused():
    server, _ = started()
    assert refused(server, b"\x01") == "malformed_message"
    assert server.receive(b"") == []


def test_what_we_say():
    server, _ = started()
    assert server.audio(b"\x01\x02") == b"\x01\x02"
    assert said(server.mark("m")) == {"action": "notify", "payload": {"name": "m"}}
    assert said(server.clear()) == {"action": "clear"}
    assert server.digits("1") == []
    assert server.stop() is None


def test_a_notify_that_a_clear_threw_away_is_reported_with_the_acknowledgement():
    pair = Pair(Server(), Carrier())
    pair.open()
    for name in ("a", "b"):
        assert pair.to_carrier(pair.server.mark(name)) == [MarkReached(name)]
    pair.to_server(pair.carrier.mark_reached("a"))
    assert pair.to_carrier(pair.server.clear()) == [AudioCleared()]
    assert pair.to_server(pair.carrier.cleared()) == [MarkReached("b")]


def test_parameters_cannot_pretend_to_be_the_protocol():
    carrier = Carrier()
    (opening,) = carrier.open(
        call_id="c", stream_id="s", caller="", callee="", parameters={"event": "evil", "content-type": "x", "uuid": "y"}
    )
    event = only(Server().receive(opening))
    assert event.call_id == "c"


def test_a_second_start_is_refused():
    server, _ = started()
    assert refused(server, CONNECTED) == "out_of_order_message"


def test_a_stream_stops_once():
    server, _ = started()
    assert server.receive('{"event":"websocket:disconnected"}') == [StreamStopped("disconnected")]
    assert server.receive('{"event":"websocket:disconnected"}') == []


def test_the_rate_is_found_among_other_parameters_of_the_content_type():
    content_type = "audio/l16;channels=1; Rate = 8000"
    assert started(CONNECTED.replace("audio/l16;rate=16000", content_type))[1].sample_rate == 8000
    assert started(CONNECTED.replace("audio/l16;rate=16000", "audio/l16;channels=1"))[1].sample_rate == 16000


def test_each_side_ignores_messages_that_it_does_not_know():
    server, _ = started()
    assert server.receive('{"event":"websocket:media:update"}') == []
    carrier = Carrier()
    assert carrier.receive('{"action":"fade-out"}') == []
    assert carrier.receive('{"action":"notify","payload":{}}') == []
    assert carrier.receive(b"") == []
