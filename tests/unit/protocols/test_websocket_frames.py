import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.websocket_frames import header, server_frame


def parsed(data: bytes) -> tuple[int, bytes]:
    """Opcode and payload of one frame, read by the letter of RFC 6455 section 5.2."""
    first, second = data[0], data[1]
    assert first & 0x80, "not final"
    assert not first & 0x70, "reserved bits"
    assert not second & 0x80, "masked"
    length, at = second & 0x7F, 2
    if length == 126:
        (length,), at = struct.unpack("!H", data[2:4]), 4
        assert length > 125, "not the shortest form"
    elif length == 127:
        (length,), at = struct.unpack("!Q", data[2:10]), 10
        assert length > 0xFFFF, "not the shortest form"
    assert len(data) == at + length
    return first & 0x0F, data[at:]


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_a_message_is_one_frame(message: str | bytes):
    opcode, payload = parsed(server_frame(message))
    assert (opcode, payload) == ((1, message.encode()) if isinstance(message, str) else (2, message))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_the_length_has_its_shortest_form(size: int):
    assert parsed(header(size) + bytes(size)) == (1, bytes(size))
    assert parsed(server_frame(bytes(size))) == (2, bytes(size))
