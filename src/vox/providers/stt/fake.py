"""A recogniser for tests, demonstrations and load: it hears nothing and says what it was told to.

It costs nothing per push, so that a load run measures the server.
"""

import asyncio
from collections.abc import Callable
from itertools import cycle
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import DependencyError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.stt.contract import SpeechHints, Transcript


class Config(DriverConfig):
    """Options of the fake recogniser."""

    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Rate of the audio it takes, in Hz")
    transcripts: tuple[str, ...] = Field(
        default=("hello",), min_length=1, description="What the caller says, utterance by utterance, then over again"
    )
    languages: tuple[str, ...] = Field(
        default=(), description="The language of each transcript, over again; without any, that of the call"
    )
    delay_s: float = Field(default=0.0, ge=0, description="Time from the end of an utterance to its transcript")
    silent: bool = Field(default=False, description="Never answers, to try a call's time-outs")
    failing: bool = Field(default=False, description="Fails at the end of every utterance")


class FakeSpeechToText:
    """Hands out scripted transcripts."""

    def __init__(self, config: Config) -> None:
        self.sample_rate = config.sample_rate
        self._config = config

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Stream":
        """A stream that begins with the first transcript."""
        return Stream(self._config, language)


class Stream:
    """One call's scripted utterances."""

    def __init__(self, config: Config, language: str | None) -> None:
        self._config = config
        self._transcripts = cycle(config.transcripts)
        self._languages = cycle(config.languages or (language,))

    def start(self, hints: SpeechHints | None) -> None:
        """Nothing to prepare."""

    def push(self, pcm: bytes) -> None:
        """Hears nothing."""

    def pause(self) -> None:
        """Nothing to begin."""

    async def finish(self) -> Transcript:
        """The next scripted transcript, after the configured delay."""
        if self._config.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(self._config.delay_s)
        if self._config.failing:
            raise DependencyError("the fake recogniser fails as told", code="provider_failed")
        return Transcript(next(self._transcripts), confidence=1.0, language=next(self._languages))

    def cancel(self) -> None:
        """Nothing to throw away: the script goes on with the next finished utterance."""

    async def aclose(self) -> None:
        """Nothing to end."""


def create(config: Config, deps: Deps) -> FakeSpeechToText:
    """The driver."""
    return FakeSpeechToText(config)
