import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.raw_websocket import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    FrameReader,
    client_frame,
    close_frame,
    parse_answer,
    parse_target,
    upgrade_request,
)
from vox.errors import PeerError


def server_frame(opcode, payload, *, final=True):
    head = bytes(((0x80 if final else 0) | opcode,))
    if len(payload) < 126:
        head += bytes((len(payload),))
    elif len(payload) < 65536:
        head += b"\x7e" + len(payload).to_bytes(2, "big")
    else:
        head += b"\x7f" + len(payload).to_bytes(8, "big")
    return head + payload


messages = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), st.binary(max_size=300)), max_size=8)


@given(messages, st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_frames_are_read_however_the_bytes_are_split(sent, cuts):
    data = b"".join(server_frame(opcode, payload) for opcode, payload in sent)
    reader, received, at = FrameReader(), [], 0
    while at < len(data):
        for cut in cuts:
            received += reader.feed(data[at : at + cut])
            at += cut
    assert received == sent


def test_a_message_in_pieces_is_put_together_around_a_ping():
    data = server_frame(TEXT, b"spoken ", final=False) + server_frame(PING, b"!") + server_frame(0, b"words")
    assert FrameReader().feed(data) == [(PING, b"!"), (TEXT, b"spoken words")]


def test_long_messages_use_the_long_form():
    assert FrameReader().feed(server_frame(BINARY, bytes(70_000))) == [(BINARY, bytes(70_000))]


def test_messages_beyond_the_bound_are_refused_before_they_arrive():
    with pytest.raises(PeerError) as error:
        FrameReader(max_message_bytes=1000).feed(server_frame(BINARY, bytes(2000))[:10])
    assert error.value.code == "message_too_large"


@given(st.one_of(st.text(max_size=200), st.binary(max_size=70_000)), st.binary(min_size=4, max_size=4))
def test_a_client_frame_unmasks_to_the_message(message, mask):
    frame = client_frame(message, mask)
    assert frame[1] & 0x80
    head = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    assert frame[head : head + 4] == mask
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(frame[head + 4 :]))
    assert body == (message.encode() if isinstance(message, str) else message)
    assert frame[0] & 0x0F == (TEXT if isinstance(message, str) else BINARY)


def test_a_close_frame_carries_its_code():
    assert close_frame(1000, bytes(4)) == bytes((0x80 | CLOSE, 0x82)) + bytes(4) + b"\x03\xe8"


def test_an_upgrade_is_asked_for_at_the_path_with_its_query():
    target = parse_target("ws://localhost:8080/ws?format=protobuf")
    request = upgrade_request(target, bytes(16), {"X-API-Key": "k"})
    assert request.startswith(b"GET /ws?format=protobuf HTTP/1.1\r\nHost: localhost:8080\r\n")
    assert b"\r\nX-API-Key: k\r\n" in request
    assert request.endswith(b"\r\n\r\n")
    assert parse_target("wss://example.org/x").port == 443


def test_a_port_of_zero_is_not_taken_for_a_missing_one():
    assert parse_target("ws://localhost:0/ws").port == 0


def test_the_answer_is_read_when_it_is_whole():
    head = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\nrest"
    assert parse_answer(head[:20]) is None
    answer = parse_answer(head)
    assert answer is not None
    assert (answer.status, answer.headers["retry-after"], answer.rest) == (503, "7", b"rest")


@pytest.mark.parametrize("data", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"x" * 70_000])
def test_what_is_not_http_is_refused(data):
    with pytest.raises(PeerError):
        parse_answer(data)
