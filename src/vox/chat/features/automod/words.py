"""Finds listed words in a text, however they are disguised: one automaton for all lists (Aho-Corasick). Pure.

The work for a text grows with its length and the matches in it, not with the number of words.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vox.text.disguises import collapsed, is_unspaced, key_of, literal, masked_words, readings

_library: Any = importlib.import_module("ahocorasick")  # in C, without types

STRETCH: Final = 3
"""A letter that stands so often may stand for any smaller number of it; a double letter is a spelling of its own (god, good)."""
LONGEST_MASKED: Final = 32
MASKED_TRIED: Final = 16
"""Words with struck-out letters that are looked up in one text."""
MASKED_SHORTEST: Final = 4
MASKED_MOST: Final = 3
"""Struck-out letters in one word."""
FOUND_MOST: Final = 20
"""Words of one list that are named for one text."""


@dataclass(frozen=True, slots=True)
class WordList:
    """The words of one rule.

    Args:
        owner: whose; what is found is told by it.
        words: each a word or phrase; `*` at an end lets the word go on there: `cat*`, `*cat*`.
        look_alikes: whether disguises count; else only case and normalisation make no difference.
    """

    owner: int
    words: Sequence[str]
    look_alikes: bool = True


@dataclass(frozen=True, slots=True)
class _Entry:
    owner: int
    word: str
    key: str
    goes_on_before: bool
    goes_on_behind: bool
    runs: tuple[int, ...] = ()


Found = dict[int, list[str]]
"""Listed words that a text has, by owner."""


class WordMatcher:
    """The words of several lists, compiled.

    Args:
        lists: the lists; words that `problem_with_word` names are left out.
    """

    def __init__(self, lists: Sequence[WordList]) -> None:
        loose = [entry for each in lists if each.look_alikes for entry in _entries(each, key_of)]
        self._loose = _compiled([(entry.key, entry) for entry in loose])
        self._stretched = _compiled([(collapsed(entry.key)[0], _with_runs(entry)) for entry in loose])
        exact = [entry for each in lists if not each.look_alikes for entry in _entries(each, literal)]
        self._exact = _compiled([(entry.key, entry) for entry in exact])
        self._by_length: dict[int, list[_Entry]] = {}
        for entry in loose:
            if " " not in entry.key:
                self._by_length.setdefault(len(entry.key), []).append(entry)

    def find(self, text: str) -> Found:
        """The listed words that a text has."""
        found: Found = {}
        if self._exact is not None:
            _search(self._exact, literal(text), found)
        if self._loose is None:
            return found
        for reading in readings(text):
            _search(self._loose, reading.words, found)
            if reading.joined:
                _search(self._loose, reading.joined, found)
            if reading.mended:
                _search(self._loose, reading.mended, found, whole_only=True)
            if reading.is_stretched and self._stretched is not None:
                _search_stretched(self._stretched, reading.words, found)
        if "*" in text or "#" in text:
            self._find_masked(text, found)
        return found

    def _find_masked(self, text: str, found: Found) -> None:
        for masked in masked_words(text)[:MASKED_TRIED]:
            hidden = masked.count("*")
            if MASKED_SHORTEST <= len(masked) <= LONGEST_MASKED and hidden <= MASKED_MOST:
                for entry in self._by_length.get(len(masked), ()):
                    if all(said in {"*", listed} for said, listed in zip(masked, entry.key, strict=True)):
                        _add(found, entry)


def problem_with_word(word: str, *, look_alikes: bool = True) -> str:
    """What is wrong with a listed word; empty where nothing is."""
    bare = word.strip().removeprefix("*").removesuffix("*")
    if "*" in bare:
        return "an asterisk stands only at the beginning or the end of a word"
    if not (key_of(bare) if look_alikes else literal(bare)):
        return "a word has letters, digits or symbols"
    return ""


def _entries(listed: WordList, key: Any) -> Iterator[_Entry]:
    for word in listed.words:
        trimmed = word.strip()
        if not problem_with_word(trimmed, look_alikes=listed.look_alikes):
            bare = trimmed.removeprefix("*").removesuffix("*")
            yield _Entry(listed.owner, word, key(bare), trimmed.startswith("*"), trimmed.endswith("*"))


def _with_runs(entry: _Entry) -> _Entry:
    runs = tuple(collapsed(entry.key)[1])
    return _Entry(entry.owner, entry.word, entry.key, entry.goes_on_before, entry.goes_on_behind, runs)


def _compiled(entries: Sequence[tuple[str, _Entry]]) -> Any:
    """An automaton of keys, each with its length and all entries that have it; None without entries."""
    if not entries:
        return None
    by_key: dict[str, list[_Entry]] = {}
    for key, entry in entries:
        by_key.setdefault(key, []).append(entry)
    automaton: Any = _library.Automaton()
    for key, held in by_key.items():
        automaton.add_word(key, (len(key), tuple(held)))
    automaton.make_automaton()
    return automaton


def _search(automaton: Any, text: str, found: Found, *, whole_only: bool = False) -> None:
    for last, (length, entries) in automaton.iter(text):
        start, end = last + 1 - length, last + 1
        is_begun = start == 0 or text[start - 1] == " " or is_unspaced(text[start]) or is_unspaced(text[start - 1])
        is_ended = end == len(text) or text[end] == " " or is_unspaced(text[last]) or is_unspaced(text[end])
        for entry in entries:
            if (is_begun or (entry.goes_on_before and not whole_only)) and (
                is_ended or (entry.goes_on_behind and not whole_only)
            ):
                _add(found, entry)


def _search_stretched(automaton: Any, text: str, found: Found) -> None:
    bare, lengths = collapsed(text)
    for last, (length, entries) in automaton.iter(bare):
        start, end = last + 1 - length, last + 1
        is_begun = start == 0 or bare[start - 1] == " "
        is_ended = end == len(bare) or bare[end] == " "
        for entry in entries:
            if (is_begun or entry.goes_on_before) and (is_ended or entry.goes_on_behind):
                said = lengths[start:end]
                if all(
                    run == listed or (run >= STRETCH and run > listed)
                    for run, listed in zip(said, entry.runs, strict=True)
                ):
                    _add(found, entry)


def _add(found: Found, entry: _Entry) -> None:
    words = found.setdefault(entry.owner, [])
    if entry.word not in words and len(words) < FOUND_MOST:
        words.append(entry.word)
