"""A transcript of what the agent was saying, told from a caller who uses its words."""

import pytest

from vox.agent.turns.echo_words import is_echo, may_be_echo

SAID = "We are open from nine in the morning until ten at night. Would you like a large or a small table?"


@pytest.mark.parametrize(
    "heard",
    [
        "we are open from nine in the morning",
        "Open from nine in the mourning until ten",  # one word misheard
        "would you like a large or a small",
    ],
)
def test_the_agents_words_in_their_order_are_an_echo(heard: str):
    assert is_echo(heard, SAID)
    assert may_be_echo(heard, SAID)


@pytest.mark.parametrize(
    "heard",
    [
        "a small table please, for the four of us",
        "wait, what about the morning",
        "no",
        "morning the in nine",
        "",
    ],
)
def test_words_of_the_callers_own_are_none(heard: str):
    assert not is_echo(heard, SAID)


def test_one_or_two_words_are_an_answer_but_may_become_an_echo():
    assert not is_echo("a small", SAID)
    assert may_be_echo("a small", SAID)
    assert not may_be_echo("stop", SAID)
    assert not may_be_echo("", SAID)


def test_what_was_said_long_ago_does_not_come_back():
    assert not is_echo("we are open from nine", SAID + " and then" * 30)
