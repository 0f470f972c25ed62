"""Thoughts in a model's answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call.thoughts import ThoughtFilter


def said(*pieces: str) -> str:
    thoughts = ThoughtFilter()
    return "".join(map(thoughts.push, pieces)) + thoughts.flush()


CASES = [
    ("<think>\nThe user greets.\n</think>\n\nHello there!", "Hello there!"),
    ("<THINK>x</THINK>Hi", "Hi"),
    ("<thinking>x</thinking> Hi", "Hi"),
    ("Hello. <think>hm</think>And on.", "Hello. And on."),
    ("<think></think>Hi", "Hi"),
    ("<think>a</think><think>b</think>Hi", "Hi"),
    ("<think>never closed", ""),
    ("no opening</think> tag", "no opening tag"),
    ("a < b and <b>bold</b> <thin", "a < b and <b>bold</b> <thin"),
    (" leading space", " leading space"),
    ("<think>a < b <think> c</think>Hi", "Hi"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_thoughts_are_taken_out(text: str, expected: str):
    assert said(text) == expected
    assert said(*text) == expected


@given(
    st.lists(st.sampled_from(["<", "think", ">", "</", "thought", "a", " ", "b<", "\n"]), max_size=20),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_pieces_change_nothing(parts: list[str], sizes: list[int]):
    text = "".join(parts)
    pieces: list[str] = []
    rest = text
    while rest:
        for size in sizes:
            pieces.append(rest[:size])
            rest = rest[size:]
    assert said(*pieces) == said(text)


@given(st.text(alphabet="abc <>/\n.", max_size=40))
def test_text_without_tags_passes(text: str):
    assert said(*text) == text


def test_what_cannot_become_a_tag_is_said_at_once():
    thoughts = ThoughtFilter()
    assert thoughts.push("Hello <") == "Hello "
    assert thoughts.push("b") == "<b"
    assert thoughts.push("<thi") == ""
    assert thoughts.push("s>") == "<this>"
