"""The text of a search box, parsed into conditions for two engines. Pure.

The text is folded first, as messages are when they are stored, so words and literal parts ignore the same things on both engines.
No character of the text ever reaches an engine's query syntax: words consist of letters and digits only and are quoted, and
everything else is compared literally, as a parameter.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from vox.text.folding import folded

MAX_WORDS: Final = 32
"""More words do not narrow a search but cost time."""

SHORTEST_BEGINNING: Final = 3
"""A beginning costs as much as all messages with all its words: at 300,000 messages one letter took 0.7 s, a whole word 3 ms."""

_TERMS: Final = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """What a message must contain.

    Args:
        words: words, all of them; the last may be a beginning.
        literals: parts that must appear as they are, because they are more than words.
        whole: the text as a whole; a message that contains it is found as well, wherever in a word it stands.
    """

    words: Sequence[str]
    literals: Sequence[str]
    whole: str


def parse_query(text: str) -> ParsedQuery:
    """Takes a query apart: words by blanks, phrases by quotes."""
    text = folded(text)
    terms = [phrase or word for phrase, word in _TERMS.findall(text)]
    terms = [term for term in (term.strip() for term in terms) if term]
    words: list[str] = []
    literals: list[str] = []
    for term in terms:
        found = list(_words(term))
        words += found
        if found != [term]:
            literals.append(term)
    whole = terms[0] if len(terms) == 1 else text
    return ParsedQuery(list(dict.fromkeys(words))[:MAX_WORDS], list(dict.fromkeys(literals))[:MAX_WORDS], whole)


def fts5(words: Sequence[str]) -> str:
    """The words for SQLite's MATCH."""
    return " AND ".join(f'"{word}"{"*" if is_beginning else ""}' for word, is_beginning in _with_last(words))


def tsquery(words: Sequence[str]) -> str:
    """The words for PostgreSQL's to_tsquery."""
    return " & ".join(f"'{word}'{':*' if is_beginning else ''}" for word, is_beginning in _with_last(words))


def like(text: str) -> str:
    """A pattern that finds the text anywhere, for LIKE with a backslash as escape."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _with_last(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each word, and whether it may be the beginning of a longer one: the last one, which may still be being typed."""
    for number, word in enumerate(words, start=1):
        yield word, number == len(words) and len(word) >= SHORTEST_BEGINNING


def _words(term: str) -> Iterator[str]:
    for is_word, letters in groupby(term, _is_of_word):
        if is_word:
            yield "".join(letters)


def _is_of_word(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNM"
