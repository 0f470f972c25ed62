"""What a carrier's JSON may say: bounded, checked, and refused with a code."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols.carriers import json_events
from vox.protocols.media_stream import DigitPressed, StreamAudio

ANYTHING = msgspec.json.Decoder(dict[str, Any])


def refused(code: str):
    return pytest.raises(PeerError, check=lambda error: error.code == code)


@pytest.mark.parametrize("message", ["{", "[]", "", "\ud800", b"\xff", b'{"a":"\xff"}', '{"a":' * 100_000])
def test_what_is_no_object_is_malformed_and_not_quoted(message):
    with refused("malformed_message") as caught:
        json_events.decode(ANYTHING, message, 1 << 20)
    assert len(str(caught.value)) < 200


def test_the_limit_is_the_largest_message_that_is_taken():
    assert json_events.decode(ANYTHING, "{}", 2) == {}
    with refused("message_too_large"):
        json_events.decode(ANYTHING, "{} ", 2)


@given(st.binary(max_size=200))
def test_base64_stands_inside_json_as_it_is(payload):
    text = json_events.base64_text(payload)
    assert json.loads(f'"{text}"') == text
    assert msgspec.json.decode(f'"{text}"', type=bytes) == payload


@given(st.text(max_size=100))
def test_a_quoted_text_is_the_text(text):
    assert json.loads(json_events.quoted(text)) == text


def test_half_characters_become_question_marks():
    assert json.loads(json_events.quoted("a\ud800b")) == "a?b"


def test_audio_counts_between_start_and_stop():
    assert json_events.audio_events(b"ab", "streaming", "s16le") == [StreamAudio(b"ab")]
    assert json_events.audio_events(b"abc", "streaming", "mulaw") == [StreamAudio(b"abc")]
    assert json_events.audio_events(b"", "streaming", "mulaw") == []
    assert json_events.audio_events(b"ab", "stopped", "mulaw") == []
    with refused("out_of_order_message"):
        json_events.audio_events(b"ab", "waiting", "mulaw")
    with refused("malformed_message"):
        json_events.audio_events(b"abc", "streaming", "s16le")


@pytest.mark.parametrize(("text", "digit"), [("5", "5"), ("a", "A"), ("#1", "#"), ("", ""), ("x", ""), ("é", "")])
def test_the_first_character_is_the_key(text, digit):
    assert json_events.digit_events(text) == ([DigitPressed(digit)] if digit else [])


def test_identifiers_are_there_and_short():
    assert json_events.identifier("id", "name") == "id"
    assert json_events.identifier("", "name", may_be_empty=True) == ""
    for text in ("", "x" * (json_events.MAX_TEXT + 1)):
        with refused("malformed_message"):
            json_events.identifier(text, "name")


def test_parameters_are_texts():
    raw = {"a": "x", "b": 1, "c": True, "d": 1.5, "e": None, "f": {}, "g": [], "h": ""}
    assert json_events.parameters(raw) == {"a": "x", "b": "1", "c": "true", "d": "1.5", "h": ""}


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ({"": "x"}, {}),
        ({"a": "x" * 5000, "b": "y"}, {"b": "y"}),
        ({"a" * 5000: "x"}, {}),
        ({str(number): "" for number in range(70)}, {str(number): "" for number in range(64)}),
        *((raw, {}) for raw in (None, 5, "x", [{"name": "a"}])),
    ],
)
def test_parameters_are_bounded_and_what_is_beyond_is_left_out(raw, kept):
    assert json_events.parameters(raw) == kept


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("audio/x-mulaw", "mulaw"), (" PCMA ", "alaw"), ("audio/x-l16;rate=16000", "s16le"), ("L16", "s16le")],
)
def test_an_encoding_has_many_names(name, encoding):
    assert json_events.media_encoding(name) == encoding


@pytest.mark.parametrize("name", ["", "opus", "x" * 10_000])
def test_an_encoding_that_cannot_be_decoded_is_refused_with_a_remedy(name):
    with refused("unsupported_media") as caught:
        json_events.media_encoding(name)
    assert "G.711" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [8000, "16000", "24000", 48000, 8000.0])
def test_rates_are_numbers_or_texts(value):
    assert json_events.media_rate(value) == int(value)


@pytest.mark.parametrize(
    "value", [0, -8000, 8000.5, float("inf"), "", "x", "8000.0", "٨٠٠٠", "0008000", 44_100, "9" * 5000]
)
def test_other_rates_are_refused(value):
    with refused("unsupported_media"):
        json_events.media_rate(value)
