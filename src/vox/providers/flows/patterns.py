"""The small language phrases are written in, and how words are matched against it.

`what (are | is) [your] opening hours` reads: one of the words in parentheses, the words in brackets or not. `{people}`
stands for a value of that slot; `<rule>` and `+` (once or more) are for Vox's own rules of `vocabulary.py`. One tree serves
both the recogniser's grammar (`grammar.py`) and the understanding of what it heard, so the two cannot drift apart.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import NoReturn, assert_never

from vox.providers.flows.wording import opened, written_words


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written (`text`, what the recogniser listens for) and as compared (`heard`, contractions opened)."""

    text: str
    heard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Parts one after the other."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """A part that may be left out."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Many:
    """A part said once or more."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the slot (or of the named kind of value) `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule defined elsewhere."""

    name: str


Node = Word | Series | Either | Maybe | Many | Value | Rule

Bindings = tuple[tuple[str, object], ...]
Found = tuple[int, Bindings]
Parser = Callable[[str, int], Iterable[tuple[int, object]]]
"""Gives, for the name of a value and the index of a word, where such values end and what they mean."""

_MOST_WORDINGS = 12
_PIECE = re.compile(
    r"\s*(?:(?P<mark>[()\[\]|+])|\{(?P<value>[a-z][a-z0-9_]*)\}|<(?P<rule>[a-z][a-z0-9_.]*)>|(?P<word>[^\s()\[\]{}|<>+]+))"
)


def parse_pattern(text: str) -> Node:
    """Reads a phrase; raises ValueError with the place and the remedy."""
    return _Reader(text).read()


def words_in(node: Node, *, optional: bool = True) -> Iterator[Word]:
    """Every word of a pattern, in its order, with or without the `optional` ones; rules and values are not followed."""
    match node:
        case Word():
            yield node
        case Series(parts) | Either(parts):
            for part in parts:
                yield from words_in(part, optional=optional)
        case Many(part):
            yield from words_in(part, optional=optional)
        case Maybe(part):
            yield from words_in(part) if optional else ()
        case Value() | Rule():
            return
        case _:
            assert_never(node)


def names_in(node: Node) -> Iterator[str]:
    """The name of every value a pattern mentions."""
    match node:
        case Value(name):
            yield name
        case Series(parts) | Either(parts):
            for part in parts:
                yield from names_in(part)
        case Maybe(part) | Many(part):
            yield from names_in(part)
        case Word() | Rule():
            return
        case _:
            assert_never(node)


def wordings(node: Node, samples: Mapping[str, str]) -> Iterator[str]:
    """The sentences a pattern stands for, the fullest first, with the sample of each value in its place."""
    match node:
        case Word(text):
            yield text
        case Series(parts):
            choices = (tuple(islice(wordings(part, samples), _MOST_WORDINGS)) for part in parts)
            yield from (" ".join(filter(None, chosen)) for chosen in product(*choices))
        case Either(options):
            for option in options:
                yield from wordings(option, samples)
        case Maybe(part):
            yield from wordings(part, samples)
            yield ""
        case Many(part):
            yield from wordings(part, samples)
        case Value(name) | Rule(name):
            yield samples.get(name, "")
        case _:
            assert_never(node)


def match_at(node: Node, words: Sequence[str], at: int, parse: Parser) -> Iterator[Found]:
    """Every way the pattern fits the words from index `at`: where it ends, and the values bound on the way."""
    match node:
        case Word(_, heard):
            end = at + len(heard)
            if tuple(words[at:end]) == heard:
                yield end, ()
        case Series(parts):
            yield from _match_series(parts, words, at, parse)
        case Either(options):
            for option in options:
                yield from match_at(option, words, at, parse)
        case Maybe(part):
            yield from match_at(part, words, at, parse)
            yield at, ()
        case Many(part):
            for end, bindings in match_at(part, words, at, parse):
                if end > at:
                    for last, more in match_at(node, words, end, parse):
                        yield last, bindings + more
                yield end, bindings
        case Value(name) | Rule(name):
            for end, value in parse(name, at):
                yield end, ((name, value),)
        case _:
            assert_never(node)


def _match_series(parts: tuple[Node, ...], words: Sequence[str], at: int, parse: Parser) -> Iterator[Found]:
    if not parts:
        yield at, ()
        return
    for end, bindings in match_at(parts[0], words, at, parse):
        for last, more in _match_series(parts[1:], words, end, parse):
            yield last, bindings + more


class _Reader:
    """A recursive descent over the pieces of one phrase."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._piece: re.Match[str] | None = None
        self._advance()

    def read(self) -> Node:
        node = self._either()
        if self._piece is not None:
            self._fail(f"'{self._piece[0].strip()}' closes nothing")
        if not _must_say(node):
            self._fail("the phrase has no word that must be said")
        return node

    def _either(self) -> Node:
        options = [self._series()]
        while self._mark() == "|":
            self._advance()
            options.append(self._series())
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _series(self) -> Node:
        parts: list[Node] = []
        while self._piece is not None and self._mark() not in {"|", ")", "]"}:
            parts.extend(self._part())
            if self._mark() == "+":
                self._advance()
                parts.append(Many(parts.pop()))
        if not parts:
            self._fail("an alternative is empty")
        return parts[0] if len(parts) == 1 else Series(tuple(parts))

    def _part(self) -> list[Node]:
        piece = self._piece
        if piece is None or self._mark() == "+":
            self._fail("a word is missing")
        self._advance()
        if piece["mark"] in {"(", "["}:
            closing = ")" if piece["mark"] == "(" else "]"
            inner = self._either()
            if self._mark() != closing:
                self._fail(f"'{closing}' is missing")
            self._advance()
            return [inner if closing == ")" else Maybe(inner)]
        if piece["value"]:
            return [Value(piece["value"])]
        if piece["rule"]:
            return [Rule(piece["rule"])]
        found = written_words(piece["word"])
        if not found:
            self._fail(f"'{piece['word']}' is not a word")
        return [Word(word, opened(word)) for word in found]

    def _mark(self) -> str | None:
        return self._piece["mark"] if self._piece is not None else None

    def _advance(self) -> None:
        rest = self._text[self._at :]
        if not rest.strip():
            self._piece = None
            return
        self._piece = _PIECE.match(self._text, self._at)
        if self._piece is None:
            column = len(self._text) - len(rest.lstrip()) + 1
            self._fail(f"'{rest.lstrip()[0]}' at column {column} is not allowed here")
        self._at = self._piece.end()

    def _fail(self, problem: str) -> NoReturn:
        raise ValueError(f"in the phrase '{self._text}': {problem}; write words, (a | b), [optional] and {{slot}}")


def _must_say(node: Node) -> bool:
    """Whether something must be said to fit the pattern (a phrase of optional parts alone would fit silence)."""
    match node:
        case Word() | Value() | Rule():
            return True
        case Series(parts):
            return any(_must_say(part) for part in parts)
        case Either(options):
            return all(_must_say(option) for option in options)
        case Maybe():
            return False
        case Many(part):
            return _must_say(part)
        case _:
            assert_never(node)
