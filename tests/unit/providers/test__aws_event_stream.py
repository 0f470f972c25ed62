"""AWS's event stream encoding, against the test vectors of AWS's own clients and by properties."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.providers._aws_event_stream import EventMessage, EventStreamDecoder, encode

# The vectors that AWS publishes with its clients (aws-c-event-stream).
EMPTY = bytes.fromhex("0000001000000000 05c248eb 7d98c8ff".replace(" ", ""))
PAYLOAD = bytes.fromhex("0000001d00000000 fd528c5a 7b27666f6f273a27626172277d c3653936".replace(" ", ""))
HEADERS = bytes.fromhex(
    "0000003d00000020 07fd8396 0c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
    " 7b27666f6f273a27626172277d 8d9c08b1".replace(" ", "")
)

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
values = (
    st.text(max_size=60)
    | st.binary(max_size=60)
    | st.booleans()
    | st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)
    | st.integers(min_value=0, max_value=4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms // 1000, UTC))
)
messages = st.builds(EventMessage, st.binary(max_size=200), st.dictionaries(names, values, max_size=5))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (EMPTY, EventMessage()),
        (PAYLOAD, EventMessage(b"{'foo':'bar'}")),
        (HEADERS, EventMessage(b"{'foo':'bar'}", {"content-type": "application/json"})),
    ],
)
def test_the_published_vectors(data, message):
    assert encode(message) == data
    assert EventStreamDecoder().feed(data) == [message]


@given(st.lists(messages, max_size=4), st.integers(min_value=1, max_value=50))
def test_what_is_encoded_is_decoded_wherever_it_is_cut(sent, size):
    data = b"".join(map(encode, sent))
    decoder = EventStreamDecoder()
    received = [message for at in range(0, len(data), size) for message in decoder.feed(data[at : at + size])]
    assert received == sent
    assert decoder.is_whole


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_a_peer_error(data):
    decoder = EventStreamDecoder()
    with suppress(PeerError):
        decoder.feed(data)


@given(st.integers(min_value=0, max_value=len(HEADERS) - 1), st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_is_noticed(at, change):
    data = bytearray(HEADERS)
    data[at] ^= change
    decoder = EventStreamDecoder()
    with suppress(PeerError):
        assert decoder.feed(bytes(data)) == []  # a longer length waits for more


def test_a_message_that_is_not_whole_is_known():
    decoder = EventStreamDecoder()
    assert decoder.feed(HEADERS[:-1]) == []
    assert not decoder.is_whole
