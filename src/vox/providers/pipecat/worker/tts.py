"""A Pipecat synthesiser's frames: a sentence goes in, audio and the times of its words come out."""

from typing import Any

from vox.providers.pipecat.messages import Finished, Speak, Spoken, ToWorker
from vox.providers.pipecat.worker import library
from vox.providers.pipecat.worker.chain import Marker
from vox.providers.pipecat.worker.session import Session

CHUNK_BYTES = 1 << 20
"""The most audio in one message."""


class Synthesis:
    """One synthesiser, a sentence at a time. Services with word times give one text frame a word, with a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rate = session.configure.sample_rate

    async def take(self, message: ToWorker) -> None:
        """A sentence; the marker behind it comes out when all of its audio has."""
        if isinstance(message, Speak) and self._session.chain is not None:
            self._session.chain.clock.next_request()
            await self._session.queue(library.TTSSpeakFrame(message.text, append_to_context=False), Marker())

    def came(self, frame: Any) -> None:
        """Audio, words and the end."""
        number = self._session.number
        if isinstance(frame, library.TTSAudioRawFrame):
            self._audio(frame)
        elif isinstance(frame, library.TTSTextFrame):
            if frame.pts and self._session.chain is not None:
                at_s = self._session.chain.clock.since_request_s(frame.pts)
                self._session.send(Spoken(number, b"", [(frame.text, at_s)]))
        elif isinstance(frame, Marker):
            self._session.send(Finished(number))

    def close(self) -> None:
        """Nothing to end."""

    def _audio(self, frame: Any) -> None:
        if frame.sample_rate != self._rate or frame.num_channels != 1:
            self._session.fail(
                400,
                f"it speaks at {frame.sample_rate} Hz with {frame.num_channels} channels instead of {self._rate} Hz with one: "
                "set the option sample_rate to what it speaks",
            )
            return
        for start in range(0, len(frame.audio), CHUNK_BYTES):
            self._session.send(Spoken(self._session.number, frame.audio[start : start + CHUNK_BYTES], []))
