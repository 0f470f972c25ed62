"""Which carrier is on the line, told from its first messages."""

import pytest

from tests.unit.protocols.carriers.pair import Pair
from vox.errors import UsageError
from vox.protocols.carriers import json_events, plivo
from vox.protocols.carriers.detect import CARRIERS, carrier_for, codec_for, detect
from vox.protocols.media_stream import (
    StreamAudio,
    StreamStarted,
)

each_carrier = pytest.mark.parametrize("name", CARRIERS)


@each_carrier
def test_a_first_message_tells_the_carrier(name):
    messages = carrier_for(name)().open(call_id="c", stream_id="s", caller="", callee="", parameters={})
    assert len(messages) <= 2
    found = [detect(message) for message in messages]
    assert found == [None] * (len(messages) - 1) + [name]


def test_plivos_second_message_is_not_swallowed():
    pair = Pair(plivo.Server(), plivo.Carrier())
    opening = pair.carrier.open(call_id="c", stream_id="s", caller="", callee="", parameters={})
    audio = pair.carrier.audio(b"\x01" * 160, timestamp_ms=0)
    assert [detect(message) for message in (*opening, audio)] == ["plivo", None]
    events = [event for message in (*opening, audio) for event in pair.server.receive(message)]
    assert [type(event) for event in events] == [StreamStarted, StreamAudio]


def test_an_unknown_carrier_is_named_with_the_known_ones():
    for find in (codec_for, carrier_for):
        with pytest.raises(UsageError) as caught:
            find("twillio")
        assert caught.value.code == "unknown_carrier"
        assert "twilio" in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        "\ud800",
        b"\x00\x01" * 160,
        b"\xff{",
        '{"event":"start"}',
        '{"event":"start","start":{"streamSid":1,"callSid":"c"}}',
        '{"event":"media","media":{"payload":"AAAA"}}',
        "[" * 100_000,
        " " * (json_events.MAX_MESSAGE_BYTES + 1),
    ],
)
def test_what_tells_nothing_raises_nothing(message):
    assert detect(message) is None


def test_bytes_tell_as_much_as_text():
    assert detect(b' {"type":"open"}') == detect('{"type":"open"}') == "genesys"


def test_only_looking_changes_nothing():
    message = '{"event":"websocket:connected"}'
    assert [detect(message), detect(message)] == ["vonage", "vonage"]
