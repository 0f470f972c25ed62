"""JSON from a client that may send anything fails in one way."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols.agent_events import ClientAudio
from vox.protocols.json_edge import (
    MAX_LARGE_VALUES,
    MAX_PLAIN_BYTES,
    read_audio,
    read_fields,
    read_object,
    refuse_context,
    write_object,
)


class Fields(msgspec.Struct):
    text: str = ""
    count: int = 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=5))
def test_what_is_written_is_read(value: dict[str, Any]):
    assert read_object(write_object(value), max_bytes=1 << 20) == value
    assert read_object(write_object(value).decode(), max_bytes=1 << 20) == value


def test_what_json_has_no_word_for_becomes_text():
    assert write_object({"at": datetime(2026, 1, 2, tzinfo=UTC), "what": ValueError("x")}).count(b'"') == 8


@pytest.mark.parametrize("message", ["", "[]", "null", "{", "\ud800", b"\xff", '{"a":' * 100_000])
def test_what_is_no_object_is_malformed(message):
    with pytest.raises(PeerError) as caught:
        read_object(message, max_bytes=1 << 20)
    assert caught.value.code == "malformed_message"


def test_a_message_over_the_limit_is_refused_before_it_is_read():
    assert read_object("{}", max_bytes=2) == {}
    with pytest.raises(PeerError) as caught:
        read_object("{{{", max_bytes=2)
    assert (caught.value.code, caught.value.hint != "") == ("message_too_large", True)


@pytest.mark.parametrize("value", ["1,", "[],", "{},", '"é",'])
def test_a_long_message_of_many_values_is_refused_unread(value: str):
    many = '{"a":[' + value * (MAX_PLAIN_BYTES // len(value)) + "1]}"
    for message in (many, many.encode()):
        with pytest.raises(PeerError, match="too many values") as caught:
            read_object(message, max_bytes=1 << 20)
        assert caught.value.code == "malformed_message"


def test_a_long_message_of_audio_or_text_is_read():
    audio = {"audio": "QUJD" * (1 << 17), "batch": ["QUJD" * 20] * (MAX_LARGE_VALUES // 2)}
    assert read_object(write_object(audio), max_bytes=1 << 20) == audio
    short = {"a": [1] * (MAX_PLAIN_BYTES // 4)}
    assert read_object(write_object(short), max_bytes=1 << 20) == short


def test_missing_objects_are_empty_and_unknown_fields_ignored():
    assert read_fields(None, Fields, "text") == Fields()
    assert read_fields({"text": "a", "more": 1}, Fields, "text") == Fields("a")


@pytest.mark.parametrize("data", [{"text": 5}, {"count": "x"}, [], "x"])
def test_a_wrong_field_is_named_and_its_value_is_not(data):
    with pytest.raises(PeerError, match="settings: ") as caught:
        read_fields(data, Fields, "settings")
    assert caught.value.code == "malformed_message"


def test_audio_has_usual_values_where_none_are_given():
    assert read_audio(b"ab", 0, 0) == [ClientAudio(b"ab", 16_000, 1)]
    assert read_audio(b"abcd", 48_000, 2) == [ClientAudio(b"abcd", 48_000, 2)]
    assert read_audio(b"", 16_000, 1) == []


@pytest.mark.parametrize(("pcm", "rate", "channels"), [(b"ab", 700, 1), (b"ab", 16_000, 3), (b"ab", -1, 1), (b"a", 16_000, 1), (b"ab", 16_000, 2), (b"ab", 16_000, -1)])  # fmt: skip
def test_impossible_audio_is_refused(pcm, rate, channels):
    with pytest.raises(PeerError) as caught:
        read_audio(pcm, rate, channels)
    assert caught.value.code == "malformed_message"


def test_rewriting_the_conversation_is_refused_with_the_setting_that_allows_it():
    error = refuse_context("an update")
    assert error.code == "context_not_allowed"
    assert "allow_client_context" in str(error)
