import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.media.framing import Grid, padded


@given(st.lists(st.binary(max_size=1000)), st.integers(1, 320))
def test_frames_have_one_size_and_lose_nothing(pieces, size):
    grid = Grid(size, max_frames=1000)
    frames = [frame for piece in pieces for frame in grid.push(piece)]
    assert {len(frame) for frame in frames} <= {size}
    rest = grid._rest
    assert b"".join(frames) + rest == b"".join(pieces)
    assert grid.pending_bytes < size


def test_a_burst_keeps_its_newest_frames_and_counts_the_others():
    grid = Grid(2, max_frames=3)
    assert grid.push(b"a") == []
    assert grid.push(b"abbccddeef") == [b"cc", b"dd", b"ee"]
    assert grid.dropped_frames == 2
    assert grid.push(b"f") == [b"ff"]


def test_flush_pads_the_unfinished_frame_once():
    grid = Grid(6, max_frames=3)
    assert grid.flush(b"\x01\x02") is None
    grid.push(b"ab")
    assert grid.flush(b"\x01\x02") == b"ab\x01\x02\x01\x02"
    assert grid.flush(b"\x01\x02") is None


def test_padding_never_cuts():
    assert padded(b"abcd", 4, b"\0") == b"abcd"
    assert padded(b"abcd", 3, b"\0") == b"abcd"
    assert padded(b"", 5, b"xy") == b"xyxyx"


@pytest.mark.parametrize(("size", "frames"), [(0, 1), (1, 0)])
def test_an_impossible_grid_is_refused(size, frames):
    with pytest.raises(UsageError) as caught:
        Grid(size, frames)
    assert caught.value.code == "invalid_frame_size"
