"""The pipe between a driver and its workers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.workers.framing import MAX_FRAME, Unframer, frame


class Piece(msgspec.Struct, array_like=True):
    number: int
    audio: bytes


@given(st.lists(st.builds(Piece, st.integers(0, 1 << 40), st.binary()), max_size=5), st.integers(1, 50))
def test_frames_arrive_however_the_pipe_cuts_them(messages, size):
    stream = b"".join(frame(message) for message in messages)
    unframer = Unframer()
    arrived = [
        msgspec.msgpack.decode(body, type=Piece)
        for start in range(0, len(stream), size)
        for body in unframer.feed(stream[start : start + size])
    ]
    assert arrived == messages


def test_a_frame_that_is_too_long_is_refused_before_its_body():
    with pytest.raises(ValueError, match="bytes"):
        list(Unframer().feed((MAX_FRAME + 1).to_bytes(4, "big")))
