"""Cuts a stream of text into pieces worth speaking, as early as may be.

The first piece of an answer may end at a comma, so that sound starts early; later ones end at sentence marks. Abbreviations,
decimal points and initials do not end a sentence.
"""

import re
from dataclasses import dataclass

MAX_CHARACTERS = 300

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？।]+|\n+")  # noqa: RUF001  full-width marks are meant
_CLAUSE_END = re.compile(r"[,;:–—](?=\s)")  # noqa: RUF001  dashes are meant
_ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "approx", "dept", "inc", "ltd", "jr", "sr"}
)


@dataclass(slots=True)
class SentenceSplitter:
    """Feed text with `push`, take the rest with `flush`; the pieces joined are the text, but for outer white space.

    Attributes:
        first_clause: least characters of a first piece that ends at a comma (0: never cut there).
        max_characters: a longer piece is cut at the last space before it.
    """

    first_clause: int = 24
    max_characters: int = MAX_CHARACTERS
    _pending: str = ""
    _is_first: bool = True

    def push(self, text: str) -> list[str]:
        """The pieces that this text completes."""
        self._pending += text
        pieces: list[str] = []
        while (end := self._next_end()) is not None:
            self._take(end, pieces)
        return pieces

    def release(self) -> list[str]:
        """What of an unfinished sentence can be spoken now, cut behind its last clause, else its last whole word."""
        ends = [match.end() for match in _CLAUSE_END.finditer(self._pending)]
        space = max(self._pending.rfind(" "), self._pending.rfind("\n"))
        pieces: list[str] = []
        self._take(ends[-1] if ends else max(0, space), pieces)
        return pieces

    def flush(self) -> list[str]:
        """What is left; the splitter then begins anew."""
        pieces: list[str] = []
        while len(self._pending) > self.max_characters:
            self._take(self._forced_end(), pieces)
        self._take(len(self._pending), pieces)
        self._is_first = True
        return pieces

    def _take(self, end: int, pieces: list[str]) -> None:
        piece, self._pending = self._pending[:end].strip(), self._pending[end:]
        if piece:
            pieces.append(piece)
            self._is_first = False

    def _next_end(self) -> int | None:
        for match in _SENTENCE_END.finditer(self._pending):
            if match.end() > self.max_characters:
                break
            if not self._pending[: match.end()].strip():
                continue
            if match.group().startswith(".") and _is_abbreviation(self._pending[: match.start()]):
                continue
            return match.end()
        if self._is_first and self.first_clause:
            for match in _CLAUSE_END.finditer(self._pending):
                if self.first_clause <= match.start() < self.max_characters:
                    return match.end()
        return self._forced_end() if len(self._pending) > self.max_characters else None

    def _forced_end(self) -> int:
        space = self._pending.rfind(" ", 1, self.max_characters)
        return space if space > 0 else self.max_characters


def _is_abbreviation(before: str) -> bool:
    word = before.rsplit(None, 1)[-1].lstrip("(\"'").casefold() if before.strip() else ""
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")
