"""Where sentences end, in any script, as far as a text that is still being written tells.

Marks are those of Unicode's Sentence_Terminal property. A mark of scripts written with spaces counts where white space follows it,
a wide one (`。`) at once. A full stop is doubted behind abbreviations, initials and numbers; what stands behind it decides.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

import regex

from vox.text import abbreviations
from vox.text.digits import is_number

_CLOSERS: Final = r"[\p{Pe}\p{Pf}\p{Pi}\"'*_`~]*"
_END: Final = regex.compile(
    rf"(?P<marks>(?:[\p{{Sentence_Terminal}}…‥\p{{SB=ATerm}}]|(?<=\p{{Greek}})[;\u037e])+)(?P<closers>{_CLOSERS})|\n+"
)
_WIDE_CLOSERS: Final = regex.compile(r"[\p{Pe}\p{Pf}]*")
_CLAUSE: Final = regex.compile(r"[\p{Terminal_Punctuation}–—]")
_DANDAS: Final = frozenset("।॥")
_OPENERS: Final = regex.compile(r"[\p{Ps}\p{Pi}]")
_ALL_CLOSERS: Final = regex.compile(r"[\p{Pe}\p{Pf}]")
_UNMARKED_SPACE: Final = regex.compile(r"(?<=[\p{Thai}\p{Lao}]\p{M}*) +(?=[\p{Thai}\p{Lao}])")
_LAST_WORD: Final = regex.compile(r"[^\s\p{Ps}\p{Pi}\"'*_`~#>|]+$")
_NEXT_WORD: Final = regex.compile(
    r"[ \t]*[\p{Ps}\p{Pi}\"'*_`~#]*(?P<word>[\p{L}\p{M}\p{N}'’]+)(?P<after>.?)", regex.DOTALL
)
_LIST_PLACE: Final = regex.compile(r"(?:^|\n|[:;：；])[ \t]*[-*+•>#\p{Ps}]*[ \t]*$")
_LIST_NUMBER: Final = regex.compile(r"(?:^|[\s:;])\p{Ps}?(\d{1,3})\.(?=\s)")
_ACRONYM: Final = regex.compile(r"(?:\p{L}\.)+\p{L}")
_ROMAN: Final = regex.compile(r"[IVXLC]+")

UNMARKED_CHARACTERS: Final = 24
"""From this length on a space ends a sentence in Thai and Lao, which have no mark for it."""


def sentence_ends(text: str, language: str = "") -> Iterator[int]:
    """The positions behind each end that is certain, in order. What is uncertain until more text comes is left out.

    Args:
        text: the beginning of a text.
        language: BCP 47, decides abbreviations and ordinals; empty: those of all languages that are known.
    """
    language = language.replace("_", "-").partition("-")[0].lower()
    if _UNMARKED_SPACE.search(text):
        ends = [*_marked_ends(text, language), *_unmarked_ends(text)]
        yield from sorted(set(ends))
    else:
        yield from _marked_ends(text, language)


def clause_ends(text: str) -> Iterator[int]:
    """The positions behind each comma, colon, semicolon or dash of any script at which speech may pause."""
    for match in _CLAUSE.finditer(text):
        end = match.end()
        if _is_wide(match.group()) or text[end : end + 1].isspace():
            yield end


def _unmarked_ends(text: str) -> Iterator[int]:
    return (match.end() for match in _UNMARKED_SPACE.finditer(text) if match.start() >= UNMARKED_CHARACTERS)


def _marked_ends(text: str, language: str) -> Iterator[int]:
    for match in _END.finditer(text):
        marks = match["marks"]
        if marks is None:
            yield match.end()
        elif _is_wide(marks[-1]):
            # Only brackets close behind a wide mark: a quotation mark there may as well open the next sentence.
            end = match.end("marks") + len(_WIDE_CLOSERS.match(text, match.end("marks")).group())  # type: ignore[union-attr]
            if end < len(text) or not _is_open(text[:end]):
                yield end
        elif text[match.end() : match.end() + 1].isspace() and (
            marks != "." or _full_stop_ends(text, match.start(), match.end(), language)
        ):
            yield match.end()


def _is_wide(mark: str) -> bool:
    return mark in _DANDAS or unicodedata.east_asian_width(mark) in ("W", "F", "H")


def _is_open(text: str) -> bool:
    """Whether a bracket or quotation mark stands open: what closes it may still come."""
    return len(_OPENERS.findall(text)) > len(_ALL_CLOSERS.findall(text))


def _full_stop_ends(text: str, start: int, end: int, language: str) -> bool:
    """Whether the full stop at `start`, with white space behind `end`, ends a sentence for certain."""
    found = _LAST_WORD.search(text, 0, start)
    if found is None or text[end] == "\n":
        return True
    word = found.group().casefold()
    before = text[: found.start()]
    is_counted = is_number(word) or (len(word) == 1 and word.isalpha())
    if is_counted and _LIST_PLACE.search(before):
        return False
    kind = _kind(word, found.group(), language)
    if kind == "plain":
        return True
    following = _NEXT_WORD.match(text, end)
    if following is None:  # a mark, or nothing yet
        return bool(text[end:].strip()) and kind in ("maybe_last", "initial")
    if not following["after"]:
        return False  # the word may go on
    return _begins_sentence(kind, following["word"], language) and not (
        is_number(word) and _counts_on(before, int(word))
    )


def _kind(word: str, written: str, language: str) -> str:
    """Why a full stop behind a word may not end a sentence; `plain` where it always does."""
    if is_number(word):
        return "ordinal" if language in abbreviations.ORDINAL_LANGUAGES else "number"
    if len(word) == 1 and written.isupper() and written != "I":
        return "initial"
    if word in abbreviations.maybe_last(language):
        return "maybe_last"
    if word in abbreviations.before_names(language):
        return "before_names"
    if word in abbreviations.before_numbers(language):
        return "before_numbers"
    if _ACRONYM.fullmatch(written):
        return "initial"
    return "initial" if len(word) == 1 and written.islower() and written != "i" else "plain"


def _begins_sentence(kind: str, word: str, language: str) -> bool:
    """Whether the word behind a doubtful full stop begins a new sentence."""
    is_lower, is_count = word[0].islower(), is_number(word[0])
    is_starter = not is_lower and word.casefold() in abbreviations.starters(language)
    match kind:
        case "before_names":
            return False
        case "before_numbers":
            return not is_count and not _ROMAN.fullmatch(word)
        case "maybe_last" | "number":
            return not is_lower and (kind == "number" or not is_count)
        case _:  # an initial, an acronym, an ordinal: a name may follow
            return is_starter


def _counts_on(before: str, number: int) -> bool:
    """Whether a number continues a list in the same line: "1. press one 2. press two"."""
    return any(int(found) == number - 1 for found in _LIST_NUMBER.findall(before))
