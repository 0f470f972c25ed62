"""Google's messages, beside Google's own message library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.vendors.google_messages import decode_request, encode_response
from vox.providers.stt import _google_wire as wire
from vox.providers.stt.contract import Word


@given(
    st.text(max_size=200), st.text(max_size=40), st.integers(8000, 48_000), st.lists(st.text(max_size=50), max_size=5)
)
def test_a_configuration_reads_as_it_was_written(recognizer, model, sample_rate, phrases):
    request = decode_request(wire.streaming_config(recognizer, model, "de-DE", sample_rate, tuple(phrases), 12.5))
    assert request["recognizer"] == recognizer
    assert (request["model"], request["languages"], request["sample_rate"]) == (model, ["de-DE"], sample_rate)
    assert request["interim"] is True
    assert (request["phrases"], request["boosts"]) == (phrases, [12.5] * len(phrases))
    assert request["audio"] == b""


@given(st.binary(max_size=20_000))
def test_audio_goes_as_it_is(pcm):
    assert decode_request(wire.audio(pcm))["audio"] == pcm


def test_results_have_their_words():
    (result,) = wire.results(encode_response("guten Tag", is_final=True))
    assert (result.text, result.is_final, result.confidence, result.language) == ("guten Tag", True, 0.75, "en-us")
    assert result.words == (Word("guten", 0.0, 0.2, 0.75), Word("Tag", 0.2, 0.4, 0.75))
    (interim,) = wire.results(encode_response("guten", is_final=False))
    assert (interim.is_final, interim.confidence, interim.words) == (False, None, ())


@given(st.text(max_size=50).filter(str.strip), st.integers(1, 200))
def test_half_a_message_is_garbage_or_less(text, cut):
    whole = encode_response(text, is_final=True)
    try:
        results = wire.results(whole[:-cut])
    except ValueError:
        return
    assert len(results) <= 1


@given(st.binary(max_size=200))
def test_noise_raises_nothing_but_a_value_error(data):
    try:
        wire.results(data)
    except ValueError:
        return


@pytest.mark.parametrize("data", [b"\xff" * 11, b"\x33", b"\x35\x01"])
def test_broken_fields_are_refused(data):
    with pytest.raises(ValueError, match=r"half|wire type"):
        wire.results(data)
