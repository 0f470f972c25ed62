from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.encoding import decode, encode

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.none() | st.dictionaries(st.text(), VALUES, max_size=4), st.booleans())
def test_what_is_kept_comes_back(body, wants_ice):
    session = StoredSession(body, wants_ice)
    assert decode(encode(session)) == session


def test_the_names_are_those_that_other_servers_write():
    assert msgspec.json.decode(encode(StoredSession({"a": 1}, enable_default_ice_servers=True))) == {
        "Body": {"a": 1},
        "EnableDefaultIceServers": True,
    }
    assert decode(b'{"Body":null,"EnableDefaultIceServers":false,"New":1}') == StoredSession()


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"Body": 1}', b'{"EnableDefaultIceServers": "yes"}', b"\xff"])
def test_other_data_is_refused(data):
    with pytest.raises(ValueError):
        decode(data)
