"""The wire format of the gateway: numbers and headers spliced as a plain encoder would write them."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.protocols import gateway
from vox.protocols.gateway import CloseCode

contents = st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none()), max_size=4)


def unframed(data):
    found = []
    while data:
        assert data[0] == 0x81
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        found.append(json.loads(data[start : start + size]))
        data = data[start + size :]
    return found


@given(st.lists(contents, min_size=1, max_size=12), st.integers(1, 10**12))
def test_a_run_is_what_single_frames_would_be(payloads, first_seq):
    tails = [gateway.tail("e", payload) for payload in payloads]
    expected = [{"seq": first_seq + n, "type": "e", "d": payload} for n, payload in enumerate(payloads)]
    assert unframed(gateway.framed_run(first_seq, tails)) == expected
    assert [json.loads(gateway.numbered(first_seq + n, one)) for n, one in enumerate(tails)] == expected


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_headers_change_where_the_rfc_says(size):
    header = gateway.header(size)
    assert len(header) == (2 if size < 126 else 4 if size < 65_536 else 10)
    assert gateway.header(1, is_text=False)[0] == 0x82


def test_a_percent_sign_in_a_header_or_a_text_is_no_directive():
    tail = gateway.tail("e", {"body": "100 % %d" + "x" * 0x25})
    for padding in range(300):
        frames = gateway.framed_run(99, [tail + b" " * padding] * 2)
        assert [frame["seq"] for frame in unframed(frames)] == [99, 100]


def test_one_width():
    assert gateway.is_one_width(10, 90)
    assert not gateway.is_one_width(10, 91)


@pytest.mark.parametrize("bad", ["", "[]", "1", '{"type":1}', '{"d":{}}', "{", '{"type":"x","d":' + "[" * 100_000])
def test_what_is_no_message_is_a_value_error(bad):
    with pytest.raises(ValueError, match=r"."):
        gateway.decode_client(bad)
    with pytest.raises(ValueError, match=r"."):
        gateway.decode_server(bad)


def test_unnumbered_frames():
    assert json.loads(gateway.HELLO) == {"type": "hello", "d": {"heartbeat_interval": 45000}}
    assert json.loads(gateway.HEARTBEAT_ACK) == {"type": "heartbeat_ack"}
    assert json.loads(gateway.error_frame("A", "b")) == {"type": "error", "d": {"code": "A", "message": "b"}}
    assert msgspec.json.decode(gateway.encode_client("heartbeat")) == {"type": "heartbeat"}


def test_every_close_code_has_one_meaning_for_a_client():
    final = set(CloseCode) - gateway.RESUMABLE - gateway.FRESH - gateway.RETRY_LATER
    assert {int(code) for code in final} == {4001, 4002, 4003, 4004, 4005, 4011}
    assert not gateway.RESUMABLE & gateway.FRESH
