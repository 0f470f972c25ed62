import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.flows.patterns import match_at, parse_pattern, wordings
from vox.providers.flows.wording import heard_words


def fits(pattern: str, text: str) -> bool:
    words = heard_words(text)
    return any(end == len(words) for end, _ in match_at(parse_pattern(pattern), words, 0, lambda _name, _at: []))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(what | when) are [your] opening hours", "When are opening hours?"),
        ("(what | when) are [your] opening hours", "what are your opening hours"),
        ("what's on the menu", "What is on the menu?"),
        ("what is on the menu", "what\u2019s on the menu"),
        ("[a | the] (b [c] | d) e", "the b c e"),
        ("(one | two)+", "two one two"),
        ("good bye", "Goodbye!"),
        ("wi-fi", "wi-fi"),
    ],
)
def test_phrases_fit_what_they_say(pattern, text):
    assert fits(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"), [("are you open", "are you"), ("(a | b) c", "a b c"), ("[a] b", "a"), ("(one)+", "")]
)
def test_phrases_do_not_fit_anything_else(pattern, text):
    assert not fits(pattern, text)


def test_a_pattern_binds_the_values_in_it():
    found = match_at(parse_pattern("for {n} people"), ("for", "4", "people"), 0, lambda _name, at: [(at + 1, 4)])
    assert list(found) == [(3, (("n", 4),))]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(a | b", "')' is missing"),
        ("a]", "closes nothing"),
        ("a | | b", "alternative is empty"),
        ("", "alternative is empty"),
        ("[a] [b]", "no word that must be said"),
        ("for {Four}", "column 5"),
        ("+", "word is missing"),
        ("a ...", "is not a word"),
        ("(a | [b])", "no word that must be said"),
    ],
)
def test_a_wrong_pattern_is_named_with_its_problem(pattern, problem):
    with pytest.raises(ValueError, match="in the phrase") as caught:
        parse_pattern(pattern)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "sentences"),
    [
        ("(book | reserve) [a] table", ["book a table", "book table", "reserve a table", "reserve table"]),
        ("for {people} people", ["for four people"]),
        ("[a] {other}", ["a", ""]),
    ],
)
def test_a_pattern_is_written_out_as_the_sentences_it_stands_for(pattern, sentences):
    assert list(wordings(parse_pattern(pattern), {"people": "four"})) == sentences


@pytest.mark.parametrize(
    ("pattern", "same", "other"),
    [
        ("größe", "GRÖSSE", "grüße"),
        ("été", "E\u0301TE\u0301", "ete"),
        ("да", "ДА", "до"),
        ("停", "请停一下", "亭"),
        ("خروج", "خروج!", "دخول"),
        ("ไม่", "ไม่ครับ", "ใช่"),
    ],
)
def test_phrases_of_every_script_fit_what_they_say_and_nothing_else(pattern, same, other):
    def occurs(text: str) -> bool:
        words = heard_words(text)
        node = parse_pattern(pattern)
        return any(list(match_at(node, words, at, lambda _name, _at: [])) for at in range(len(words)))

    assert occurs(same)
    assert not occurs(other)


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused_with_a_value_error(text):
    try:
        node = parse_pattern(text)
    except ValueError:
        return
    list(match_at(node, heard_words(text), 0, lambda _name, _at: []))
