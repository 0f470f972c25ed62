"""Drivers of vendors that are given a sentence word by word, while it is still being written."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers.tts._assembly import SpeechAssembly
from vox.providers.tts._vendor import (
    RETRY_PAUSE_S,
    Piece,
    Sentence,
    VendorSpeech,
    language_tag,
    speakable,
)
from vox.providers.tts._words import WordFinder
from vox.providers.tts.contract import SpeechChunk
from vox.runtime.tasks import cancel_and_wait


class WordVendorSpeech(VendorSpeech):
    """The base of such a driver.

    Attributes:
        takes_words: whether the operator wants it.
    """

    takes_words = True

    @abstractmethod
    def pieces_of(self, sentence: Sentence, parts: AsyncIterator[str]) -> AsyncGenerator[Piece, None]:
        """As `pieces`, for a sentence whose text comes in parts; `sentence.text` is empty."""
        ...

    async def synthesize_stream(
        self, parts: AsyncIterator[str], *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence as it is written. One that fails before it is heard is asked for again, as a whole.

        Raises:
            DependencyError: the vendor failed.
        """
        assembly = SpeechAssembly(self.sample_rate)
        sentence = Sentence("", voice or self._voice, language_tag(language), WordFinder(""), assembly)
        taken: list[str] = []

        async def noted() -> AsyncGenerator[str, None]:
            size = 0
            async for part in parts:
                size += len(part)
                if size > self.vendor.max_text:
                    continue
                taken.append(part)
                sentence.words.extend(speakable(part))
                yield speakable(part)

        try:
            async with (
                aclosing(noted()) as words,
                aclosing(self._speak(sentence, self.pieces_of(sentence, words))) as chunks,
            ):
                async for chunk in chunks:
                    yield chunk
        except DependencyError as failed:
            if assembly.duration_s or not self._max_retries or not _failures.may_repeat(failed, RETRY_PAUSE_S):
                raise
        else:
            return
        taken += [part async for part in parts]
        async with aclosing(self.synthesize("".join(taken), voice=voice, language=language)) as again:
            async for chunk in again:
                yield chunk


@asynccontextmanager
async def sending(
    parts: AsyncIterator[str], send: Callable[[str], None], end: Callable[[], None]
) -> AsyncGenerator[None]:
    """Sends each part as it comes, and then the end, while the block runs."""

    async def work() -> None:
        async for part in parts:
            send(part)
        end()

    task = asyncio.create_task(work(), name="send words")
    try:
        yield
    finally:
        await cancel_and_wait(task)
