import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.flows.patterns import heard_words, match_at, names_in, parse_pattern, words_in, written_words


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


def test_a_value_repeated_binds_each_time():
    words = ("1", "2")
    found = match_at(parse_pattern("({n})+"), words, 0, lambda _name, at: [(at + 1, words[at])] if at < 2 else [])
    assert list(found) == [(2, (("n", "1"), ("n", "2"))), (1, (("n", "1"),))]


def test_contractions_are_opened():
    assert heard_words("I don't know, they'll say we can't") == (
        *("i", "do", "not", "know", "they", "will", "say", "we", "can", "not"),
    )


def test_the_words_of_a_pattern_are_listed_with_or_without_the_optional_ones():
    pattern = parse_pattern("(book | get) [me [a]] (very)+ table for {people} <thanks>")
    assert [word.text for word in words_in(pattern)] == ["book", "get", "me", "a", "very", "table", "for"]
    assert [word.text for word in words_in(pattern, optional=False)] == ["book", "get", "very", "table", "for"]


def test_the_values_of_a_pattern_are_listed_wherever_they_stand():
    pattern = parse_pattern("(for {people} | {people}) [on {day}] ({item})+ word <rule>")
    assert list(names_in(pattern)) == ["people", "people", "day", "item"]


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
        ("([a])+", "no word that must be said"),
    ],
)
def test_a_wrong_pattern_is_named_with_its_problem(pattern, problem):
    with pytest.raises(ValueError, match="in the phrase") as caught:
        parse_pattern(pattern)
    assert problem in str(caught.value)


def test_times_and_days_survive_being_cut_into_words():
    assert written_words("At 7.30pm, on 2026-11-21!") == ("at", "7.30", "p", "m", "on", "2026-11-21")
    assert written_words("7 P.M. twenty-five o'clock") == ("7", "p", "m", "twenty", "five", "o'clock")


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused_with_a_value_error(text):
    try:
        node = parse_pattern(text)
    except ValueError:
        return
    list(match_at(node, heard_words(text), 0, lambda _name, _at: []))
