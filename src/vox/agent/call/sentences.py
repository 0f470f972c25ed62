"""Cuts a stream of text into pieces worth speaking, as early as may be.

The first piece of an answer may end at a comma, so that sound starts early; later ones end where a sentence does
(`vox.text.sentences`).
"""

from dataclasses import dataclass

from vox.text.sentences import clause_ends, sentence_ends

MAX_CHARACTERS = 300


@dataclass(slots=True)
class SentenceSplitter:
    """Feed text with `push`, take the rest with `flush`; the pieces joined are the text, but for outer white space.

    Attributes:
        language: BCP 47; empty where it is not known.
        first_clause: least characters of a first piece that ends at a comma (0: never cut there).
        max_characters: a longer piece is cut at the last space before it.
    """

    language: str = ""
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

    @property
    def pending(self) -> str:
        """What no piece has of the text so far."""
        return self._pending

    def release_words(self) -> list[str]:
        """All whole words of an unfinished sentence."""
        pieces: list[str] = []
        self._take(max(0, self._pending.rfind(" "), self._pending.rfind("\n")), pieces)
        return pieces

    def release(self) -> list[str]:
        """What of an unfinished sentence can be spoken now, cut behind its last clause, else its last whole word."""
        ends = list(clause_ends(self._pending))
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
        for end in sentence_ends(self._pending, self.language):
            if end > self.max_characters:
                break
            if self._pending[:end].strip():
                return end
        if self._is_first and self.first_clause:
            for end in clause_ends(self._pending):
                if self.first_clause < end <= self.max_characters:
                    return end
        return self._forced_end() if len(self._pending) > self.max_characters else None

    def _forced_end(self) -> int:
        space = self._pending.rfind(" ", 1, self.max_characters)
        return space if space > 0 else self.max_characters
