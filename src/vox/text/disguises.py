"""What a text says when its words are disguised: the readings that a word filter compares.

A disguise replaces letters by look-alikes of other scripts, symbols or digits, hides invisible characters in a word, spells it with
something between the letters, or stretches it. Each disguise gives at most one or two further readings of the whole text, so the
work grows with the length of the text and never with the number of its possible spellings.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import regex

from vox.text.folding import folded
from vox.text.names import LOOK_ALIKES

LONGEST_SPELLED: Final = 64
"""Letters of a word that is spelled out; longer runs are no word."""
_SPELLED_LETTERS: Final = 3
"""Single letters in a row that may be a word spelled out."""

_PAIRS: Final = (
    "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz "  # small capitals
    "øo łl đd ħh ŧt ƀb ɨi ɵo ƶz ɇe ƒf ʃs ɐa ǝe ɔc ɯm ʇt ʌv ʎy ɹr ɾr ʞk əe "  # with a stroke, turned
    "үy ұy ҫc қk ҳx ғf єe ѡw ϳj "  # more Cyrillic and Greek
    "Ꭺa Ᏼb Ꮯc Ꭰd Ꭼe Ꮐg Ꮋh Ꭵi Ꭻj Ꮶk Ꮮl Ꮇm Ꮲp Ꮢr Ꮪs Ꭲt Ꮩv Ꮃw Ꮓz"  # Cherokee
)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_PICTURED: Final = {
    first + number: letter
    for first in (0x1F150, 0x1F170, 0x1F1E6)  # negative circled, negative squared, regional indicators
    for number, letter in enumerate(_LETTERS)
}
_PLAIN: Final = {
    **LOOK_ALIKES,
    **_PICTURED,
    **{ord(pair[0]): pair[1] for pair in _PAIRS.split()},
    0x2800: None,  # the blank of Braille shows nothing
}
_FOLDED_AWAY: Final = str.maketrans("ϲϹ", "cc")
"""Look-alikes that folding would turn into letters which look different."""
_AS_I: Final = str.maketrans("013456789@$€£!|¡+¢", "oieasgtbgaseliiitc")
_AS_L: Final = str.maketrans({"1": "l", "|": "l", "!": "l"})
_SIGN: Final = re.compile(r"[0-9@$€£!|¡+¢]")
_TWO_WAYS: Final = re.compile(r"[1|!]")
_OPENING: Final = ".,;:'\"([{<-*_~"
_CLOSING: Final = ".,;:!?'\")]}>-*_~"
_SYMBOL: Final = regex.compile(r"\p{So}")
_SEPARATORS: Final = regex.compile(r"(?V1)[^\p{L}\p{N}\p{M}\p{So}]+")
_ASCII_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")
_STRETCHED: Final = re.compile(r"([^\W\d_])\1\1")
_RUN: Final = re.compile(r"(\S)\1*")
_MASKED: Final = regex.compile(r"(?<!\S)\p{L}+(?:[*#]+\p{L}+)+(?!\S)")
_UNSPACED: Final = regex.compile(
    r"(?V1)[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{So}]"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text, as words with one space between them.

    Args:
        words: the text, each separator as a space.
        joined: words of it that were spelled out letter by letter, put together.
        mended: words of it that had separators inside, without them; only whole ones count, because any two words can be joined.
        is_stretched: whether a letter stands three times in a row.
    """

    words: str
    joined: str = ""
    mended: str = ""
    is_stretched: bool = False


def readings(text: str) -> list[Reading]:
    """The ways to read a text, the plain one first; at most four."""
    plain = _plain(text)
    first, signs = _reading(plain)
    found = [first]
    if signs:
        found.append(_reading(_spoken(signs, _AS_I))[0])
        if _TWO_WAYS.search(signs):
            found.append(_reading(_spoken(signs.translate(_AS_L), _AS_I))[0])
    if first.joined and _SIGN.search(first.joined):
        found.append(_reading(_spoken(first.joined, _AS_I))[0])
    return found


def literal(text: str) -> str:
    """A text for lists that allow no disguise: only case, normalisation and white space make no difference."""
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFC", text).casefold()).strip()


def key_of(word: str) -> str:
    """A listed word as it stands in `Reading.words`; empty where it has neither letters, digits nor symbols."""
    return _separated(_plain(word), _SEPARATORS)


def collapsed(text: str) -> tuple[str, list[int]]:
    """A text with each run of one character as a single one, and how long each run was; a space counts once."""
    shown: list[str] = []
    lengths: list[int] = []
    for match in _RUN.finditer(text):
        if shown and match.start() and text[match.start() - 1] == " ":
            shown.append(" ")
            lengths.append(1)
        shown.append(match.group(1))
        lengths.append(match.end() - match.start())
    return "".join(shown), lengths


def masked_words(text: str) -> list[str]:
    """Words with letters struck out by `*` or `#` between others, each such sign as `*`."""
    if "*" not in text and "#" not in text:
        return []
    return [match.replace("#", "*") for match in _MASKED.findall(folded(text))]


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that writes no spaces, or is a symbol: a word may begin and end anywhere there."""
    return not char.isascii() and _UNSPACED.match(char) is not None


def _plain(text: str) -> str:
    """The text folded, with each look-alike as the letter it stands for."""
    if text.isascii():
        return folded(text)
    plain = folded(text.translate(_FOLDED_AWAY))
    return plain if plain.isascii() else plain.translate(_PLAIN)


def _reading(plain: str) -> tuple[Reading, str]:
    """The text as it stands; and the text again, where tokens of it have signs or digits between letters, else nothing."""
    words: list[str] = []
    mended: list[str] = []
    singles = 0
    has_signs = False
    separators = _ASCII_SEPARATORS if plain.isascii() else _SEPARATORS
    for token in plain.split():
        bare = token if token.isalpha() else token.lstrip(_OPENING).rstrip(_CLOSING)
        if not bare.isalpha():
            has_signs = has_signs or (_SIGN.search(bare) is not None and _has_letter(bare))
            if not bare.isalnum():
                parts = _separated(bare, separators).split()
                words += parts
                singles += sum(len(part) == 1 for part in parts)
                if len(parts) > 1 and len(token) <= LONGEST_SPELLED and "://" not in token:
                    mended.append("".join(part for part in parts if not _SYMBOL.match(part)))
                continue
        words.append(bare)
        singles += len(bare) == 1
    text = " ".join(words)
    joined = _spelled(words) if singles >= _SPELLED_LETTERS else ""
    return Reading(text, joined, " ".join(mended), _STRETCHED.search(text) is not None), plain if has_signs else ""


def _has_letter(token: str) -> bool:
    return any(map(str.isalpha, token))


def _separated(plain: str, separators: "re.Pattern[str] | regex.Pattern[str]") -> str:
    text = separators.sub(" ", plain).strip()
    return text if text.isascii() else " ".join(_SYMBOL.sub(" \\g<0> ", text).split())


def _spoken(plain: str, table: dict[int, int]) -> str:
    """The text with signs and digits as the letters they stand for, in tokens that have letters besides; closing marks stay marks."""
    spoken: list[str] = []
    for token in plain.split():
        body = token.rstrip(_CLOSING)
        is_word = not body.isalpha() and _has_letter(body)
        spoken.append(body.translate(table) + token[len(body) :] if is_word else token)
    return " ".join(spoken)


def _spelled(words: list[str]) -> str:
    """Runs of single letters as words; symbols between them do not interrupt."""
    found: list[str] = []
    run: list[str] = []
    for token in words:
        if len(token) != 1:
            _close(run, found)
        elif token.isascii() or not _SYMBOL.match(token):
            run.append(token)
    _close(run, found)
    return " ".join(found)


def _close(run: list[str], found: list[str]) -> None:
    if _SPELLED_LETTERS <= len(run) <= LONGEST_SPELLED:
        found.append("".join(run))
    run.clear()
