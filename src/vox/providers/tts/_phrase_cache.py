"""Keeps the audio of sentences that were spoken, so that the next time they cost nothing. Pure."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from vox.providers.tts.contract import SpokenWord


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence as it was spoken, s16le mono."""

    pcm: bytes
    words: tuple[SpokenWord, ...]


class PhraseCache:
    """The phrases used last, up to a number of bytes of audio.

    Args:
        max_bytes: of all audio together; 0 keeps nothing. A phrase of more than a quarter of it is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._phrases: OrderedDict[Hashable, Phrase] = OrderedDict()
        self.size = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._phrases

    def get(self, key: Hashable) -> Phrase | None:
        """The phrase, which thereby is the last to go."""
        if key not in self._phrases:
            return None
        self._phrases.move_to_end(key)
        return self._phrases[key]

    def put(self, key: Hashable, phrase: Phrase) -> None:
        """Keeps a phrase, and lets those go that have not been used for longest."""
        if len(phrase.pcm) > self._max_bytes // 4:
            return
        self.size += len(phrase.pcm) - len(self._phrases.pop(key, Phrase(b"", ())).pcm)
        self._phrases[key] = phrase
        while self.size > self._max_bytes:
            _, oldest = self._phrases.popitem(last=False)
            self.size -= len(oldest.pcm)
