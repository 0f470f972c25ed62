"""A row of a transcript, and what its values must look like before a database sees them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Role = Literal["user", "assistant"]

MAX_TEXT: Final = 100_000
"""Characters of one row; what is longer is cut and ends in an ellipsis."""
PORTABLE_TEXT: Final = 16_000
"""Characters that fit into MySQL's TEXT (65,535 bytes) whatever they are."""
REPLACEMENT: Final = "\ufffd"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SESSION_ID = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """What was said in one turn: `seq` counts the rows of its session from 1, `created_at` is in UTC."""

    session_id: str
    seq: int
    role: Role
    text: str
    created_at: datetime


def is_table_name(name: str) -> bool:
    """Whether a name is a plain identifier in every database: letters, digits, underscores, at most 63 of them."""
    return _TABLE.fullmatch(name) is not None


def is_session_id(text: str) -> bool:
    """Whether a text can be the id of a session: printable ASCII without blanks, at most 255 characters."""
    return _SESSION_ID.fullmatch(text) is not None


def storable(text: str) -> str:
    """The text as every database takes it: without NUL and half surrogate pairs, and of bounded length."""
    text = _UNSTORABLE.sub(REPLACEMENT, text)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def portable(text: str) -> str:
    """The text for a column that refused it: short enough for TEXT, and without what three bytes of UTF-8 cannot hold."""
    text = _BEYOND_BMP.sub(REPLACEMENT, text)
    return text if len(text) <= PORTABLE_TEXT else f"{text[: PORTABLE_TEXT - 1]}…"
