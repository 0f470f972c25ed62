import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.located_yaml import read_located
from vox.errors import UsageError


def test_every_part_has_its_line():
    read = read_located("a: 1\nlist:\n  - x\n  - y: true\n", "f.yaml")
    assert read.value == {"a": 1, "list": ["x", {"y": True}]}
    assert [read.line(path) for path in (("a",), ("list",), ("list", 1), ("list", 1, "y"))] == [1, 2, 4, 4]


def test_a_part_that_is_not_there_has_the_line_of_what_is_around_it():
    assert read_located("\n\na:\n  b: 1\n", "f.yaml").line(("a", "nothing", 3)) == 3
    assert read_located("", "f.yaml").line(("a",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("11:30", "11:30"),
        ("0123", "0123"),
        ("+15550100", "+15550100"),
        ("true", True),
        ("null", None),
        ("-4", -4),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ('"4"', "4"),
        ("'true'", "true"),
    ],
)
def test_only_true_false_null_and_numbers_are_no_text(text: str, value: object):
    assert read_located(f"v: {text}", "f.yaml").value == {"v": value}


def test_json_is_read_too():
    assert read_located('[{"name": "a", "n": 1.5}]', "f.json").value == [{"name": "a", "n": 1.5}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [\n", "line 2 is not YAML"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice"),
        ("? [a]\n: 1\n", "line 1: a key has to be a text"),
        ("[" * 60 + "]" * 60, "too deeply nested"),
        ("&a [*a]", "too deeply nested"),
        ("a: \x07", "is not YAML"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, said: str):
    with pytest.raises(UsageError, match=r"f\.yaml") as error:
        read_located(text, "f.yaml")
    assert said in str(error.value)
    assert error.value.code == "bad_scenario"


@given(st.text())
def test_no_text_breaks_it(text: str):
    try:
        read_located(text, "f.yaml")
    except UsageError as error:
        assert error.code == "bad_scenario"  # noqa: PT017  both outcomes are right
