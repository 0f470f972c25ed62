from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.spaces.positions import moved


@given(st.lists(st.integers(), unique=True, min_size=1), st.data())
def test_a_move_keeps_everything_else_in_its_order(order: list[int], data: st.DataObject):
    item = data.draw(st.sampled_from(order))
    index = data.draw(st.integers(-5, 100))
    after = moved(order, item, index)
    assert sorted(after) == sorted(order)
    assert [other for other in after if other != item] == [other for other in order if other != item]
    assert after.index(item) == max(0, min(index, len(order) - 1))


def test_what_was_elsewhere_joins_at_its_place():
    assert moved([1, 2], 9, 1) == [1, 9, 2]
    assert moved([], 9, 4) == [9]
