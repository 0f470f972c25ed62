"""Puts one sentence together: audio in the vendor's pieces, words at the piece in which they begin, and an end to what has none."""

from collections.abc import Iterable

from vox.providers.tts.contract import SpeechChunk, SpokenWord

MAX_SPEECH_S = 600
"""Of one request; speech without end is cut here."""


class SpeechAssembly:
    """One sentence under way. `pcm` that goes in is whole samples.

    Args:
        sample_rate: of the audio, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate * 2
        self._size = 0
        self._words: list[SpokenWord] = []

    @property
    def duration_s(self) -> float:
        """Seconds of audio so far."""
        return self._size / self._rate

    @property
    def is_full(self) -> bool:
        """Whether the speech is as long as it may become."""
        return self._size >= MAX_SPEECH_S * self._rate

    def add(self, pcm: bytes, words: Iterable[SpokenWord] = ()) -> SpeechChunk | None:
        """The next chunk; None where there is nothing to hand over. Words wait for the audio in which they begin."""
        self._words.extend(words)
        pcm = pcm[: MAX_SPEECH_S * self._rate - self._size]
        self._size += len(pcm)
        begun = sum(word.at_s < self.duration_s for word in self._words)
        return self._chunk(pcm, begun)

    def finish(self, pcm: bytes = b"") -> SpeechChunk | None:
        """The last chunk, with every word that is left."""
        self._size += len(pcm)
        return self._chunk(pcm, len(self._words))

    def _chunk(self, pcm: bytes, words: int) -> SpeechChunk | None:
        begun = tuple(self._words[:words])
        del self._words[:words]
        return SpeechChunk(pcm, begun) if pcm or begun else None
