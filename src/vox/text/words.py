"""Words of any script: what is one, how many there are, and whether two are the same.

Words follow Unicode's word boundaries (UAX #29). Scripts written without spaces have none that could be found without a
dictionary; there each character is a token of its own, so that phrases are found, and the number of words is estimated.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

import regex

_SPACELESS: Final = r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}"
_IDEOGRAPHIC: Final = regex.compile(r"[\p{Script=Han}\p{Script=Hiragana}]")
_TOKEN: Final = regex.compile(
    rf"(?V1)(?P<alone>[{_SPACELESS}--\p{{M}}]\p{{M}}*)"
    r"|[\p{Script=Katakana}ー]+\p{M}*"
    rf"|[\p{{L}}\p{{N}}--[{_SPACELESS}\p{{Script=Katakana}}]]"
    rf"(?:[\p{{L}}\p{{N}}\p{{M}}\p{{Pc}}--[{_SPACELESS}\p{{Script=Katakana}}]]"
    r"|(?<=\p{L}\p{M}*)[\p{WB=MidLetter}\p{WB=MidNumLet}'](?=\p{L})|(?<=\p{N})[\p{WB=MidNum}\p{WB=MidNumLet}'](?=\p{N}))*"
)
_APOSTROPHE: Final = str.maketrans(dict.fromkeys("’‘ʼʻ＇`´", "'"))
_IGNORABLE: Final = regex.compile(r"\p{Default_Ignorable_Code_Point}+|(?<=i)\u0307")

_CHARACTERS_PER_WORD: Final = 2
"""Of Chinese and of Japanese but for katakana, on average."""
_CLUSTERS_PER_WORD: Final = 4
"""Of Thai, Lao, Khmer, Burmese and Tibetan, on average; a cluster is a letter with its marks."""


def comparison_key(text: str) -> str:
    """What two texts have in common that a reader takes for the same: case, width, composition and apostrophes aside."""
    folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHE)).casefold()
    return unicodedata.normalize("NFC", _IGNORABLE.sub("", folded)).translate(_APOSTROPHE)


def words(text: str) -> list[str]:
    """The comparison keys of a text's words, in order; in scripts without spaces, of its characters."""
    return [match.group() for match in _TOKEN.finditer(comparison_key(text))]


def count_words(text: str) -> int:
    """How many words a text has; estimated where its script does not part them."""
    parted = ideographs = clusters = 0
    for match in _TOKEN.finditer(comparison_key(text)):
        if match["alone"] is None:
            parted += 1
        elif _IDEOGRAPHIC.match(match["alone"]):
            ideographs += 1
        else:
            clusters += 1
    return parted + _estimated(ideographs, _CHARACTERS_PER_WORD) + _estimated(clusters, _CLUSTERS_PER_WORD)


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether a phrase's words stand in a text side by side; a phrase without words stands in none."""
    return contains_words(words(text), words(phrase))


def contains_words(said: Sequence[str], sought: Sequence[str]) -> bool:
    """Whether some words, as `words` gives them, stand among others side by side."""
    length = len(sought)
    return length > 0 and any(
        list(said[start : start + length]) == list(sought) for start in range(len(said) - length + 1)
    )


def _estimated(characters: int, each: int) -> int:
    return max(1, characters // each) if characters else 0
