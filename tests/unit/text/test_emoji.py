import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.emoji import canonical_emoji


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("❤", "❤\ufe0f"), ("❤\ufe0f", "❤\ufe0f"), ("❤\ufe0e", "❤\ufe0f"), ("👍", "👍"), ("👍\ufe0f", "👍"), ("👍🏽", "👍🏽"),
        ("👩\u200d❤\u200d👨", "👩\u200d❤\ufe0f\u200d👨"), ("🏳\u200d🌈", "🏳\ufe0f\u200d🌈"), ("🕵🏻\u200d♂", "🕵🏻\u200d♂\ufe0f"),
        ("1\u20e3", "1\ufe0f\u20e3"), ("1\ufe0f\u20e3", "1\ufe0f\u20e3"), ("🇩🇪", "🇩🇪"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",) * 2,
    ],
)  # fmt: skip
def test_an_emoji_has_one_spelling(sent: str, stored: str):
    assert canonical_emoji(sent) == stored


@pytest.mark.parametrize(
    "text", ["", " ", "lol", "a\nb", "1", "#", "😀😀", "😀 ", "🇩", "\ufe0f", "\u200d", "👍\u200d", "x" * 100]
)
def test_what_is_not_exactly_one_emoji_is_none(text: str):
    assert canonical_emoji(text) == ""


@given(st.text(alphabet="❤👍🏽👩\u200d\ufe0f\ufe0e1\u20e3🇩🇪♂", max_size=8))
def test_the_spelling_is_final(text: str):
    stored = canonical_emoji(text)
    assert canonical_emoji(stored) == stored
