"""Numbers in every way a recogniser writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.redaction import REDACTED, redact_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My card is 4242 4242-4242.4242, thanks.", "My card is [redacted], thanks."),
        ("it is four two double four oh one", "it is [redacted]"),
        ("born on the third of May nineteen eighty-two", "born on the [redacted] of May [redacted]"),
        ("one hundred and twenty three euros and no cents", "[redacted] euros and no [redacted]"),
        ("meine Nummer ist dreiundzwanzig, fünf und zwo", "meine Nummer ist [redacted]"),
        ("am einundzwanzigsten gegen zwölf Uhr", "am [redacted] gegen [redacted] Uhr"),
        ("quatre-vingt-dix-neuf et un de plus", "[redacted] de plus"),
        ("veintidós, treinta y cinco", "[redacted]"),
        ("ventitré e quarantadue", "[redacted]"),
        ("vinte e três e um", "[redacted]"),
        ("het is vijfentwintig", "het is [redacted]"),
        ("我的号码是一三八", "我的号码是[redacted]"),
        ("رقمي ٤٢٤٢", "رقمي [redacted]"),
        ("code A7", "code [redacted]"),
    ],
)
def test_numbers_are_redacted(text: str, expected: str):
    assert redact_numbers(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I have a dog and a cat",
        "Ich habe ein Haus unter einer Brücke",
        "un momento por favor",
        "oh well, and then",
        "my name is Sean Evans",
        "",
        "ça va et toi",
        "tense attention",
    ],
)
def test_other_words_stay(text: str):
    assert redact_numbers(text) == text


@given(st.text())
def test_no_digit_is_left_of_any_text(text: str):
    assert not any(char.isdecimal() for char in redact_numbers(text))


@given(st.text(alphabet="trentesiuno ", max_size=2000))
def test_long_words_take_no_long_time_and_redacting_twice_changes_nothing(text: str):
    once = redact_numbers(text)
    assert redact_numbers(once) == once


@given(st.lists(st.sampled_from(["zwei", "seven", "12", "и", "dog", "und", "ein", ",", "."])))
def test_what_is_not_a_number_is_kept_in_order(words: list[str]):
    kept = [word for word in redact_numbers(" ".join(words)).replace(REDACTED, " ").split() if word in {"и", "dog"}]
    assert kept == [word for word in words if word in {"и", "dog"}]
