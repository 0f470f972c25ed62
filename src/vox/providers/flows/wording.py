"""Cuts text into words and makes them comparable, in every script: Unicode's own classes, nothing but tables of the standard.

`written_words` keeps words as the recogniser's dictionary spells them; `heard_words` are compared. Both cut alike.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_APOSTROPHES: Final = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4\u2032\uff07"), "'")
_SCRIPTS_WITHOUT_SPACES: Final = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_INSIDE: Final = {"'": str.isalpha, ".": str.isalnum, ":": str.isdecimal, "-": str.isdecimal, "/": str.isdecimal}
"""Marks that belong to a word, and what must stand on both sides of them there."""

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PLUS = re.compile(r"(?<!\w)\+(?=[\s(]*\d)")
_HALF_DAY = re.compile(r"(?<!\w)([ap])\.? ?m\b\.?|(?<=\d) ?([ap])\.? ?m\b\.?")
_ENDINGS: Final = {"s": "is", "d": "would", "ll": "will", "m": "am", "re": "are", "ve": "have"}
_IRREGULAR: Final = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "let's": "let us",
    "o'clock": "o'clock",
    "goodbye": "good bye",
    "wanna": "want to",
    "gonna": "going to",
    "gotta": "have to",
    "d'you": "do you",
    "y'all": "you all",
    "ok": "okay",
}


def fold(text: str) -> str:
    """The text as it compares: compatibility forms and case are one, decimal digits of all scripts are ASCII's."""
    return _plain(text).casefold()


def written_words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; `7.30pm` becomes `7.30 p m`, `+44` becomes `plus 44`."""
    text = _PLUS.sub(" plus ", _THOUSANDS.sub("", _plain(text).lower()))
    return tuple(_words(_HALF_DAY.sub(lambda found: f" {found[1] or found[2]} m ", text)))


def heard_words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: case folded, contractions opened (`what's` is `what is`)."""
    return tuple(part for word in written_words(text) for part in opened(word))


def opened(word: str) -> tuple[str, ...]:
    """One written word as it is compared, a contraction as its parts."""
    word = word.casefold()
    if word in _IRREGULAR:
        return tuple(_IRREGULAR[word].split())
    stem, mark, ending = word.rpartition("'")
    if mark and stem.endswith("n") and ending == "t":
        return stem[:-1], "not"
    if mark and stem and ending in _ENDINGS:
        return *opened(stem), _ENDINGS[ending]
    return (word,)


def _plain(text: str) -> str:
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES))
    digits = (str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    return "".join(char for char in digits if unicodedata.category(char) != "Cf")


def _words(text: str) -> Iterator[str]:
    word = ""
    for at, char in enumerate(text):
        if _is_part(char) or (word and _joins(text, at)):
            if word and not char.isascii() and _stands_alone(char):
                yield word
                word = ""
            word += char
            if not char.isascii() and _stands_alone(char) and not _is_mark(text[at + 1 : at + 2]):
                yield word
                word = ""
        elif word:
            yield word
            word = ""
    if word:
        yield word


def _is_part(char: str) -> bool:
    return char.isalnum() or (not char.isascii() and unicodedata.category(char)[0] in "LMN")


def _joins(text: str, at: int) -> bool:
    fits = _INSIDE.get(text[at])
    after = text[at + 1 : at + 2]
    return fits is not None and bool(after) and fits(after) and fits(text[at - 1])


def _stands_alone(char: str) -> bool:
    """Whether the letter is of a script that sets no spaces: each is a word, so that phrases are found inside runs."""
    return unicodedata.category(char) == "Lo" and unicodedata.name(char, "").startswith(_SCRIPTS_WITHOUT_SPACES)


def _is_mark(char: str) -> bool:
    return bool(char) and unicodedata.category(char)[0] == "M"
