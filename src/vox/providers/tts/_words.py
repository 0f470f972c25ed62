"""Finds the words of a request in what vendors say about time: by character, by UTF-8 byte, or by the word they spoke.

Vendors count differently: punctuation alone is a word, "o'clock" is two, and "9" comes back as "nine". What counts here is the word
between spaces, once, in order and at times that do not go back; what cannot be found has no time, and the words around it say enough.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from vox.providers.tts.contract import SpokenWord

_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W_]+")
MAX_S = 3600.0
"""A later time is none of a sentence."""
_LOOK_AHEAD = 4
"""Words of the request that a vendor's word may lie ahead: further on, it is likely another one that looks the same."""


class WordFinder:
    """The words of one request, found in their order.

    Args:
        text: as it was sent.

    Attributes:
        text: the same, with what `extend` added.
    """

    def __init__(self, text: str) -> None:
        self.text = ""
        self._spans: list[tuple[int, int]] = []
        self._keys: list[str] = []
        self._bytes: list[int] | None = None
        self._next = 0
        self._last_s = 0.0
        self._inside = ""
        self.extend(text)

    def extend(self, text: str) -> None:
        """The request goes on with this text; what it had so far ends between two words."""
        before = len(self.text)
        self.text += text
        self._spans += [(before + match.start(), before + match.end()) for match in _WORD.finditer(text)]
        self._keys += [_key(self.text[start:end]) for start, end in self._spans[len(self._keys) :]]
        self._bytes = None

    def at(self, position: int, at_s: float) -> SpokenWord | None:
        """The word in which this character lies, if it was not found before; that character sounds at `at_s`."""
        index = self._next
        while index < len(self._spans) and self._spans[index][1] <= position:
            index += 1
        if index >= len(self._spans) or position < self._spans[index][0]:
            return None
        return self._found(index, at_s)

    def at_byte(self, position: int, at_s: float) -> SpokenWord | None:
        """As `at`, for a position in the text's UTF-8."""
        if self._bytes is None:
            self._bytes = [0, *accumulate(len(character.encode()) for character in self.text)]
        return self.at(bisect_left(self._bytes, position), at_s)

    def spoken(self, word: str, at_s: float) -> SpokenWord | None:
        """The word that a vendor spoke at `at_s`, if it is one of the next few of the request."""
        key = _key(word)
        if not key:
            return None
        if self._inside.startswith(key):  # "o" and "clock" of "o'clock"
            self._inside = self._inside[len(key) :]
            return None
        for index in range(self._next, min(len(self._spans), self._next + _LOOK_AHEAD)):
            if self._keys[index].startswith(key):
                self._inside = self._keys[index][len(key) :]
                return self._found(index, at_s)
        return None

    def all_spoken(self, words: Sequence[str], starts_s: Sequence[float]) -> list[SpokenWord]:
        """The words of the request among those that a vendor spoke, each at its time."""
        return [found for word, at_s in zip(words, starts_s, strict=False) if (found := self.spoken(word, at_s))]

    def characters(self, characters: Sequence[str], starts_s: Sequence[float], position: int) -> list[SpokenWord]:
        """The words that begin among these characters of the text, whose first lies at `position`."""
        found: list[SpokenWord] = []
        for character, at_s in zip(characters, starts_s, strict=False):
            if not character.isspace() and (word := self.at(position, at_s)):
                found.append(word)
            position += len(character)
        return found

    def _found(self, index: int, at_s: float) -> SpokenWord | None:
        self._next = index + 1
        if not at_s < MAX_S:  # also where it is no number
            return None
        self._last_s = max(self._last_s, at_s)
        return SpokenWord(*self._spans[index], self._last_s)


class Timeline:
    """Turns times that begin anew with each piece of audio into times of the sentence; those of the sentence stay as they are.

    Which of both a vendor means is seen in the times: within a sentence they never go back.
    """

    def __init__(self) -> None:
        self._offset_s = 0.0
        self._last_s = 0.0

    def of(self, times_s: Sequence[float], audio_before_s: float) -> list[float]:
        """The times of one piece, before which so much audio came."""
        if times_s and self._offset_s + times_s[0] < self._last_s:
            self._offset_s = audio_before_s
        placed = [self._offset_s + each for each in times_s]
        self._last_s = max([self._last_s, *placed])
        return placed


def _key(word: str) -> str:
    return "".join(_LETTERS.findall(word.casefold()))
