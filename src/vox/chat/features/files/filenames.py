"""The name and the MIME type that a client gives its file, made harmless. Pure.

A name is for people to read. It never becomes a path, and in a header it is percent-encoded entirely.
"""

import re
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 255
NAMELESS: Final = "file"
OCTETS: Final = "application/octet-stream"

_MIME: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
# Controls, line ends of every kind, and characters that turn the direction of text, which can make `exe` look like `txt`.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def clean_name(name: str) -> str:
    """A file's name for showing: without folders, control and direction characters, at most 255 characters."""
    last = _INVISIBLE.sub("", name).replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    if last in {"", ".", ".."}:
        return NAMELESS
    if len(last) <= MAX_NAME:
        return last
    stem, dot, ending = last.rpartition(".")
    if not stem or len(ending) > 16:  # noqa: PLR2004  no extension in use is longer
        return last[:MAX_NAME]
    return stem[: MAX_NAME - len(ending) - 1] + dot + ending


def clean_mime(text: str) -> str:
    """A MIME type in lower case without parameters; empty where the text is none."""
    kind = text.partition(";")[0].strip().lower()
    return kind if _MIME.fullmatch(kind) else ""


def disposition(name: str, *, is_inline: bool = False) -> str:
    """The value of Content-Disposition, RFC 6266; ASCII only, so nothing in a name can end the header."""
    kind = "inline" if is_inline else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(clean_name(name), safe='')}"
