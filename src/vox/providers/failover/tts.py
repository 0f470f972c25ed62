"""Several synthesisers as one: where one fails before a sentence is audible, the next one speaks it.

A voice's name is the preferred provider's; the others speak with the voice of their own options.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace
from types import TracebackType
from typing import Self

from vox.media.resample import Resampler
from vox.providers.failover.members import Member, Members
from vox.providers.tts.contract import SpeechChunk, TextToSpeech


class FailOverSpeech:
    """A list of synthesisers, opened and closed by their owner.

    Args:
        members: the synthesisers. The preferred one's sample rate is that of all audio.
    """

    def __init__(self, members: Members[TextToSpeech]) -> None:
        self._members = members
        self._first = members.drivers[0]
        self.sample_rate = self._first.sample_rate

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    @property
    def current(self) -> str:
        """The synthesiser that a new sentence would be given to."""
        return self._members.preferred.name

    def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence with the first synthesiser that begins it."""

        def ask(member: Member[TextToSpeech]) -> AsyncGenerator[SpeechChunk, None]:
            driver = member.driver
            own = voice if driver is self._first else None
            speech = driver.synthesize(text, voice=own, language=language)
            if driver.sample_rate == self.sample_rate:
                return speech
            return _converted(speech, Resampler(driver.sample_rate, self.sample_rate))

        return self._members.stream(ask)


async def _converted(
    speech: AsyncGenerator[SpeechChunk, None], resampler: Resampler
) -> AsyncGenerator[SpeechChunk, None]:
    """The same speech at another rate; a word's time is in seconds and stays."""
    held = SpeechChunk(b"")
    try:
        async for chunk in speech:
            words = held.words + chunk.words
            pcm = resampler.process(chunk.pcm)
            if pcm:
                yield replace(chunk, pcm=pcm, words=words)
                held = SpeechChunk(b"")
            else:
                held = SpeechChunk(b"", words)
        if tail := resampler.process(b"", last=True):
            yield SpeechChunk(tail, held.words)
    finally:
        await speech.aclose()
