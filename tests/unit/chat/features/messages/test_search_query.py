import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.messages.search_query import MAX_WORDS, fts5, like, parse_query, tsquery


def test_words_are_taken_apart_by_blanks_and_signs():
    found = parse_query("meet at-noon  café")
    assert list(found.words) == ["meet", "at", "noon", "cafe"]
    assert list(found.literals) == ["at-noon"]
    assert found.whole == "meet at-noon cafe"


def test_a_phrase_in_quotes_is_one_literal():
    found = parse_query('"exact words" rest')
    assert list(found.literals) == ["exact words"]
    assert list(found.words) == ["exact", "words", "rest"]


def test_a_query_of_signs_has_no_words():
    assert not parse_query("%_% --").words
    assert parse_query("100%").words == ["100"]
    assert parse_query("100%").literals == ["100%"]


def test_many_words_are_cut():
    assert len(parse_query(" ".join(f"w{number}" for number in range(500))).words) == MAX_WORDS


def test_quotes_around_one_phrase_are_not_part_of_it():
    assert parse_query('"two words"').whole == "two words"


@pytest.fixture(scope="module")
def index() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(body, tokenize='unicode61 remove_diacritics 2')")
    return connection


@given(text=st.one_of(st.text(), st.text(alphabet="\"'*()-+:^ANDORNEAR{}%_\\ ab")))
def test_no_text_breaks_the_index_query_syntax(index: sqlite3.Connection, text: str):
    words = parse_query(text).words
    if words:
        index.execute("SELECT rowid FROM t WHERE t MATCH ?", (fts5(words),)).fetchall()


@given(text=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_a_pattern_finds_exactly_what_was_typed(index: sqlite3.Connection, text: str):
    query = r"SELECT ? LIKE ? ESCAPE '\'"
    assert index.execute(query, (f"before {text} after", like(text))).fetchone() == (1,)
    assert index.execute(query, ("something else", like("#" + text))).fetchone() == (0,)


@given(text=st.text())
def test_words_for_postgresql_hold_nothing_but_letters_and_digits(text: str):
    for part in filter(None, tsquery(parse_query(text).words).split(" & ")):
        assert part.startswith("'")
        assert part.removesuffix(":*").endswith("'")
        assert not set(part.removesuffix(":*")[1:-1]) & set("'\\&|!():* ")


def test_only_the_last_word_may_be_the_beginning_of_another():
    assert fts5(["quick", "fox"]) == '"quick" AND "fox"*'
    assert tsquery(["quick", "fox"]) == "'quick' & 'fox':*"
    assert fts5(["quick", "fo"]) == '"quick" AND "fo"'
