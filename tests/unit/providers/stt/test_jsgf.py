"""The grammar compiler: the automaton hears exactly what the grammar says."""

import itertools
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.stt._jsgf import Automaton, compile_grammar

HEAD = "#JSGF V1.0;\ngrammar g;\n"


def sentences(automaton: Automaton, longest: int) -> set[str]:
    found: set[str] = set()
    at = {(0, ())}
    for _ in range(longest + 1):
        found |= {" ".join(words) for state, words in at if state in automaton.finals}
        at = {
            (target, (*words, word))
            for state, words in at
            for source, target, word in automaton.transitions
            if source == state
        }
    return found


def heard(rules: str, longest: int = 4) -> set[str]:
    return sentences(compile_grammar(HEAD + rules), longest)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("public <a> = yes | no thank you;", {"yes", "no thank you"}),
        ("public <a> = [please] help;", {"help", "please help"}),
        ("public <a> = (x | y) z;", {"x z", "y z"}),
        ("public <a> = x+;", {"x", "x x", "x x x", "x x x x"}),
        ("public <a> = x* y;", {"y", "x y", "x x y", "x x x y"}),
        ("public <a> = <b> <b>; <b> = x | y;", {"x x", "x y", "y x", "y y"}),
        ("public <a> = x; public <b> = y;", {"x", "y"}),
        ("public <a> = /0.7/ x {tag \\} 1} | /2/ y;", {"x", "y"}),
        ('public <a> = "big apple" | o\'clock;', {"big apple", "o'clock"}),
        ("// pron: x = EH K S\npublic <a> = x /* or y */;", {"x"}),
        ("public <a> = x | <NULL> y | <VOID> z;", {"x", "y"}),
        ("public <a> = x [<b>]; <b> = (y)+;", {"x", "x y", "x y y", "x y y y"}),
    ],
)
def test_what_a_grammar_hears(rules, said):
    assert heard(rules) == said


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "<a> = x;",
        "public <a> = x",
        "public <a> = ;",
        "public <a> = x | ;",
        "public <a> = (x;",
        "public <a> = *;",
        "public <a> = <b>;",
        "public <a> = x <a>;",
        "public <a> = x; public <a> = y;",
        "public <a> = <VOID>;",
        "import <foo.bar>; public <a> = x;",
        "public <a> = " + "(" * 500 + "x" + ")" * 500 + ";",
        "public <a> = <b>;"
        + "".join(f"<{name}> = {f'<{after}> ' * 4};" for name, after in pairwise("bcdefghij"))
        + "<j> = x;",
    ],
)
def test_what_is_no_grammar_says_why(rules):
    with pytest.raises(ValueError, match=r"\w"):
        compile_grammar(HEAD + rules)


def test_equal_states_are_merged():
    automaton = compile_grammar(HEAD + "public <a> = (one | two | three) (x | y) | four x | four y;")
    assert automaton.states == 3
    assert len(automaton.transitions) == 6


PARTS = st.recursive(
    st.sampled_from(["x", "y", "z"]).map(lambda word: (word, {(word,)})),
    lambda part: st.one_of(
        st.lists(part, min_size=1, max_size=3).map(
            lambda parts: (
                "(" + " | ".join(text for text, _ in parts) + ")",
                set().union(*(said for _, said in parts)),
            )
        ),
        st.lists(part, min_size=1, max_size=3).map(
            lambda parts: (
                " ".join(f"({text})" for text, _ in parts),
                {tuple(itertools.chain(*row)) for row in itertools.product(*(said for _, said in parts))},
            )
        ),
        part.map(lambda inner: (f"[{inner[0]}]", inner[1] | {()})),
    ),
    max_leaves=6,
)


@given(PARTS)
def test_any_nesting_hears_its_sentences(part):
    text, said = part
    if said == {()}:
        return
    assert heard(f"public <a> = {text};", 8) == {" ".join(words) for words in said}


@given(st.text(alphabet='#JSGF<>[]()|*+;={}/"ab \n', max_size=60))
def test_garbage_is_refused_or_compiled(text):
    with suppress(ValueError):
        assert compile_grammar(HEAD + "public <a> = " + text).words
