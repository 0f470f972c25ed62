"""Names that people give to themselves and to things: which are usable, how they are stored, and which of them look the same.

A name is stored in normalisation form C without surplus spaces, as the Nickname profile of PRECIS (RFC 8266) has it, and it shows
what it says: no invisible characters, none that turn the direction of text, no towers of accents. Two names are the same
where their keys are equal: case, width, spelling in code points, invisible characters and look-alike letters of other scripts aside.
"""

import unicodedata
from typing import Final

import regex

from vox.text.emoji import SEQUENCE

MAX_MARKS: Final = 4
"""Marks on one letter: the bound of UTS #39, section 5.4. Vietnamese, Hebrew and Tibetan need no more."""
RESERVED_KEYS: Final = frozenset({"everyone", "here"})
"""What a mention of all members looks like, with or without an @."""

_JOINING: Final = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}"
    r"\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}"
)
"""Scripts in which a joiner or non-joiner changes letters."""
_MEANINGFUL: Final = regex.compile(
    rf"(?V1){SEQUENCE}"
    rf"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    r"|(?<=\p{Han})[\ufe00-\ufe0f\U000e0100-\U000e01ef]|(?<=\p{Mongolian})[\u180b-\u180d\u180f]"
)
"""Where an invisible character makes a difference: emoji sequences, joiners inside words, variants of a character."""
_UNSHOWN: Final = regex.compile(r"(?V1)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]")
_SPACES: Final = regex.compile(r"\p{Zs}+")
_VISIBLE: Final = regex.compile(r"(?V1)[^\p{Z}\p{C}\p{M}\p{Default_Ignorable_Code_Point}\u2800]")
_IGNORED: Final = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_TOO_MANY_MARKS: Final = regex.compile(rf"[\p{{Mn}}\p{{Me}}]{{{MAX_MARKS + 1},}}")
_MARK_ALONE: Final = regex.compile(r"(?:^|\p{Zs})\p{M}")

_PAIRS: Final = (
    "аa вb сc еe ԁd һh іi јj ӏl кk мm нh оo рp ԛq ѕs тt уy ѵv ԝw хx ьb "  # Cyrillic
    "αa βb εe ζz ηh ιi κk μm νn οo ρp τt υy χx γy ωw "  # Greek
    "աw հh յj ոn օo սu ցg զq "  # Armenian
    "ıi ɑa ɡg ɩi"  # Latin
)
LOOK_ALIKES: Final = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
"""Letters of other scripts that look like a Latin one, small or as capitals, in the form that folding gives them."""


def is_visible(text: str) -> bool:
    """Whether a text shows anything: more than spaces, marks, fillers and control characters."""
    if text.isascii() and text.isprintable():
        return bool(text.strip())
    return _VISIBLE.search(text) is not None


def stored_name(text: str) -> str:
    """A name as it is stored: in form C, each run of spaces as one space, none at the ends."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def problem_with_name(name: str) -> str:
    """What is expected of a stored name that it is not; empty where it is usable.

    Args:
        name: as `stored_name` gives it.
    """
    if not is_visible(name):
        return "visible characters"
    if found := _UNSHOWN.search(_MEANINGFUL.sub("", name)):
        return f"no control, direction or invisible characters (found U+{ord(found.group()):04X})"
    if _MARK_ALONE.search(name):
        return "a letter before each accent"
    if _TOO_MANY_MARKS.search(unicodedata.normalize("NFD", name)):
        return f"at most {MAX_MARKS} accents on one letter"
    return ""


def name_key(name: str) -> str:
    """What two names have in common that a reader takes for the same.

    Keys are stored, so a change of this function needs a migration.
    """
    folded = unicodedata.normalize("NFKC", name)
    for _ in range(2):  # folding may undo the normalisation, and the reverse
        folded = unicodedata.normalize("NFKC", _IGNORED.sub("", folded).casefold())
    return _SPACES.sub(" ", folded.translate(LOOK_ALIKES)).strip()


def is_reserved(name: str) -> bool:
    """Whether a name looks like a mention of all members."""
    return name_key(name).lstrip("@ ") in RESERVED_KEYS


def without_unshown(text: str, replacement: str = "") -> str:
    """A text without the characters that show nothing or turn its direction; joiners that make a difference stay."""
    kept: list[str] = []
    position = 0
    for match in _MEANINGFUL.finditer(text):
        kept += [_UNSHOWN.sub(replacement, text[position : match.start()]), match.group()]
        position = match.end()
    return "".join([*kept, _UNSHOWN.sub(replacement, text[position:])])
