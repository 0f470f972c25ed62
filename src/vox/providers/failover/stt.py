"""Several recognisers as one: where one fails, the next gets the whole utterance again, and the caller need not repeat it."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from vox.errors import VoxError
from vox.media.resample import Resampler, resample
from vox.providers.failover.members import Member, Members
from vox.providers.stt.contract import SpeechHints, SpeechToText, SttStream, Transcript

MAX_UTTERANCE_S = 60.0
"""Of an utterance so much is kept for the next recogniser."""


class FailOverRecognition:
    """A list of recognisers, opened and closed by their owner.

    Args:
        members: the recognisers. The preferred one's sample rate is what streams take.
    """

    def __init__(self, members: Members[SpeechToText]) -> None:
        self._members = members
        self.sample_rate = members.drivers[0].sample_rate

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    @property
    def current(self) -> str:
        """The recogniser that a new utterance would be given to."""
        return self._members.preferred.name

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Stream":
        """A stream for one call."""
        return Stream(self._members, self.sample_rate, on_partial, language)


class Stream:
    """One call's utterances, each heard by one recogniser as long as it does not fail."""

    def __init__(
        self,
        members: Members[SpeechToText],
        sample_rate: int,
        on_partial: Callable[[Transcript], None],
        language: str | None,
    ) -> None:
        self._members = members
        self._sample_rate = sample_rate
        self._on_partial = on_partial
        self._language = language
        self._streams: dict[str, SttStream] = {}
        self._audio = bytearray()
        self._hints: SpeechHints | None = None
        self._member: Member[SpeechToText] | None = None
        self._resampler: Resampler | None = None
        self._open(members.preferred)

    def start(self, hints: SpeechHints | None) -> None:
        """A new utterance, for the recogniser that is preferred now."""
        self.cancel()
        self._hints = hints
        member = self._member = self._members.next((), None)
        if member is not None:
            rate = member.driver.sample_rate
            self._resampler = None if rate == self._sample_rate else Resampler(self._sample_rate, rate)
            self._open(member).start(hints)

    def push(self, pcm: bytes) -> None:
        """Keeps the audio and passes it on."""
        room = int(MAX_UTTERANCE_S * self._sample_rate) * 2 - len(self._audio)
        if room > 0:
            self._audio += pcm if len(pcm) <= room else pcm[:room]
        if self._resampler is not None:
            pcm = self._resampler.process(pcm)
        if self._member is not None and pcm:
            self._streams[self._member.name].push(pcm)

    def pause(self) -> None:
        """Passes the pause on."""
        if self._member is not None:
            self._streams[self._member.name].pause()

    async def finish(self) -> Transcript:
        """The text, of the first recogniser that has one.

        Raises:
            VoxError: none has; the last one's failure.
        """
        tried: list[Member[SpeechToText]] = []
        last: VoxError | None = None
        member = self._member
        audio, self._audio = bytes(self._audio), bytearray()
        try:
            while member is not None:
                tried.append(member)
                self._member = member
                stream = self._open(member)
                if len(tried) > 1:
                    stream.start(self._hints)
                    stream.push(resample(audio, self._sample_rate, member.driver.sample_rate))
                elif self._resampler is not None and (tail := self._resampler.process(b"", last=True)):
                    stream.push(tail)
                try:
                    async with asyncio.timeout(self._members.policy.timeout_s):
                        transcript = await stream.finish()
                except TimeoutError as error:
                    stream.cancel()
                    last = self._members.timed_out(member)
                    last.__cause__ = error
                except VoxError as error:
                    self._members.failed(member, error)
                    last = error
                else:
                    self._members.succeeded(member)
                    return transcript
                member = self._members.next(tried, last)
        finally:
            self._forget()
        if last is not None:
            raise last
        return Transcript("")

    def cancel(self) -> None:
        """Throws the utterance away."""
        if self._member is not None:
            self._streams[self._member.name].cancel()
        self._audio.clear()
        self._forget()

    async def aclose(self) -> None:
        """Ends the streams."""
        self.cancel()
        streams, self._streams = tuple(self._streams.values()), {}
        await asyncio.gather(*(stream.aclose() for stream in streams))

    def _forget(self) -> None:
        if self._member is not None:
            self._member.breaker.abandoned()
            self._member = None

    def _open(self, member: Member[SpeechToText]) -> SttStream:
        if member.name not in self._streams:

            def partial(transcript: Transcript) -> None:
                if self._member is member:
                    self._on_partial(transcript)

            self._streams[member.name] = member.driver.open_stream(partial, language=self._language)
        return self._streams[member.name]
