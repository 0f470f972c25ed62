"""Slash commands: the words behind them become options, or the one that does not fit is named."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.errors import Refusal
from vox.chat.integrations.commands import Command, command_name, problem_with_params, read_params

WORDS = st.text(
    alphabet=st.characters(blacklist_categories=("Z", "C"), blacklist_characters='="\\'), min_size=1, max_size=12
)


def command(*params: dict[str, Any]) -> Command:
    return msgspec.convert({"name": "do", "params": list(params)}, Command)


INTEGER = {"name": "n", "type": "integer"}
TEXT = {"name": "text"}
FLAG = {"name": "loud", "type": "boolean"}


@pytest.mark.parametrize(
    ("body", "name"), [("/roll 6", "roll"), ("/roll", "roll"), ("/", ""), ("/ x", ""), ("roll", ""), ("/a\nb", "a")]
)
def test_the_name_is_the_word_behind_the_slash(body: str, name: str):
    assert command_name(body) == name


def test_without_declared_options_the_words_arrive_as_they_are():
    assert read_params(command(), '/do a=1 flag b="x y=2 a=3') == {"a": "3", "flag": True, "b": '"x', "y": "2"}


@pytest.mark.parametrize(
    ("params", "words", "expected"),
    [
        ([INTEGER], "5", {"n": 5}),
        ([INTEGER], "n=-5", {"n": -5}),
        ([INTEGER, TEXT], "5 buy some  milk", {"n": 5, "text": "buy some  milk"}),
        ([INTEGER, TEXT], 'text="buy \\"milk\\"" 5', {"n": 5, "text": 'buy "milk"'}),
        ([INTEGER, TEXT], "5 see http://x/?a=b", {"n": 5, "text": "see http://x/?a=b"}),
        ([TEXT], 'x="y z"', {"text": 'x="y z"'}),
        ([FLAG, TEXT], "loud hello", {"loud": True, "text": "hello"}),
        ([FLAG, TEXT], "loud=no hello you", {"loud": False, "text": "hello you"}),
        ([TEXT, INTEGER], 'n=3 "two words"', {"text": "two words", "n": 3}),
        ([{"name": "x", "type": "number"}], "1.5", {"x": 1.5}),
        ([{"name": "u", "type": "user"}], "<@42>", {"u": 42}),
        ([{"name": "u", "type": "user"}], "42", {"u": 42}),
        ([{"name": "r", "type": "role"}], "<@&7>", {"r": 7}),
        ([{"name": "f", "type": "feed"}], "<#7>", {"f": 7}),
        ([{"name": "c", "choices": [{"name": "Red", "value": "r"}]}], "r", {"c": "r"}),
        ([{"name": "c", "choices": [{"name": "Red", "value": "r"}]}], "Red", {"c": "r"}),
        ([{"name": "c", "type": "integer", "choices": [{"name": "one", "value": 1}]}], "one", {"c": 1}),
        ([INTEGER], "", {}),
        ([], "", {}),
    ],
)
def test_declared_options_are_read_by_their_types(params: list[dict[str, Any]], words: str, expected: dict[str, Any]):
    assert read_params(command(*params), f"/do {words}") == expected


@pytest.mark.parametrize(
    ("params", "words", "named"),
    [
        ([{**INTEGER, "required": True}], "", "n"),
        ([INTEGER], "x", "n"),
        ([INTEGER], "1.5", "n"),
        ([INTEGER], "٣", "n"),
        ([INTEGER], "9" * 30, "n"),
        ([{**INTEGER, "min": 1}], "0", "n"),
        ([{**INTEGER, "max": 9}], "10", "n"),
        ([{**TEXT, "min": 3}], "ab", "text"),
        ([{**TEXT, "max": 3}], "abcd", "text"),
        ([INTEGER], "n=1 n=2", "n"),
        ([FLAG], "loud=maybe", "loud"),
        ([{"name": "x", "type": "number"}], "nan", "x"),
        ([{"name": "x", "type": "number"}], "inf", "x"),
        ([{"name": "u", "type": "user"}], "<@&42>", "u"),
        ([{"name": "u", "type": "user"}], "bob", "u"),
        ([{"name": "u", "type": "user"}], "9" * 30, "u"),
        ([{"name": "c", "choices": [{"name": "Red", "value": "r"}]}], "blue", "c"),
        ([INTEGER], "1 2", "2"),
        ([INTEGER], " ".join("x" * 300), "200 words"),
    ],
)
def test_what_does_not_fit_is_named(params: list[dict[str, Any]], words: str, named: str):
    with pytest.raises(Refusal, match=named) as refused:
        read_params(command(*params), f"/do {words}")
    assert refused.value.wire_code == "VALIDATION_ERROR"


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_the_last_text_takes_the_rest_of_the_line(words: list[str]):
    line = " ".join(words)
    assert read_params(command(TEXT), f"/do {line}") == {"text": line}


@given(st.text(max_size=300))
def test_no_text_is_an_error_of_another_kind(text: str):
    for params in ([], [INTEGER, TEXT], [FLAG, {"name": "u", "type": "user"}, {"name": "x", "type": "number"}]):
        try:
            found = read_params(command(*params), f"/do {text}")
        except Refusal as refused:
            assert refused.wire_code == "VALIDATION_ERROR"  # noqa: PT017  either is right
        else:
            assert not params or set(found) <= {param["name"] for param in params}


@pytest.mark.parametrize(
    "params",
    [
        [TEXT, TEXT],
        [{"name": "a b"}],
        [{"name": "a="}],
        [{**INTEGER, "min": 2, "max": 1}],
        [{**INTEGER, "choices": [{"name": "x", "value": "x"}]}],
        [{**FLAG, "choices": [{"name": "x", "value": 1}]}],
    ],
)
def test_declarations_that_make_no_sense_are_found(params: list[dict[str, Any]]):
    assert problem_with_params(command(*params).params)
    assert problem_with_params(command(INTEGER, TEXT, FLAG).params) is None
