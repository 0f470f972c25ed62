import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.files.gifs import page_of

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "file", "hd", "gif", "url"]), inner, max_size=3))  # fmt: skip


@given(JSON)
def test_any_json_is_read_or_malformed(value):
    try:
        page_of(msgspec.json.encode(value), 5)
    except msgspec.DecodeError:
        return


def test_no_more_than_were_asked_for():
    file = {"hd": {"gif": {"url": "https://x.test/", "width": 1, "height": 1}}}
    body = msgspec.json.encode({"data": {"data": [{"id": n, "file": file} for n in range(9)], "has_next": True}})
    page = page_of(body, 5)
    assert [gif.id for gif in page.results] == ["0", "1", "2", "3", "4"]


def test_garbage():
    with pytest.raises(msgspec.DecodeError):
        page_of(b"<html>", 5)
