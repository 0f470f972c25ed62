from hypothesis import given
from hypothesis import strategies as st

from vox.chat.imports.fields import object_of, objects_of, text_of

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a"]), inner, max_size=2),
    max_leaves=8,
)


def test_what_is_there_is_read():
    value = {
        "id": 7,
        "size": 7,
        "name": "ada",
        "author": {"id": "1"},
        "files": [{"n": 1}, "no object", {"n": 2}, {"n": 3}],
    }
    assert [text_of(value, name) for name in ("id", "size", "name", "author", "absent")] == ["7", "", "ada", "", ""]
    assert (object_of(value, "author"), object_of(value, "name")) == ({"id": "1"}, {})
    assert objects_of(value, "files", 3) == [{"n": 1}, {"n": 2}]
    assert objects_of(value, "author", 3) == []


@given(st.dictionaries(st.sampled_from(["id", "a"]), anything), st.sampled_from(["id", "a"]))
def test_whatever_stands_there_is_of_the_kind_that_was_asked_for(value: dict[str, object], name: str):
    assert isinstance(text_of(value, name), str)
    assert isinstance(object_of(value, name), dict)
    assert all(isinstance(one, dict) for one in objects_of(value, name, 2))
    assert len(objects_of(value, name, 2)) <= 2
