"""What every dialect uses."""

import pytest

from vox.providers.stt._dialect import MAX_PHRASES, chosen_phrases, reader, spoken_confidence
from vox.providers.stt.contract import Word


def test_phrases_are_each_once_without_marks_and_bounded():
    assert chosen_phrases(("Anna",), ("yes?", "Anna", "  ", "a" * 51)) == ("Anna", "yes")
    assert len(chosen_phrases((), [str(number) for number in range(500)])) == MAX_PHRASES


def test_confidence_is_the_mean_of_what_is_known():
    words = [Word("a", 0, 1, 0.5), Word("b", 1, 2, None), Word("c", 2, 3, 1.0)]
    assert spoken_confidence(words) == pytest.approx(0.75)
    assert spoken_confidence([Word("a", 0, 1)]) is None


@pytest.mark.parametrize("message", ["", "{", "[]", b"\xff", "[" * 5000])
def test_what_is_not_of_the_form_is_a_value_error(message):
    with pytest.raises(ValueError, match="documented form"):
        reader(dict[str, str])(message)
