"""Words of every script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.words import comparison_key, contains_phrase, count_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wait—no", ["wait", "no"]),
        ("I don’t want that", ["i", "don't", "want", "that"]),
        ("“Stop”", ["stop"]),
        ("e-mail", ["e", "mail"]),
        ("3.14 and 1,000", ["3.14", "and", "1,000"]),
        ("GRÖSSE größe", ["grösse", "grösse"]),
        ("Cafe\u0301", ["café"]),
        ("ＡＢＣ", ["abc"]),
        ("co\u00adoperate", ["cooperate"]),
        ("İstanbul", ["istanbul"]),
        ("停。", ["停"]),
        ("ストップして", ["ストップ", "し", "て"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("안녕하세요 여러분", ["안녕하세요", "여러분"]),
        ("  … — !", []),
        ("😀", []),
    ],
)
def test_words(text: str, expected: list[str]):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("uh huh", 2),
        ("嗯", 1),
        ("好的", 1),
        ("等一下，我不想要这个", 4),
        ("ストップ", 1),
        ("ครับ", 1),
        ("สวัสดีครับวันนี้", 2),
        ("iPhoneを買う", 2),
    ],
)
def test_words_are_counted_also_where_no_space_parts_them(text: str, count: int):
    assert count_words(text) == count


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("please stop now", "stop", True),
        ("nonstop", "stop", False),
        ("I don’t want that", "don't", True),
        ("ich möchte das NICHT", "nicht", True),
        ("hold on, please", "hold on", True),
        ("hold it on", "hold on", False),
        ("请停下来", "停", True),
        ("stop", "", False),
        ("stop", "…", False),
    ],
)
def test_phrases(text: str, phrase: str, found: bool):
    assert contains_phrase(text, phrase) is found


@given(st.text(max_size=60))
def test_any_text_has_a_key_and_words(text: str):
    key = comparison_key(text)
    assert comparison_key(key) == key
    assert all(word and word in key for word in words(text))
    assert bool(words(text)) == bool(count_words(text))
