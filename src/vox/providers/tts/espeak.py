"""Speech by espeak-ng in this process: many languages, 0.1 ms to the first audio, exact times of the words.

The library is not re-entrant and holds no lock of Python's while it works, so one thread synthesises sentence by sentence
and hands the audio to the event loop. What waits between the two is bounded by the length of a piece of text: a long
sentence goes in pieces of `PIECE` characters, the next one when the last one was taken.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import UsageError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.tts._espeak_library import Library, VoiceSettings, WordEvent, library
from vox.providers.tts.contract import SpeechChunk, SpokenWord

PIECE = 400
"""Characters synthesised at a time: about 25 s of speech, 1.1 MB."""

MAX_TEXT = 10_000
"""Characters of one request; the rest is not spoken."""

_CHUNK_S = 0.25
_WORD = re.compile(r"\S+")
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_OPEN_TIMEOUT_S = 15.0


class Config(DriverConfig):
    """Options of espeak-ng."""

    voice: str = Field(default="en-us", description="One of `espeak-ng --voices`, such as en-us, de, en-us+f3")
    rate: int = Field(default=165, ge=80, le=450, description="Words per minute")
    pitch: int = Field(default=50, ge=0, le=100, description="50 is natural")
    volume: int = Field(default=100, ge=0, le=200, description="100 is natural")


class Espeak:
    """Speaks with espeak-ng's voices."""

    sample_rate = 22_050

    def __init__(self, config: Config) -> None:
        self._config = config
        self._library: Library | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")
        self._languages: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            opened = await loop.run_in_executor(self._thread, library)
            known = await loop.run_in_executor(self._thread, opened.has_voice, self._config.voice)
        if not known:
            self._thread.shutdown()
            raise UsageError(
                f"espeak-ng has no voice {self._config.voice!r}", code="unknown_voice", hint="`espeak-ng --voices`"
            )
        self._library = opened
        self.sample_rate = opened.sample_rate
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the thread; a sentence takes milliseconds."""
        self._thread.shutdown(cancel_futures=True)

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence. Closing the generator stops the synthesis within 60 ms of audio."""
        if self._library is None:
            raise UsageError("espeak is used before it is open", code="not_open")
        settings = VoiceSettings(
            voice or self._voice_for(language), self._config.rate, self._config.pitch, self._config.volume
        )
        spoken = _UNSPEAKABLE.sub(" ", text[:MAX_TEXT])
        samples = 0
        for start, end in pieces(spoken):
            job = _Sentence(spoken[start:end], start, samples, self.sample_rate, asyncio.get_running_loop())
            try:
                future = self._thread.submit(job.run, self._library, settings)
                while (chunk := await job.chunks.get()) is not None:
                    yield chunk
                await asyncio.wrap_future(future)
            finally:
                job.is_cancelled = True
            samples += job.samples

    def _voice_for(self, language: str | None) -> str:
        """The configured voice where it speaks the language, else the language's own."""
        asked = (language or "").lower().replace("_", "-")
        own = self._config.voice.lower()
        if not asked or own.partition("+")[0].partition("-")[0] == asked.partition("-")[0] or self._library is None:
            return self._config.voice
        if asked not in self._languages:
            candidates = (asked, asked.partition("-")[0], self._config.voice)
            self._languages[asked] = next(name for name in candidates if self._library.has_voice(name))
        return self._languages[asked]


class _Sentence:
    """One piece of text on its way through the thread."""

    def __init__(self, text: str, start: int, samples_before: int, rate: int, loop: asyncio.AbstractEventLoop) -> None:
        self.chunks: asyncio.Queue[SpeechChunk | None] = asyncio.Queue()  # bounded by PIECE, see the module's docstring
        self.is_cancelled = False
        self.samples = 0
        self._text = text
        self._rate = rate
        self._loop = loop
        self._words = WordFinder(text, start, samples_before, rate)
        self._pcm = bytearray()
        self._pending: list[SpokenWord] = []
        self._handed_over = 0

    def run(self, speaker: Library, settings: VoiceSettings) -> None:
        """Synthesises, in the thread."""
        try:
            if not self.is_cancelled:
                speaker.speak(self._text, settings, self._take)
        finally:
            self._hand_over()
            self._put(None)

    def _take(self, pcm: bytes, words: list[WordEvent]) -> bool:
        self._pcm += pcm
        self.samples += len(pcm) // 2
        for position, sample in words:
            if word := self._words.at(position, sample):
                self._pending.append(word)
        # The first audio goes at once; then fewer and larger pieces, as each one wakes the event loop.
        if not self._handed_over or len(self._pcm) >= _CHUNK_S * self._rate * 2:
            self._hand_over()
        return not self.is_cancelled

    def _hand_over(self) -> None:
        if self._pcm and not self.is_cancelled:
            self._put(SpeechChunk(bytes(self._pcm), tuple(self._pending)))
            self._handed_over += len(self._pcm)
            self._pcm.clear()
            self._pending.clear()

    def _put(self, chunk: SpeechChunk | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.chunks.put_nowait, chunk)


class WordFinder:
    """Finds the word of the request that an event speaks of.

    espeak-ng announces "5 o'clock" as five, o and clock, and a number once for each of its words: the first event inside a
    word between spaces counts.
    """

    def __init__(self, text: str, start: int, samples_before: int, rate: int) -> None:
        self._spans = [match.span() for match in _WORD.finditer(text)]
        self._start = start
        self._samples_before = samples_before
        self._rate = rate
        self._next = 0

    def at(self, position: int, sample: int) -> SpokenWord | None:
        """The word that begins with the event at a character of this text, if it is one not spoken yet."""
        index = self._next
        while index < len(self._spans) and self._spans[index][1] <= position:
            index += 1
        if index >= len(self._spans) or position < self._spans[index][0]:
            return None
        self._next = index + 1
        start, end = self._spans[index]
        return SpokenWord(start + self._start, end + self._start, (sample + self._samples_before) / self._rate)


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cuts a text into pieces (start, end) of at most `PIECE` characters, between words where there are any."""
    start = 0
    while start < len(text):
        end = min(len(text), start + PIECE)
        if end < len(text):
            cut = text.rfind(" ", start + 1, end)
            end = cut if cut > 0 else end
        if text[start:end].strip():
            yield start, end
        start = end


def create(config: Config, deps: Deps) -> Espeak:
    """The driver."""
    return Espeak(config)
