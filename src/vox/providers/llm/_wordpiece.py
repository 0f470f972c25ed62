"""BERT's uncased word pieces in plain Python: a library for it would weigh more than the model's whole vocabulary."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

_UNKNOWN: Final = "[UNK]"
_BEGIN: Final = "[CLS]"
_END: Final = "[SEP]"
_LONGEST_WORD: Final = 100


class WordPieces:
    """Cuts text into the numbers of a vocabulary, one piece a line in `vocab.txt`."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers: Mapping[str, int] = {piece: number for number, piece in enumerate(vocabulary)}
        missing = [mark for mark in (_UNKNOWN, _BEGIN, _END) if mark not in self._numbers]
        if missing:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")

    @classmethod
    def read(cls, path: Path) -> "WordPieces":
        """The vocabulary of a file; raises OSError or ValueError where it is none."""
        return cls(path.read_text(encoding="utf-8").splitlines())

    def encode(self, text: str, most: int) -> list[int]:
        """The numbers of the text between its marks, at most `most` of them."""
        pieces = (piece for word in _words(text) for piece in self._pieces(word))
        return [self._numbers[_BEGIN], *islice(pieces, most - 2), self._numbers[_END]]

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(len(word), start, -1) if len(word) <= _LONGEST_WORD else range(0)
            end = next((end for end in ends if prefix + word[start:end] in self._numbers), None)
            if end is None:
                return [self._numbers[_UNKNOWN]]
            found.append(self._numbers[prefix + word[start:end]])
            start = end
        return found


def _words(text: str) -> Iterator[str]:
    """Words in lower case without accents; each mark and each ideograph is a word of its own."""
    spaced: list[str] = []
    for char in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(char)
        if category == "Mn" or (category in {"Cc", "Cf"} and not char.isspace()):
            continue
        is_alone = category[0] in "PS" or unicodedata.name(char, "").startswith("CJK UNIFIED")
        spaced.append(f" {char} " if is_alone else char)
    yield from "".join(spaced).split()
