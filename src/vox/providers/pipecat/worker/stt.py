"""A Pipecat recogniser's frames: when the caller speaks and pauses goes in, texts come out.

Pipecat's recognisers hear a microphone all the time and are told by a voice detector when speech begins and ends; here the driver's
`Flush` is the end of speech, and the first loud audio behind it the next beginning.
"""

import asyncio
from typing import Any

from vox.providers.pipecat.messages import Audio, Flush, Flushed, Heard, KeepAlive, ToWorker
from vox.providers.pipecat.worker import library
from vox.providers.pipecat.worker.loading import ServiceFactory
from vox.providers.pipecat.worker.session import Session

SILENT_BELOW = 250
"""The loudest sample of audio behind a pause that is taken for silence; of 32767."""
KEEP_ALIVE_S = 0.1
MAX_SETTLE_S = 3.0


class SegmentEnd(library.ControlFrame):
    """A recording has been transcribed, with or without a text."""


def recogniser(factory: ServiceFactory, language: str) -> Any:
    """The service; one that transcribes recordings also says when it has done with one, which Pipecat has no word for."""
    service = factory.make(language=language)
    if not isinstance(service, library.SegmentedSTTService):
        return service
    transcribe = service.run_stt

    async def run_stt(audio: bytes) -> Any:
        async for frame in transcribe(audio):
            yield frame
        yield SegmentEnd()

    service.run_stt = run_stt
    return service


class Recognition:
    """One call's recogniser."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rate = session.configure.sample_rate
        self._settle_s = session.configure.settle_s
        self._is_segmented = False
        self._is_speaking = False
        self._has_interim = False
        self._flushes = 0
        self._settling: asyncio.TimerHandle | None = None

    def make(self, factory: ServiceFactory, language: str) -> Any:
        """The service."""
        service = recogniser(factory, language)
        self._is_segmented = isinstance(service, library.SegmentedSTTService)
        return service

    async def take(self, message: ToWorker) -> None:
        """Audio, and the end of speech."""
        match message:
            case Audio(_, pcm):
                if not self._is_speaking and _is_loud(pcm):
                    await self._begin_speech()
                await self._hear(pcm)
            case Flush():
                if not self._is_speaking:
                    await self._begin_speech()
                self._is_speaking = False
                self._flushes += 1
                if not self._is_segmented:
                    self._wait()
                await self._session.queue(library.VADUserStoppedSpeakingFrame())
            case KeepAlive() if not self._is_segmented:
                await self._hear(bytes(int(KEEP_ALIVE_S * self._rate) * 2))
            case _:
                return

    def came(self, frame: Any) -> None:
        """Texts, and the ends of recordings."""
        if isinstance(frame, library.TranscriptionFrame):
            self._text(frame, is_final=True)
            if frame.finalized and not self._is_segmented:
                self._flushed()
        elif isinstance(frame, library.InterimTranscriptionFrame):
            self._text(frame, is_final=False)
        elif isinstance(frame, SegmentEnd):
            self._flushed()
        elif isinstance(frame, library.STTMetadataFrame) and not self._settle_s:
            self._settle_s = min(MAX_SETTLE_S, float(frame.ttfs_p99_latency or 0.0))

    def close(self) -> None:
        """Waits for nothing any more."""
        if self._settling is not None:
            self._settling.cancel()

    async def _begin_speech(self) -> None:
        self._is_speaking = True
        await self._session.queue(library.VADUserStartedSpeakingFrame(), library.UserStartedSpeakingFrame())

    async def _hear(self, pcm: bytes) -> None:
        await self._session.queue(library.InputAudioRawFrame(audio=pcm, sample_rate=self._rate, num_channels=1))

    def _text(self, frame: Any, *, is_final: bool) -> None:
        self._has_interim = not is_final
        self._session.send(Heard(self._session.number, frame.text, is_final, str(frame.language or "")))

    def _wait(self) -> None:
        """Most services do not say that a text was the last one: Pipecat has measured how late the last one comes."""
        self.close()
        self._settling = asyncio.get_running_loop().call_later(self._settle_s, self._settled)

    def _settled(self) -> None:
        if self._has_interim:  # the final text is on its way
            self._has_interim = False
            self._wait()
        else:
            self._flushed()

    def _flushed(self) -> None:
        if self._flushes:
            self.close()
            self._flushes -= 1
            self._session.send(Flushed(self._session.number))


def _is_loud(pcm: bytes) -> bool:
    samples = memoryview(pcm[: len(pcm) & ~1]).cast("h")
    return bool(samples) and (max(samples) > SILENT_BELOW or min(samples) < -SILENT_BELOW)
