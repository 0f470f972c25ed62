"""One stream of two sides."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from vox.media.recording.mixing import channels, joined

PAIRS = st.lists(st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767)), max_size=50)


@given(PAIRS)
def test_one_channel_has_both_at_their_own_level(pairs: list[tuple[int, int]]):
    caller, agent = (array("h", side).tobytes() for side in ([one for one, _ in pairs], [other for _, other in pairs]))
    mixed = array("h", joined(caller, agent, "mono"))
    assert list(mixed) == [max(-32768, min(32767, one + other)) for one, other in pairs]


@given(PAIRS)
def test_two_channels_have_the_caller_left(pairs: list[tuple[int, int]]):
    caller, agent = (array("h", side).tobytes() for side in ([one for one, _ in pairs], [other for _, other in pairs]))
    assert list(array("h", joined(caller, agent, "stereo"))) == [sample for pair in pairs for sample in pair]


def test_how_many_channels_there_are():
    assert (channels("mono"), channels("stereo")) == (1, 2)
