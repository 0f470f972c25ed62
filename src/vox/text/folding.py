"""Text as a search compares it: the same for message and query, so that both ways of searching and both databases ignore the same.

Ignored are case in all scripts, accents and optional vowel marks, the form of normalisation, width, the kind of apostrophe, quotation
mark and dash, invisible characters, and how much white space there is.
"""

import unicodedata
from typing import Final

import regex

_MARKS: Final = regex.compile(
    r"(?V1)[[\p{Mn}\p{Me}]&&[\p{Inherited}\p{Hebrew}\p{Arabic}]--[\u3099\u309a]]+|\p{Default_Ignorable_Code_Point}+|\u0640+"
)
"""Accents, Hebrew and Arabic vowel marks, which are often not written; not the marks without which a letter is another one."""
_ALIKE: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʹʼʻ`´′＇", "'"),
        **dict.fromkeys("“”„‟«»″＂", '"'),
        **dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"),
        "ı": "i",
        "\0": " ",
    }
)


def folded(text: str) -> str:
    """A text as searches compare it. Messages are stored in this form too, so a change of it needs a migration."""
    if text.isascii():
        return " ".join(text.lower().replace("`", "'").replace("\0", " ").split())
    text = unicodedata.normalize("NFKD", text.translate(_ALIKE)).casefold().translate(_ALIKE)
    text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(unicodedata.normalize("NFC", text).split())
