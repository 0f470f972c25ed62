"""What the JSON carriers have in common, seen through the plainest of them: Twilio."""

import json

import pytest

from tests.unit.protocols.carriers.pair import Pair, refused
from vox.protocols.carriers.twilio import Carrier, Server
from vox.protocols.media_stream import AudioCleared, DigitPressed, MarkReached, StreamAudio, StreamStopped


@pytest.fixture
def pair() -> Pair:
    made = Pair(Server(), Carrier())
    made.open()
    return made


def test_only_the_callers_track_is_heard(pair):
    ours = {"event": "media", "media": {"track": "outbound", "payload": "AAAA"}}
    assert pair.to_server(json.dumps(ours)) == []
    assert pair.to_server('{"event":"media","media":{"payload":"AAAA"}}') == [StreamAudio(bytes(3))]


@pytest.mark.parametrize("event", ["media", "dtmf", "mark", "made-up"])
def test_an_event_without_its_part_says_nothing(pair, event):
    assert pair.to_server(json.dumps({"event": event})) == []


def test_keys_and_marks_come_with_their_parts(pair):
    assert pair.to_server('{"event":"dtmf","dtmf":{"digit":"7"}}') == [DigitPressed("7")]
    assert pair.to_server('{"event":"mark","mark":{"name":"m"}}') == [MarkReached("m")]


def test_a_stream_starts_once(pair):
    start = pair.carrier.open(call_id="c", stream_id="s", caller="", callee="", parameters={})[-1]
    assert refused(pair.server, start) == "out_of_order_message"


@pytest.mark.parametrize(
    ("stop", "reason"), [({"reason": "busy"}, "busy"), ({"reason": ""}, "stop"), ({"reason": 5}, "stop"), ([], "stop")]
)
def test_a_stop_says_why_and_counts_once(pair, stop, reason):
    message = json.dumps({"event": "stop", "stop": stop})
    assert pair.to_server(message) == [StreamStopped(reason)]
    assert pair.to_server(message) == []
    assert pair.to_server('{"event":"media","media":{"payload":"AAAA"}}') == []


def test_the_carrier_hears_audio_marks_and_clears(pair):
    assert pair.to_carrier(pair.server.audio(b"ab")) == [StreamAudio(b"ab")]
    assert pair.to_carrier(pair.server.mark("m")) == [MarkReached("m")]
    assert pair.to_carrier(pair.server.clear()) == [AudioCleared()]


@pytest.mark.parametrize(
    "message", ['{"event":"media"}', '{"event":"mark"}', '{"event":"x"}', '{"event":"media","media":{"payload":""}}']
)
def test_the_carrier_ignores_what_says_nothing(pair, message):
    assert pair.to_carrier(message) == []


def test_the_protocol_needs_no_answers_of_its_own(pair):
    assert pair.server.replies() == []
    assert pair.server.digits("42") == []
    assert pair.server.stop("bye") is None
