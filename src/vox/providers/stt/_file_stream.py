"""Recognition by a vendor that takes whole recordings: each utterance is uploaded.

So that the answer is there when the turn ends, the upload begins when the caller falls silent; if speech goes on, that answer is thrown
away and a later one asked for.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Protocol

from vox.errors import VoxError
from vox.providers.stt._utterance import Utterance
from vox.providers.stt.contract import SpeechHints, Transcript

MIN_AUDIO_S = 0.1
"""Vendors refuse shorter files."""


class Transcribe(Protocol):
    """Uploads one utterance."""

    async def __call__(self, pcm: bytes, *, language: str, phrases: tuple[str, ...]) -> Transcript:
        """The transcript of s16le mono audio; raises `DependencyError`."""
        ...


class FileStream:
    """One call's utterances, one upload each.

    Args:
        transcribe: uploads an utterance.
        sample_rate: of the audio, in Hz.
        max_utterance_s: longer ones are cut.
        language: of the call, BCP-47; empty where none is configured.
        on_partial: gets the text of a pause.
    """

    def __init__(
        self,
        transcribe: Transcribe,
        *,
        sample_rate: int,
        max_utterance_s: float,
        language: str,
        on_partial: Callable[[Transcript], None],
    ) -> None:
        self._transcribe = transcribe
        self._sample_rate = sample_rate
        self._max_utterance_s = max_utterance_s
        self._on_partial = on_partial
        self._language = language
        self._phrases: tuple[str, ...] = ()
        self._utterance = Utterance(sample_rate, max_utterance_s)
        self._upload: asyncio.Task[Transcript] | None = None
        self._ending: set[asyncio.Task[Transcript]] = set()
        self._is_finishing = False

    def start(self, hints: SpeechHints | None) -> None:
        """A new utterance; the phrases expected go along."""
        self.cancel()
        self._phrases = tuple(phrase.rstrip(".?!") for phrase in hints.phrases) if hints is not None else ()

    def push(self, pcm: bytes) -> None:
        """Keeps the audio."""
        self._utterance.push(pcm)
        if self._upload is not None and self._utterance.has_resumed():
            self._drop_upload()

    def pause(self) -> None:
        """Begins the upload of what there is."""
        if self._upload is not None and not self._utterance.has_resumed(check_all=True):
            return
        self._drop_upload()
        self._utterance.pause()
        self._upload = self._begin()
        self._upload.add_done_callback(self._heard)

    async def finish(self) -> Transcript:
        """The upload's answer, of a new one if speech went on or the first one failed."""
        self._is_finishing = True
        upload = self._upload
        if upload is None or self._utterance.has_resumed(check_all=True) or _has_failed(upload):
            self._drop_upload()
            upload = self._upload = self._begin()
        try:
            return await upload
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Throws the utterance away."""
        self._drop_upload()
        self._is_finishing = False
        self._utterance = Utterance(self._sample_rate, self._max_utterance_s)

    async def aclose(self) -> None:
        """Ends the stream."""
        self.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _begin(self) -> asyncio.Task[Transcript]:
        return asyncio.create_task(self._send(bytes(self._utterance.audio)))

    async def _send(self, pcm: bytes) -> Transcript:
        if len(pcm) < MIN_AUDIO_S * self._sample_rate * 2:
            return Transcript("")
        return await self._transcribe(pcm, language=self._language, phrases=self._phrases)

    def _heard(self, upload: asyncio.Task[Transcript]) -> None:
        """Tells what was said up to the pause, unless speech has gone on."""
        if upload is not self._upload or self._is_finishing or upload.cancelled() or upload.exception() is not None:
            return
        if not self._utterance.has_resumed(check_all=True):
            self._on_partial(Transcript(upload.result().text, is_final=False, at_pause=True))

    def _drop_upload(self) -> None:
        if self._upload is None:
            return
        upload, self._upload = self._upload, None
        upload.cancel()
        self._ending.add(upload)
        upload.add_done_callback(self._ended)

    def _ended(self, upload: asyncio.Task[Transcript]) -> None:
        self._ending.discard(upload)
        _has_failed(upload)  # looked at, so that asyncio does not report it


def wav(pcm: bytes, sample_rate: int) -> bytes:
    """A WAV file around s16le mono audio."""
    return wav_head(len(pcm), sample_rate) + pcm


def wav_head(size: int, sample_rate: int) -> bytes:
    """The header of a WAV file with so many bytes of s16le mono audio; 0 where the length is not known yet."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size if size else 0, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16),
        *(b"data", size),
    )


def _has_failed(upload: asyncio.Task[Transcript]) -> bool:
    return upload.done() and not upload.cancelled() and isinstance(upload.exception(), VoxError)
