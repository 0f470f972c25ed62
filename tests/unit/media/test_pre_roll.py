from hypothesis import given
from hypothesis import strategies as st

from vox.media.pre_roll import PreRoll


@given(st.lists(st.binary(max_size=50)), st.integers(0, 120))
def test_it_keeps_exactly_the_newest_bytes(pieces, limit):
    ring = PreRoll(limit)
    held = b""
    for piece in pieces:
        ring.append(piece)
        held = (held + piece)[-limit:] if limit else b""
        assert len(ring) == len(held)
    assert ring.take() == held
    assert ring.take() == b""


def test_memory_stays_bounded_over_a_long_call():
    ring = PreRoll(3200)
    for _ in range(10_000):
        ring.append(bytes(320))
    assert len(ring._chunks) == 10
