"""The name and the MIME type that a client gives its file, made harmless. Pure.

A name is for people to read. It never becomes a path. Characters that show nothing, end lines or turn the direction of text, which
can make `exe` look like `txt`, are taken out; joiners stay where they make another word or another emoji.
"""

import re
import unicodedata
from typing import Final

from vox.http.header_values import content_disposition, media_type
from vox.text.names import is_visible, without_unshown

MAX_NAME: Final = 255
NAMELESS: Final = "file"
OCTETS: Final = "application/octet-stream"

_MIME: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")


def clean_name(name: str) -> str:
    """A file's name for showing: without folders, control and direction characters, at most 255 characters."""
    shown = without_unshown(unicodedata.normalize("NFC", name))
    last = shown.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    if last in {"", ".", ".."} or not is_visible(last):
        return NAMELESS
    if len(last) <= MAX_NAME:
        return last
    stem, dot, ending = last.rpartition(".")
    if not stem or len(ending) > 16:  # noqa: PLR2004  no extension in use is longer
        return last[:MAX_NAME]
    return stem[: MAX_NAME - len(ending) - 1] + dot + ending


def clean_mime(text: str) -> str:
    """A MIME type in lower case without parameters; empty where the text is none."""
    kind = media_type(text)
    return kind if _MIME.fullmatch(kind) else ""


def disposition(name: str, *, is_inline: bool = False) -> str:
    """The value of Content-Disposition; ASCII only, so nothing in a name can end the header."""
    return content_disposition("inline" if is_inline else "attachment", clean_name(name))
