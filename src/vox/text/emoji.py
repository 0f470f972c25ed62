"""What one emoji is: a sequence of code points that Unicode's grammar (UTS #51) makes one picture.

Several spellings of a picture exist, because the selector U+FE0F is often left out: `canonical_emoji` gives one for all of them,
the fully-qualified one that keyboards send.
"""

from typing import Final

import regex

LONGEST_SEQUENCE: Final = 32
"""Code points of one emoji; the longest that Unicode recommends has 14 (a flag of tags)."""

_MODIFIER: Final = r"\p{Emoji_Modifier}"
_TAGS: Final = r"[\U000E0020-\U000E007E]{1,30}\U000E007F"
_ELEMENT: Final = rf"(?:\p{{Regional_Indicator}}{{2}}|[\p{{Emoji}}--[0-9#*\p{{Regional_Indicator}}]](?:{_MODIFIER}|[\ufe0e\ufe0f])?(?:{_TAGS})?)"
_KEYCAP: Final = r"[0-9#*]\ufe0f?\u20e3"
SEQUENCE: Final = rf"(?:{_KEYCAP}|{_ELEMENT}(?:\u200d{_ELEMENT})*)"
"""A pattern of one emoji, for `regex` with its flag V1."""

_ONE: Final = regex.compile(rf"(?V1){SEQUENCE}")
_SELECTOR: Final = regex.compile(r"(?V1)(?<=[^0-9#*])[\ufe0e\ufe0f]")
_TEXT_BY_DEFAULT: Final = regex.compile(rf"(?V1)[\p{{Emoji}}--[\p{{Emoji_Presentation}}0-9#*]](?!{_MODIFIER})")
_PLAIN_KEYCAP: Final = regex.compile(r"([0-9#*])\u20e3")


def canonical_emoji(text: str) -> str:
    """The fully-qualified spelling of an emoji; empty where the text is not exactly one emoji."""
    if len(text) > LONGEST_SEQUENCE or not _ONE.fullmatch(text):
        return ""
    bare = _SELECTOR.sub("", text)
    qualified = _TEXT_BY_DEFAULT.sub("\\g<0>\ufe0f", bare)
    return _PLAIN_KEYCAP.sub("\\1\ufe0f\u20e3", qualified)
