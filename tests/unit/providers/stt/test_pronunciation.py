"""Pronunciations from a grammar's head, and guesses for what nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.stt._pronunciation import PHONES, guess, written


def test_the_head_of_a_grammar_carries_pronunciations():
    text = "#JSGF V1.0;\n// pron: vox = V AA K S\n// pron: vox = V OW K S\n//pron: bad = QQ\n// note: x = Y\ngrammar g;"
    assert written(text) == {"vox": ["V AA K S", "V OW K S"]}


@pytest.mark.parametrize(
    ("word", "phones"),
    [("bot", "B AA T"), ("shop", "SH AA P"), ("rice", "R IH S"), ("4x", "F AO R K S"), ("pizza", "P IH Z AH")],
)
def test_spelling_is_read_aloud(word, phones):
    assert guess(word) == phones


@given(st.text(min_size=1, max_size=20))
def test_any_word_gets_phones_that_the_model_knows(word):
    phones = guess(word).split()
    assert phones
    assert PHONES.issuperset(phones)
