"""The word filter: it finds what is listed, however it is written, and nothing else."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.automod.words import WordList, WordMatcher, problem_with_word

WORD = st.text("abcdefgh", min_size=4, max_size=8)


def found(text: str, *listed: str, look_alikes: bool = True) -> list[str]:
    return WordMatcher([WordList(1, listed, look_alikes)]).find(text).get(1, [])


@pytest.mark.parametrize(
    ("word", "text", "is_found"),
    [
        ("cat", "the cat sat", True), ("cat", "concat", False), ("cat", "cats", False), ("cat*", "cats", True),
        ("*cat", "bobcat", True), ("*cat*", "concatenate", True), ("cat", "CAT!", True), ("cat", "c4t", True),
        ("kill yourself", "Kill   Yourself.", True), ("kill yourself", "k1ll y0urs3lf", True), ("kill yourself", "kill, yourself", True),
        ("god", "good", False), ("god", "goooood", True), ("ass", "as", False), ("ass", "asssss", True), ("ass", "class", False),
        ("*shit*", "push-it", False), ("shit", "push it", False), ("shit", "s h i t", True), ("shit", "sh*t", True), ("shit", "s**t", True),
        ("shit", "s***", False), ("傻逼", "你是傻逼吗", True), ("🖕", "hi🖕you", True), ("сука", "СУКА", True), ("сука", "cyкa", True),
        ("c++", "c", True), ("f-word", "f word", True), ("naïve", "NAIVE", True), ("word", "wоrd", True), ("word", "w\u200bord", True),
    ],
)  # fmt: skip
def test_what_is_found(word: str, text: str, is_found: bool):
    assert bool(found(text, word)) == is_found


def test_a_list_without_disguises_takes_words_as_they_are():
    assert found("a CAT", "cat", look_alikes=False) == ["cat"]
    assert found("a c4t", "cat", look_alikes=False) == []
    assert found("a cát", "cat", look_alikes=False) == []
    assert found("STRASSE", "straße", look_alikes=False) == ["straße"]


def test_lists_are_told_apart_and_may_share_words():
    matcher = WordMatcher([WordList(1, ["cat", "dog"]), WordList(2, ["cat"], False), WordList(3, ["bird"])])
    assert matcher.find("the cat") == {1: ["cat"], 2: ["cat"]}
    assert matcher.find("a d0g and a b1rd") == {1: ["dog"], 3: ["bird"]}
    assert WordMatcher([]).find("anything") == {}


@pytest.mark.parametrize(
    ("word", "is_wrong"), [("a*b", True), ("*", True), ("..", True), (" ", True), ("*a*", False), ("😀", False)]
)
def test_what_is_no_word(word: str, is_wrong: bool):
    assert bool(problem_with_word(word)) == is_wrong


@given(words=st.lists(WORD, min_size=1, max_size=20, unique=True), before=WORD, after=WORD, data=st.data())
def test_the_automaton_finds_exactly_the_listed_words(words: list[str], before: str, after: str, data: st.DataObject):
    word = data.draw(st.sampled_from(words))
    matcher = WordMatcher([WordList(1, words)])
    text = f"{before} {word} {after}"
    assert set(matcher.find(text).get(1, [])) == {each for each in words if each in text.split()}
    inside = f"zzz{word}zzz"
    assert matcher.find(inside) == {}
    parts = WordMatcher([WordList(1, [f"*{each}*" for each in words])])
    assert {each.strip("*") for each in parts.find(inside).get(1, [])} == {each for each in words if each in inside}


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str):
    matcher = WordMatcher([WordList(1, ["cat", "*dog*", "你", "😀", "a b c"]), WordList(2, ["cat"], False)])
    for words in matcher.find(text).values():
        assert words


def test_a_thousand_words_cost_no_more_than_ten():
    randomness = random.Random(1)
    listed = ["".join(randomness.choices("abcdefghijklmnop", k=8)) for _ in range(1000)]
    text = "Hello everyone, the meeting is at ten o'clock and we should not be late " * 10

    def cost(words: list[str]) -> float:
        matcher = WordMatcher([WordList(1, words)])
        before = time.process_time()
        for _ in range(30):
            matcher.find(text)
        return time.process_time() - before

    cost(listed[:10])
    assert cost(listed) < 5 * cost(listed[:10]) + 0.01, "a search word by word costs a hundred times as much"
