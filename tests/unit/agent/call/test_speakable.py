"""What is spoken of a written answer."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call.speakable import SpeakableText
from vox.text.words import words


def spoken(text: str, language: str = "") -> str:
    return SpeakableText(language).piece(text).spoken


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Your appointment is on **Monday**, at **eight o'clock**.", "Your appointment is on Monday, at eight o'clock."),
        ("Press (**1**).", "Press (1)."),
        ("## Next steps ##", "Next steps"),
        ("- Bring your *ID*", "Bring your ID"),
        ("• [x] ~~done~~ __now__ _please_", "done now please"),
        ("> > quoted", "quoted"),
        ("1. Apples", "1. Apples"),
        ("See [our site](https://example.com/a_b 't').", "See our site."),
        ("![a map](map.png) and [this][1][^2]", "a map and this"),
        ("Use `x` and ```y```.", "Use x and y."),
        ("| Day | Time |", "Day, Time"),
        ("|---|:--:|", ""),
        ("---", ""),
        ("😀", ""),
        ("...", ""),
        ("Hi 😀. 👨\u200d👩\u200d👧 ❤️ 🇩🇪 👍🏽 ok ©", "Hi. ok ©"),
        ("Press 1️⃣ now", "Press 1 now"),
        ("Well... ok…", "Well, ok."),
        ("...and on", "and on"),
        ("What?!?! No!!", "What? No!"),
        ("**Hello.", "Hello."),
        ("World.**", "World."),
        ("*Hello.", "Hello."),
        ("Press *9 or *8.", "Press *9 or *8."),
        ("5*3 and 5 * 3", "5*3 and 5 * 3"),
        ("A -> B", "A, B"),
        ("snake_case", "snake case"),
        ("<b>Hi</b> x<br/>y &amp; z&nbsp;q", "Hi x y & z q"),
        ("a <b and c> d", "a <b and c> d"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),  # Persian
        ("\\*not bold\\*", "not bold"),
        ("Go to https://www.example.com/.", "Go to example dot com."),
        ("Visit example.com.", "Visit example dot com."),
        ("docs.example.org/guide/a-b", "docs dot example dot org slash guide slash a dash b"),
        ("http://example.com/x?a=1&b=2#c now", "example dot com now"),
        ("Mail bob.x@ex-ample.co.uk, please.", "Mail bob dot x at ex-ample dot co dot uk, please."),
        ("<https://example.com>", "example dot com"),
        ("It is 3.14 at 9 a.m. in the U.S.A.", "It is 3.14 at 9 a.m. in the U.S.A."),
    ],
)  # fmt: skip
def test_marks_are_not_spoken(shown: str, expected: str):
    assert spoken(shown) == expected
    assert spoken(expected) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de-DE", "a Punkt b at c Punkt de"), ("fr", "a point b arobase c point de"), ("xx", "a dot b at c dot de")],
)
def test_addresses_are_spelled_in_the_agents_language(language: str, expected: str):
    assert spoken("a.b@c.de", language) == expected


def test_a_block_of_code_is_shown_only():
    text = SpeakableText()
    pieces = [text.piece(line).spoken for line in ("Try this:", "```python", "print('hi.')", "```", "Good?")]
    assert pieces == ["Try this:", "", "", "", "Good?"]


def test_what_was_spoken_is_found_in_what_is_shown():
    piece = SpeakableText().piece("It is on **Monday**, at [the site](https://x.com/a) *now*.")
    assert piece.spoken == "It is on Monday, at the site now."
    shown = {word: piece.shown_until(piece.spoken.index(word) + len(word)) for word in ("on", "Monday", "site", "now.")}
    assert shown == {
        "on": "It is on",
        "Monday": "It is on **Monday**,"[:-1],
        "site": "It is on **Monday**, at [the site](https://x.com/a)",
        "now.": piece.shown,
    }
    assert piece.shown_until(0) == ""


def test_an_address_counts_when_all_of_it_was_spoken():
    piece = SpeakableText().piece("Visit https://example.com today")
    assert piece.shown_until(len("Visit example dot")) == "Visit"
    assert piece.shown_until(len("Visit example dot com")) == "Visit https://example.com"


_WORDS = st.text(st.characters(categories=["L", "Nd"], max_codepoint=0x2FFF), min_size=1, max_size=6)
_PLAIN = st.lists(st.tuples(_WORDS, st.sampled_from(["", ".", ",", "?", "!", ";", ":"])), min_size=1, max_size=8)


@given(_PLAIN)
def test_plain_text_passes_unchanged(parts: list[tuple[str, str]]):
    text = " ".join(word + mark for word, mark in parts)
    assert spoken(text) == text


@given(st.text(alphabet="ab1 .,!?…*_~`#->|[]()\n<>/:@&;\\'\"😀❤\ufe0f\u200d", max_size=60))
def test_speakable_text_is_speakable(text: str):
    once = spoken(text)
    assert spoken(once) == once


@given(st.text(alphabet="ab1 .,!?*_`#-[]()😀", max_size=60))
def test_letters_are_spoken_in_order_and_shown_text_grows(text: str):
    piece = SpeakableText().piece(text)
    shown = [piece.shown_until(length) for length in range(len(piece.spoken) + 1)]
    assert all(late.startswith(early) for early, late in pairwise(shown))
    assert all(text.startswith(one) for one in shown)


@given(
    _PLAIN,
    st.sampled_from(["**{}**", "*{}*", "`{}`", "# {}", "- {}", "> {}", "[{}](https://x.y/z)", "{} 😀", "<b>{}</b>"]),
)
def test_marks_around_text_take_no_word(parts: list[tuple[str, str]], mark: str):
    text = " ".join(word + end for word, end in parts)
    assert words(spoken(mark.format(text))) == words(text)
