"""Takes a model's thoughts out of its answer: `<think>…</think>` in the text is neither spoken, shown nor remembered.

The tags may come in any number of pieces. An opening tag without an end takes the rest of the answer; a closing tag alone is
dropped, because what stood before it was said already.
"""

from dataclasses import dataclass
from typing import Final

import regex

_NAMES: Final = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection")
_TAG: Final = regex.compile(rf"<(?P<end>/?)\s*(?:{'|'.join(_NAMES)})\s*>", regex.IGNORECASE)
_MAYBE_TAG: Final = regex.compile(rf"</?\s*(?:{'|'.join(_NAMES)})\s*>", regex.IGNORECASE)
_LONGEST_TAG: Final = 24


@dataclass(slots=True)
class ThoughtFilter:
    """Feed the answer with `push`, end with `flush`; both give what is to be said."""

    _pending: str = ""
    _is_thinking: bool = False
    _has_said: bool = False
    _skips_space: bool = False

    def push(self, text: str) -> str:
        """The part of the text so far that certainly is no thought."""
        self._pending += text
        said = ""
        while (tag := _TAG.search(self._pending)) is not None:
            if not self._is_thinking:
                said += self._said(self._pending[: tag.start()])
            self._is_thinking = not tag["end"]
            self._skips_space = not self._has_said  # empty lines part the thoughts from the first words
            self._pending = self._pending[tag.end() :]
        kept = self._unfinished_tag()
        certain, self._pending = self._pending[:kept], self._pending[kept:]
        return said if self._is_thinking else said + self._said(certain)

    def flush(self) -> str:
        """What was held back as the beginning of a tag; the filter then begins anew."""
        rest = "" if self._is_thinking else self._pending
        self._pending = ""
        self._is_thinking = self._has_said = self._skips_space = False
        return rest

    def _unfinished_tag(self) -> int:
        """Where an unfinished tag begins at the end of the text; the text's length where none does."""
        start = self._pending.rfind("<", -_LONGEST_TAG)
        if start >= 0 and _MAYBE_TAG.fullmatch(self._pending, start, partial=True):
            return start
        return len(self._pending)

    def _said(self, text: str) -> str:
        text = text.lstrip() if self._skips_space and not self._has_said else text
        self._has_said = self._has_said or bool(text.strip())
        return text
