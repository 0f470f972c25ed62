import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.folding import folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("don't", "Don’t"), ("don't", "DON`T"), ("привет-мир", "ПРИВЕТ‑МИР"), ("GRÖSSE-XL", "Größe-XL"), ("cafe", "CAFÉ"),
        ("Zürich", unicodedata.normalize("NFD", "Zürich")), ("ISI", "ısı"), ("istanbul", "İstanbul"), ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("שלום", "שָׁלוֹם"), ("محمد", "مُحَمَّد"), ("각", unicodedata.normalize("NFD", "각")), ("full width", "ｆｕｌｌ\u3000ｗｉｄｔｈ"),
        ('"quoted"', "„quoted“"), ("a b", " a \n b "), ("soft", "so\u00adft"),
    ],
)  # fmt: skip
def test_what_a_search_ignores_is_gone(one: str, other: str):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("हिन्दी", "हनद"), ("a-b", "a b"), ("dont", "don't")])
def test_what_makes_another_word_stays(one: str, other: str):
    assert folded(one) != folded(other)


@given(st.text())
def test_folding_is_final_and_ascii_takes_no_other_way(text: str):
    assert folded(folded(text)) == folded(text)
    assert folded(text.encode("ascii", "ignore").decode() + "é") == folded(
        text.encode("ascii", "ignore").decode() + "e"
    )


@given(st.text())
def test_no_form_of_normalisation_matters(text: str):
    assert len({folded(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}) == 1
