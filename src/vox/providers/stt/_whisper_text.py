"""Whisper's tokens and texts: byte-pair encoding, the prompt, repetitions, and what two interim texts agree on.

The vocabulary alone is enough to encode: the number of a token is also the rank of the merge that makes it. Spelled here so that
no tokenizer library is needed.
"""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Final

MAX_PROMPT_TOKENS: Final = 96
"""A prompt is read anew for every decoding; Whisper would take 223."""
MIN_REPEATED_WORDS: Final = 3
"""Shorter repetitions are how people speak: "five five five", "no no no"."""

_SPLIT: Final = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
_BYTES: Final = {
    byte: chr(byte) for byte in (*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256))
}
for _byte in range(256):
    if _byte not in _BYTES:
        _BYTES[_byte] = chr(256 + sum(value >= 256 for value in map(ord, _BYTES.values())))  # noqa: PLR2004  beyond Latin-1
_CHARACTERS: Final = {character: byte for byte, character in _BYTES.items()}


class Vocabulary:
    """Whisper's tokens by number.

    Args:
        tokens: in the order of their numbers, as a model's `vocabulary.txt` or `.json` has them.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._numbers = {token: number for number, token in enumerate(tokens)}
        self._end = self.number("<|endoftext|>")

    def number(self, token: str) -> int:
        """A token's number; -1 for none."""
        return self._numbers.get(token, -1)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's tokens."""
        return [number for word in _SPLIT.findall(text) for number in self._merged(word.encode())]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of tokens; special ones and incomplete characters say nothing."""
        tokens = (self._tokens[number] for number in numbers if 0 <= number < self._end)
        data = bytes(_CHARACTERS[character] for token in tokens for character in token if character in _CHARACTERS)
        return data.decode("utf-8", "ignore").strip()

    def _merged(self, word: bytes) -> list[int]:
        pieces = [_BYTES[byte] for byte in word]
        while len(pieces) > 1:
            ranked = [
                (self._numbers.get(left + right, self._end), at) for at, (left, right) in enumerate(pairwise(pieces))
            ]
            rank, at = min(ranked)
            if rank >= self._end:
                break
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        return [self._numbers[piece] for piece in pieces if piece in self._numbers]


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a model's folder."""
    listed = folder / "vocabulary.json"
    if listed.exists():
        return Vocabulary([str(token) for token in json.loads(listed.read_text(encoding="utf-8"))])
    return Vocabulary((folder / "vocabulary.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n"))


_ENDS: Final = (".", "?", "!")


def prompt_text(phrases: Iterable[str]) -> str:
    """Phrases as a text that might stand before: sentences, because the style of what follows is that of what came before."""
    sentences = (phrase.strip() for phrase in phrases)
    return " ".join(
        f"{phrase[0].upper()}{phrase[1:]}{'' if phrase.endswith(_ENDS) else '.'}" for phrase in sentences if phrase
    )


def without_repeats(text: str, shortest: int = MIN_REPEATED_WORDS) -> str:
    """The text without a phrase that is only said again at once: short audio makes Whisper begin anew.

    A phrase counts with `shortest` different words or more.
    """
    words = text.split()
    plain = [re.sub(r"\W", "", word).casefold() for word in words]
    at = 0
    while at < len(words):
        for length in range((len(words) - at) // 2, shortest - 1, -1):
            phrase = plain[at : at + length]
            if len(set(phrase)) >= shortest and plain[at + length : at + 2 * length] == phrase:
                del words[at : at + length], plain[at : at + length]
                break
        else:
            at += 1
    return " ".join(words)


def plain_words(text: str) -> str:
    """The words without case and punctuation."""
    return " ".join(word for each in text.replace("-", " ").split() if (word := _plain(each)))


def agreed(before: str, now: str) -> str:
    """The words at the beginning of both texts, as the later one writes them: the last words of an interim text are guesses."""
    pairs = zip(before.split(), now.split(), strict=False)
    same = takewhile(lambda pair: _plain(pair[0]) == _plain(pair[1]), pairs)
    return " ".join(word for _, word in same)


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()
