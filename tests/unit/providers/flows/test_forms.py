"""How tables of spoken forms are read."""

from vox.providers.flows.forms import IMPOSSIBLE, may_begin, read_forms, table, word_at
from vox.providers.flows.patterns import parse_pattern

COLOURS = table({"red": 1, "green": 2})
FORMS = (
    (parse_pattern("the {colour} [one]"), lambda parts: parts["colour"]),
    (parse_pattern("the {colour} two"), lambda _: None),
)


def test_every_end_of_a_form_is_read_the_longest_first():
    assert read_forms(FORMS, ("the", "red", "one"), 0, {"colour": COLOURS}) == [(3, 1), (2, 1)]


def test_a_form_without_a_meaning_is_impossible_and_hides_no_other():
    assert read_forms(FORMS, ("the", "green", "two"), 0, {"colour": COLOURS}) == [(3, IMPOSSIBLE), (2, 2)]


def test_words_beyond_the_ends_are_empty():
    assert [word_at(("a",), at) for at in (-1, 0, 1)] == ["", "a", ""]
    assert COLOURS(("red",), 1) == []


def test_figures_may_begin_anything():
    assert may_begin(frozenset({"the"}), "4th")
    assert not may_begin(frozenset({"the"}), "a")
