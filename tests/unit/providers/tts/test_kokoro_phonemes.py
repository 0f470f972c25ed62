# ruff: noqa: RUF001  phonemes look like other letters
"""espeak-ng's phonemes as Kokoro's symbols. The left sides are what espeak-ng 1.52 gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts._kokoro_phonemes import symbols, tokens, with_clear_onset


@pytest.mark.parametrize(
    ("language", "raw", "expected"),
    [
        ("en-us", "a^ɪ wʊd lˈa^ɪk tə bˈʊk ɐn ɐpˈɔ^ɪntmənt", "I wʊd lˈIk tə bˈʊk ən əpˈYntmənt"),
        ("en-us", "fɔː^ɹ nˈɛkst tˈuːzde^ɪ", "fɔɹ nˈɛkst tˈuzdA"),
        ("en-us", "t^ʃˈɜːt^ʃ d^ʒˈʌmp", "ʧˈɜɹʧ ʤˈʌmp"),
        ("en-us", "lˈɪɾə^l ðə nˈʌmbɚ o^ʊkˈe^ɪ", "lˈɪɾᵊl ðə nˈʌmbəɹ OkˈA"),
        ("en-gb", "ðe^ə fˈa^ɪə nˈə^ʊ", "ðɛː fˈIə nˈQ"),
        ("en-gb", "kˈɑː bˈɜːd", "kˈɑː bˈɜːd"),
        ("es", "bwˈenos ðˈias", "bwˈenos ðˈias"),
        ("it", "t^ʃokolˈate", "ʧokolˈate"),
        ("pt-br", "bˈoŋ d^ʒˈiæ nˈɐ̃^ʊ̃", "bˈoŋ ʤˈiæ nˈɐ̃ʊ̃"),
        ("es", "(en)d^ʒˈɒb(es) ala", "ʤˈɒb ala"),
    ],
)
def test_symbols(language, raw, expected):
    assert symbols(raw, language) == expected


@pytest.mark.parametrize(
    ("phonemes", "expected"),
    [("I wʊd", "ˌI wʊd"), ("ən əpˈYnt", "ˌən əpˈYnt"), ("ˈæpᵊl", "ˈæpᵊl"), ("plˈiz", "plˈiz"), ("", "")],
)
def test_a_vowel_that_comes_first_is_made_audible(phonemes, expected):
    assert with_clear_onset(phonemes) == expected


def test_unknown_symbols_are_left_out_and_the_model_is_never_given_more_than_it_takes():
    assert tokens("abxa", {"a": 1, "b": 2}, 10) == [1, 2, 1]
    assert tokens("a" * 100, {"a": 1}, 7) == [1] * 7


@given(st.text(), st.sampled_from(["en-us", "en-gb", "fr", "hi"]))
def test_no_text_breaks_it(raw, language):
    found = symbols(raw, language)
    assert "^" not in found
    assert found == " ".join(found.split())
