"""What holds for every carrier's codecs, over both ends of the stream."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.protocols.carriers.pair import CODES, Pair, only, outcome, refused
from vox.errors import PeerError
from vox.protocols.carriers import exotel, genesys, json_events, plivo, telnyx, vonage
from vox.protocols.carriers.detect import CARRIERS, carrier_for, codec_for, detect
from vox.protocols.media_stream import (
    AudioCleared,
    DigitPressed,
    MarkReached,
    StreamAudio,
    StreamStarted,
    StreamStopped,
)

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,10}", fullmatch=True)
PCM = st.binary(min_size=2, max_size=960).map(lambda data: data[: len(data) // 2 * 2])
VARIANTS = {
    **{name: carrier_for(name) for name in CARRIERS},
    "telnyx-alaw": lambda: telnyx.Carrier(encoding="alaw"),
    "telnyx-l16": lambda: telnyx.Carrier(encoding="s16le", sample_rate=16000),
    "plivo-l16": lambda: plivo.Carrier(encoding="s16le", sample_rate=16000),
    "exotel-24k": lambda: exotel.Carrier(sample_rate=24000),
    "exotel-mulaw": lambda: exotel.Carrier(encoding="mulaw"),
    "vonage-8k": lambda: vonage.Carrier(sample_rate=8000),
    "vonage-24k": lambda: vonage.Carrier(sample_rate=24000),
    "genesys-l16": lambda: genesys.Carrier(encoding="s16le"),
}


@pytest.fixture(params=VARIANTS)
def pair(request):
    carrier = VARIANTS[request.param]()
    return Pair(codec_for(carrier.carrier)(), carrier)


each_carrier = pytest.mark.parametrize("name", CARRIERS)
JSON_CARRIERS = ("twilio", "telnyx", "plivo", "exotel")
each_json_carrier = pytest.mark.parametrize("name", JSON_CARRIERS)


def test_the_call_is_described(pair):
    started = pair.open(token="abc1")
    assert started.carrier == pair.carrier.carrier
    assert (started.call_id, started.stream_id) == ("call-1", "stream-1")
    assert (started.caller, started.callee) == ("+15550001", "+15550002")
    assert (started.encoding, started.sample_rate) == (pair.carrier.encoding, pair.carrier.sample_rate)
    assert started.parameters["token"] == "abc1"


def test_both_hear_each_other(pair):
    pair.open()
    heard = [pair.to_server(pair.carrier.audio(bytes([n, n]) * 160, timestamp_ms=20 * n)) for n in range(3)]
    assert heard == [[StreamAudio(bytes([n, n]) * 160)] for n in range(3)]
    said = [pair.to_carrier(pair.server.audio(bytes([n, n]) * 1600)) for n in range(3)]
    assert said == [[StreamAudio(bytes([n, n]) * 1600)] for n in range(3)]


def test_our_audio_is_in_the_announced_form_or_the_carriers_own(pair):
    started = pair.open()
    if pair.server.carrier == "telnyx":  # never announces what it wants to hear
        assert (pair.server.reply_encoding, pair.server.reply_sample_rate) == ("mulaw", 8000)
    else:
        assert (pair.server.reply_encoding, pair.server.reply_sample_rate) == (started.encoding, started.sample_rate)


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_keys_arrive(pair, digit):
    pair.open()
    assert pair.to_server(pair.carrier.digit(digit)) == [DigitPressed(digit)]


@pytest.mark.parametrize("digit", ["", "x", "ü", "-5"])
def test_what_is_no_key_is_ignored(pair, digit):
    pair.open()
    assert pair.to_server(pair.carrier.digit(digit)) == []


def test_only_the_first_of_several_keys_counts(pair):
    pair.open()
    assert pair.to_server(pair.carrier.digit("12")) == [DigitPressed("1")]


def test_a_clear_is_heard(pair):
    pair.open()
    assert pair.to_carrier(pair.server.clear()) == [AudioCleared()]


def test_the_caller_hangs_up(pair):
    pair.open()
    message = pair.carrier.close()
    if message is None:
        assert pair.carrier.carrier == "vonage"
        return
    (stopped,) = pair.to_server(message)
    assert isinstance(stopped, StreamStopped)
    late = pair.carrier.audio(bytes(320), timestamp_ms=20)
    assert pair.to_server(late) == []


def test_nothing_is_heard_before_the_call_is_described(pair):
    audio = pair.carrier.audio(bytes(320), timestamp_ms=0)
    assert refused(pair.server, audio) == "out_of_order_message"
    pair.open()


def test_a_call_is_described_once(pair):
    pair.open()
    again = pair.carrier.open(call_id="c", stream_id="stream-1", caller="", callee="", parameters={})
    assert refused(pair.server, again[-1]) == "out_of_order_message"
    assert pair.to_server(pair.carrier.digit("1")) == [DigitPressed("1")]


@each_carrier
def test_a_call_without_ids_is_refused_or_nameless(name):
    carrier, server = carrier_for(name)(), codec_for(name)()
    messages = carrier.open(call_id="", stream_id="", caller="", callee="", parameters={})
    if name in {"vonage", "telnyx"}:  # our audio names no stream
        assert only(server.receive(messages[-1])).call_id == ""
    else:
        assert refused(server, messages[-1]) == "malformed_message"


@each_carrier
def test_limits_hold(name):
    carrier = carrier_for(name)()
    opening = carrier.open(call_id="c", stream_id="s", caller="", callee="", parameters={})[-1]
    assert refused(codec_for(name)(max_message_bytes=20), opening) == "message_too_large"
    server = codec_for(name)(max_message_bytes=2000)
    big = carrier.audio(bytes(4000), timestamp_ms=0)
    assert refused(server, big) == "message_too_large"
    with pytest.raises(PeerError):
        carrier_for(name)(max_message_bytes=20).receive(big)


@each_carrier
@pytest.mark.parametrize(
    "parameters",
    [{f"k{n}": "v" for n in range(65)}, {"k" * 4097: "v"}, {"k": "v" * 4097}],
    ids=["many", "key", "value"],
)
def test_parameters_are_bounded_and_do_not_cost_the_call(name, parameters):
    server, carrier = codec_for(name)(), carrier_for(name)()
    opening = carrier.open(call_id="c", stream_id="s", caller="", callee="", parameters=parameters)[-1]
    started = only(server.receive(opening))
    assert len(started.parameters) <= json_events.MAX_PARAMETERS
    assert all(len(text) <= json_events.MAX_TEXT for pair in started.parameters.items() for text in pair)


FORMS = st.none() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.integers())
OTHER_FORMS = FORMS | st.dictionaries(WORDS, st.integers(), max_size=2) | st.booleans() | st.just("x" * 5000)
NEEDED = {
    "twilio": {"event", "start", "start.streamSid"},
    "exotel": {"event", "start", "start.stream_sid"},
    "plivo": {"event", "start", "start.streamId"},
    "telnyx": {"event", "start"},
    "vonage": {"event"},
    "genesys": {"type", "id", "parameters", "parameters.media"},
}
"""What carries audio: the message's kind, and the stream that our audio must name; for Genesys the offer."""
HOW = {
    "encoding",
    "sampleRate",
    "sample_rate",
    "content-type",
    "format",
    "channels",
    "rate",
    "seq",
    "serverseq",
    "version",
}
"""A number or a long text here says how the audio is made, or which message it is; both may rightly be refused."""


def fields(message, place=""):
    """The places of all fields in nested objects."""
    for key, value in message.items():
        yield f"{place}{key}"
        if isinstance(value, dict):
            yield from fields(value, f"{place}{key}.")


def replaced(message, place, value):
    key, _, rest = place.partition(".")
    return {**message, key: replaced(message[key], rest, value) if rest else value}


@each_carrier
@settings(max_examples=150)
@given(data=st.data())
def test_no_optional_field_of_another_form_ends_the_call(name, data):
    carrier, server = carrier_for(name)(), codec_for(name)()
    opening = carrier.open(call_id="c", stream_id="s", caller="1", callee="2", parameters={"topic": "x"})
    start = json.loads(opening[-1])
    place = data.draw(st.sampled_from(sorted(set(fields(start)) - NEEDED[name])))
    other = data.draw(OTHER_FORMS)
    if place.rpartition(".")[2] in HOW:
        other = data.draw(st.none() | st.lists(st.integers(), max_size=2) | st.just({"x": 1}))
    changed = json.dumps(replaced(start, place, other))
    assert detect(changed) == name
    for message in opening[:-1]:
        server.receive(message)
    assert isinstance(only(server.receive(changed)), StreamStarted)
    assert server.receive(carrier.audio(bytes(320), timestamp_ms=0)) == [StreamAudio(bytes(320))]


@each_carrier
def test_a_field_left_out_is_counted_and_named_in_our_words(name):
    carrier, server = carrier_for(name)(), codec_for(name)()
    opening = carrier.open(call_id="c", stream_id="s", caller="1", callee="2", parameters={"topic": "x"})
    assert server.dropped.count == 0
    start = json.loads(opening[-1])
    place = {
        "twilio": "start.mediaFormat",
        "exotel": "start.media_format",
        "plivo": "start.mediaFormat",
        "telnyx": "start.media_format",
        "vonage": "content-type",
        "genesys": "parameters.participant",
    }[name]
    server.receive(json.dumps(replaced(start, place, ["secret of the caller"])))
    assert server.dropped.count == 1
    assert place.rpartition(".")[2] in "".join(server.dropped.names)


@each_json_carrier
@pytest.mark.parametrize("track", [None, 5, ["inbound"]])
def test_audio_with_an_unreadable_track_is_the_callers(name, track):
    pair = Pair(codec_for(name)(), carrier_for(name)())
    pair.open()
    for _ in range(100):
        message = json.dumps({"event": "media", "media": {"track": track, "payload": "AAAA" * 2}})
        assert pair.to_server(message) == [StreamAudio(bytes(6))]
    assert pair.server.dropped.count == 100


@each_json_carrier
@pytest.mark.parametrize("payload", [None, 5, "AAA", ["AAAA"]])
def test_audio_that_cannot_be_read_is_malformed(name, payload):
    pair = Pair(codec_for(name)(), carrier_for(name)())
    pair.open()
    assert refused(pair.server, json.dumps({"event": "media", "media": {"payload": payload}})) == "malformed_message"


@each_carrier
@given(data=st.data())
def test_what_is_said_is_what_is_heard(name, data):
    carrier = carrier_for(name)()
    pair = Pair(codec_for(name)(), carrier)
    ids = data.draw(st.fixed_dictionaries({"call_id": NAMES, "stream_id": NAMES}))
    parameters = data.draw(st.dictionaries(WORDS.map(lambda word: f"p{word}"), WORDS, max_size=3))
    started = pair.open(**ids, caller="1", callee="2", **parameters)
    assert {"call_id": started.call_id, "stream_id": started.stream_id} == ids
    assert parameters.items() <= started.parameters.items()
    for payload in data.draw(st.lists(PCM, max_size=3)):
        assert pair.to_server(carrier.audio(payload, timestamp_ms=7)) == [StreamAudio(payload)]
        (said,) = pair.to_carrier(pair.server.audio(payload))
        assert said.payload[: len(payload)] == payload
        assert not said.payload[len(payload) :].strip(b"\x00")
    mark = data.draw(NAMES)
    asked = pair.server.mark(mark)
    if asked is None:
        assert name == "genesys"
        return
    assert pair.to_carrier(asked) == [MarkReached(mark)]
    assert pair.to_server(carrier.mark_reached(mark)) == [MarkReached(mark)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *(
            "event",
            "type",
            "start",
            "media",
            "mark",
            "dtmf",
            "stop",
            "name",
            "action",
            "payload",
            "id",
            "seq",
            "version",
        ),
        *("parameters", "extra_headers", "stream_id", "streamSid", "serverseq", "clientseq", "content-type", "digit"),
    ]
)
VALUES = st.sampled_from(
    [
        *("start", "media", "mark", "dtmf", "stop", "connected", "playAudio", "checkpoint", "playedStream"),
        *("clearedAudio", "websocket:connected", "websocket:notify", "notify", "clear", "open", "close", "ping"),
        *("event", "opened", "disconnect", "pause", "resume", "2", "audio/l16;rate=1", "error"),
    ]
)
NEARLY = st.dictionaries(KEYS, VALUES | JSON | st.dictionaries(KEYS, VALUES | JSON, max_size=3), max_size=6)
GARBAGE = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60),
    JSON.map(json.dumps),
    NEARLY.map(json.dumps),
    NEARLY.map(lambda value: json.dumps(value).encode()),
)


@each_carrier
@settings(max_examples=200)
@given(is_open=st.booleans(), messages=st.lists(GARBAGE, max_size=6))
def test_garbage_is_refused_or_ignored_and_nothing_else(name, is_open, messages):
    pair = Pair(codec_for(name)(), carrier_for(name)())
    if is_open:
        pair.open()
    for message in messages:
        detect(message)
        for codec in (pair.server, pair.carrier):
            assert outcome(codec, message) in CODES | {"taken"}
    for reply in pair.server.replies():
        msgspec.json.decode(reply)


@each_carrier
@pytest.mark.parametrize(
    "message", ["[" * 100_000, '{"event":' + "[" * 100_000, "\ud800", b"\xff{", '{"event":"\\ud800"}']
)
def test_known_traps_raise_nothing_else(name, message):
    for codec in (codec_for(name)(), carrier_for(name)()):
        with suppress(PeerError):
            codec.receive(message)
    detect(message)


@pytest.mark.parametrize("name", ["twilio", "plivo", "exotel"])
def test_a_refused_start_names_what_is_wrong_with_it(name):
    opening = carrier_for(name)().open(call_id="c", stream_id="", caller="", callee="", parameters={})[-1]
    with pytest.raises(PeerError, match="stream") as caught:
        codec_for(name)().receive(opening)
    assert caught.value.code == "malformed_message"
    assert refused(codec_for(name)(), '{"event":"start"}') == "malformed_message"


@pytest.mark.parametrize("name", ["twilio", "plivo", "exotel"])
def test_a_refused_start_may_be_said_again(name):
    pair = Pair(codec_for(name)(), carrier_for(name)())
    wrong = pair.carrier.open(call_id="x", stream_id="", caller="", callee="", parameters={})[-1]
    assert refused(pair.server, wrong) == "malformed_message"
    assert pair.open().stream_id == "stream-1"
    assert pair.to_carrier(pair.server.audio(bytes(3200))) == [StreamAudio(bytes(3200))]


@each_json_carrier
def test_marks_names_are_bounded(name):
    pair = Pair(codec_for(name)(), carrier_for(name)())
    pair.open()
    assert pair.to_server(pair.carrier.mark_reached("m" * 4097)) == []
    assert pair.server.dropped.count == 1
    assert refused(pair.carrier, pair.server.mark("m" * 4097)) == "malformed_message"


@each_json_carrier
def test_a_stop_may_come_with_a_reason_or_with_nonsense(name):
    for stop, reason in (
        ('{"reason":"gone"}', "gone"),
        ('{"reason":""}', "stop"),
        ('"x"', "stop"),
        ('{"reason":[1]}', "stop"),
    ):
        pair = Pair(codec_for(name)(), carrier_for(name)())
        pair.open()
        assert pair.to_server(f'{{"event":"stop","stop":{stop}}}') == [StreamStopped(reason)]
