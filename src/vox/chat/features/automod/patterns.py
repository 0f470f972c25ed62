"""Regular expressions of moderators, through RE2 only, whose time grows with the text and never explodes.

Without the package `google-re2` (the extra `moderation`) such rules are refused: Python's own engine could be held for hours by a
pattern or a message made for it.
"""

import importlib
from typing import Any, Final

LONGEST_PATTERN: Final = 1000
MAX_MEMORY: Final = 1 << 20
"""Bytes that RE2 may use for one pattern; one that needs more is refused."""
MAX_SIZE: Final = 2000
"""Instructions of one compiled pattern: in the worst case RE2 looks at all of them for each character."""

_re2: Any = None
try:
    _re2 = importlib.import_module("re2")
except ImportError:  # the extra is not installed
    _re2 = None


class Pattern:
    """One compiled pattern; case counts unless it begins with `(?i)`.

    Args:
        text: the pattern, in RE2's syntax, which has neither look-around nor back-references.

    Raises:
        ValueError: the pattern is wrong or needs too much memory; the message says what is expected.
    """

    __slots__ = ("_search", "size", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if _re2 is None:
            raise ValueError(
                "a server with the package google-re2: run `make setup`, or `pip install '.[moderation]'` in a checkout of Vox"
            )
        options = _re2.Options()
        options.max_mem = MAX_MEMORY
        options.log_errors = False
        options.never_capture = True
        try:
            compiled = _re2.compile(text, options)
        except (_re2.error, ValueError, UnicodeError) as error:
            reason = error.args[0] if error.args else "it cannot be read"
            reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise ValueError(f"a pattern of RE2 ({reason})") from None
        if compiled.search("") is not None:
            raise ValueError("a pattern that does not match the empty text")
        self.size: int = compiled.programsize
        if self.size > MAX_SIZE:
            raise ValueError("a shorter pattern, or one with smaller repetitions")
        self._search = compiled.search

    def matches(self, text: str) -> bool:
        """Whether the text has it somewhere."""
        return self._search(text) is not None


def is_available() -> bool:
    """Whether this server takes regular expressions."""
    return _re2 is not None
