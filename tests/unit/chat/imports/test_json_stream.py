import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox.chat.imports import json_stream
from vox.chat.imports.json_stream import stream_array, stream_object
from vox.errors import UsageError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


class Dribble(io.BytesIO):
    """A file that gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(7, size) if size and size > 0 else 7)


@given(st.lists(VALUES, max_size=8), st.sampled_from([None, 2]))
def test_an_array_comes_out_item_by_item_however_its_bytes_arrive(items, indent):
    text = json.dumps(items, indent=indent).encode()
    assert list(stream_array(Dribble(text), "x")) == items


@given(
    st.dictionaries(st.text(max_size=5).filter(lambda key: key != "messages"), VALUES, max_size=4),
    st.lists(VALUES, max_size=5),
)
def test_an_object_gives_its_members_and_the_items_of_the_one(members, items):
    text = json.dumps({**members, "messages": items, "messageCount": len(items)}).encode()
    expected = [*members.items(), *(("messages", item) for item in items), ("messageCount", len(items))]
    assert list(stream_object(Dribble(b"\xef\xbb\xbf" + text), "x", "messages")) == expected


@settings(max_examples=100)
@given(st.lists(VALUES, min_size=1, max_size=4), st.data())
def test_no_cut_passes_unseen(items, data):
    text = json.dumps(items).encode()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(UsageError) as caught:
        list(stream_array(io.BytesIO(cut), "part.json"))
    assert caught.value.code == "archive_damaged"
    assert "part.json" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[1 2]", b"[1,]", b"[1] more", b"[" * 100_000, b"[" + b'{"a":' * 50_000, b"[NaN", b"[" + b"9" * 5000 + b"]",
        b'["\x00"]', b"nonsense", b'[{"a" 1}]', b"\xff\xfe[\x001",
    ],
)  # fmt: skip
def test_what_is_no_array_is_refused_by_name(text):
    with pytest.raises(UsageError) as caught:
        list(stream_array(io.BytesIO(text), "x"))
    assert caught.value.code == "archive_damaged"


@pytest.mark.parametrize("text", [b"[]", b"{1: 2}", b'{"a" 1}', b'{"a": 1 "b"}', b'{"a": 1}}', b'{"messages": [1, 2'])
def test_what_is_no_object_is_refused_by_name(text):
    with pytest.raises(UsageError) as caught:
        list(stream_object(io.BytesIO(text), "x", "messages"))
    assert caught.value.code == "archive_damaged"


def test_a_value_has_a_largest_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_stream, "LARGEST_VALUE", 1000)
    monkeypatch.setattr(json_stream, "CHUNK", 100)
    assert list(stream_array(io.BytesIO(b'["' + b"a" * 900 + b'"]'), "x")) == ["a" * 900]
    with pytest.raises(UsageError, match="too large"):
        list(stream_array(io.BytesIO(b'["' + b"a" * 100_000 + b'"]'), "x"))


def test_empty_ones_are_empty():
    assert list(stream_array(io.BytesIO(b" [ ] "), "x")) == []
    assert list(stream_object(io.BytesIO(b" { } "), "x", "messages")) == []
    assert list(stream_object(io.BytesIO(b'{"messages": []}'), "x", "messages")) == []
