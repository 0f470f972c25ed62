"""Pronunciations for words of a grammar: those written in its head, and a guess for unknown words.

The phones are those of CMUdict, which the recogniser's model knows. The guess follows spelling; it is meant for names that
the flow's author forgot, so that one word does not make a whole grammar unusable.
"""

import re

from vox.providers.stt.contract import PHONES

_PRON = re.compile(r"^\s*//\s*pron:\s*(\S+)\s*=\s*([A-Z ]+?)\s*$", re.MULTILINE)

_SPELLED = {
    "tch": "CH", "sch": "SH", "igh": "AY", "eau": "OW", "dge": "JH", "tio": "SH AH", "ough": "OW", "augh": "AO",
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "gh": "G", "kn": "N",
    "wr": "R", "ee": "IY", "ea": "IY", "ie": "IY", "ei": "AY", "ai": "EY", "ay": "EY", "ey": "IY", "oa": "OW", "oe": "OW",
    "oo": "UW", "ou": "AW", "ow": "OW", "oi": "OY", "oy": "OY", "au": "AO", "aw": "AO", "ue": "UW", "ew": "UW", "er": "ER",
    "ir": "ER", "ur": "ER", "ar": "AA R", "or": "AO R", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F",
    "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K",
    "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z", "ä": "EH", "ö": "ER",
    "ü": "UW", "ß": "S", "é": "EY", "è": "EH", "á": "AA", "à": "AA", "ó": "OW", "ñ": "N Y", "ç": "S", "í": "IY", "ú": "UW",
}  # fmt: skip
_AT_END = {"a": "AH", "o": "OW", "i": "IY", "u": "UW", "y": "IY", "ce": "S", "e": ""}
_DIGITS = ["Z IH R OW", "W AH N", "T UW", "TH R IY", "F AO R", "F AY V", "S IH K S", "S EH V AH N", "EY T", "N AY N"]
_LONGEST = 4


def written(grammar: str) -> dict[str, list[str]]:
    """Pronunciations from the lines `// pron: word = P R AH N`; lines with unknown phones are left out."""
    found: dict[str, list[str]] = {}
    for word, phones in _PRON.findall(grammar):
        if phones.split() and PHONES.issuperset(phones.split()):
            found.setdefault(word, []).append(" ".join(phones.split()))
    return found


def guess(word: str) -> str:
    """Phones for a word by its spelling, as an English speaker who never saw it would say it."""
    letters = [letter for letter in word.lower() if letter in _SPELLED or letter.isdecimal()]
    text = "".join(letters)
    phones: list[str] = []
    position = 0
    while position < len(text):
        rest = text[position:]
        if position > 0 and rest in _AT_END:
            phones += _AT_END[rest].split()
            break
        if rest[0].isdecimal():
            phones += _DIGITS[int(rest[0])].split()
            position += 1
            continue
        size = next(size for size in range(_LONGEST, 0, -1) if rest[:size] in _SPELLED and len(rest) >= size)
        spelled = _SPELLED[rest[:size]].split()
        doubled = size == 1 and rest[:1] == text[position - 1 : position] and phones[-1:] == spelled
        phones += [] if doubled else spelled
        position += size
    return " ".join(phones) or "AH"
