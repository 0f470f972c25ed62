"""The framing of streamed answers; its dialects are also rows of `chat_dialects`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import DependencyError
from vox.providers.llm import _event_stream
from vox.providers.llm._event_stream import EventStream, StreamEvent


def read(*pieces: bytes, is_document: bool = False):
    stream = EventStream(is_document=is_document)
    return [*(event for piece in pieces for event in stream.feed(piece)), *stream.finish()]


def test_events_have_names_and_data():
    body = b'event: error\ndata: {"a":\ndata: 1}\n\ndata: [DONE]\n\n'
    assert read(body) == [StreamEvent("error", {"a": 1}), StreamEvent("", "[DONE]")]


def test_events_come_as_soon_as_they_are_complete():
    stream = EventStream()
    assert stream.feed(b'data: {"a": 1}\n') == []
    assert stream.feed(b"\n") == [StreamEvent("", {"a": 1})]


def test_a_document_is_read_whole():
    assert read(b'{\n"a":', b" 1\n}", is_document=True) == [StreamEvent("", {"a": 1})]
    assert read(b'data: {"a": 1}\n\n', is_document=True) == [StreamEvent("", {"a": 1})], "a wrong content type"


def test_characters_cut_by_the_network_are_whole():
    body = 'data: {"a": "\N{GRINNING FACE}"}\n\n'.encode()
    assert read(*(body[n : n + 1] for n in range(len(body)))) == [StreamEvent("", {"a": "\N{GRINNING FACE}"})]


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 64, b"data: x\n" * 40])
def test_an_event_is_bounded(monkeypatch, piece):
    monkeypatch.setattr(_event_stream, "MAX_EVENT_CHARACTERS", 32)
    with pytest.raises(DependencyError):
        read(piece)


@given(st.lists(st.binary(max_size=30), max_size=5), st.booleans())
def test_any_bytes_are_read(pieces: list[bytes], is_document: bool):
    read(*pieces, is_document=is_document)
