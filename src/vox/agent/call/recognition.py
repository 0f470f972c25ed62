"""The ear of one call: the recogniser's stream, fed with the caller's audio while the caller has the turn.

Outside an utterance audio only passes through a small pre-roll, so that the recogniser gets the first syllable too. The
recogniser takes one utterance at a time: what is said while a transcript is awaited waits its turn here, at most
`MAX_WAITING_S` of it (oldest dropped).
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vox.errors import VoxError
from vox.media.pre_roll import PreRoll
from vox.media.resample import Resampler
from vox.providers.stt.contract import SpeechHints, SpeechToText, SttStream, Transcript
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Metrics, NullMetrics

log = get_logger(__name__)

AUDIO_DROPPED = Counter(
    "vox_agent_listening_dropped_total", "Pieces of caller audio dropped while a transcript was awaited"
)
MAX_WAITING_S = 15.0


@dataclass(slots=True, eq=False)
class Utterance:
    """What the caller says in one go; `audio` is what waits for the recogniser, which `is_begun` says has it."""

    hints: SpeechHints | None = None
    audio: deque[bytes] = field(default_factory=deque[bytes])
    is_begun: bool = False
    is_void: bool = False


class UtteranceRecognizer:
    """Feeds one call's utterances, one after the other, to the recogniser.

    Args:
        stt: the recogniser.
        sample_rate: of the audio that `push` gets, in Hz, s16le mono.
        pre_roll_s: audio from before `start` that an utterance begins with.
        on_partial: called with interim transcripts.
        retire: ends a stream in whose place another came, see `use_language`.
        max_waiting: pieces of audio that may wait for the recogniser before `on_behind` is called, and `is_behind` is true.
        on_behind: called for each further piece.

    Attributes:
        waiting: pieces of audio that wait for the recogniser.
    """

    def __init__(
        self,
        stt: SpeechToText,
        *,
        sample_rate: int,
        pre_roll_s: float,
        language: str | None,
        on_partial: Callable[[Transcript], None],
        retire: Callable[[SttStream], None] | None = None,
        metrics: Metrics | NullMetrics,
        max_waiting: int = sys.maxsize,
        on_behind: Callable[[], object] | None = None,
    ) -> None:
        self.waiting = 0
        self._max_waiting = max_waiting
        self._on_behind = on_behind
        self._stt = stt
        self._sample_rate = sample_rate
        self._on_partial = on_partial
        self._pre_roll = PreRoll(int(pre_roll_s * sample_rate) * 2)
        self._retire = retire
        self._language = self._next_language = language
        self._stream: SttStream = stt.open_stream(self._partial, language=language)
        self._resampler: Resampler | None = None
        self._present: Utterance | None = None  # the one being spoken
        self._line: deque[Utterance] = deque()  # all that are not transcribed yet; the first is at the recogniser
        self._finishing = asyncio.Lock()
        self._waiting_bytes = 0
        self._is_closed = False
        self._dropped = metrics.counter(AUDIO_DROPPED)

    @property
    def is_behind(self) -> bool:
        """Whether as much waits as may wait."""
        return self.waiting >= self._max_waiting

    def use_language(self, language: str | None) -> None:
        """The next utterance that the recogniser gets is in this language."""
        self._next_language = language

    def push(self, pcm: bytes) -> None:
        """The caller's audio; on the hot path of every call, so it only moves bytes."""
        present = self._present
        if present is None:
            self._pre_roll.append(pcm)
        elif present.is_begun:
            self._feed(pcm)
        else:
            self._wait(present, pcm)

    def start(self, hints: SpeechHints | None) -> None:
        """An utterance begins."""
        audio = self._pre_roll.take()
        is_first = not self._line and not self._finishing.locked()
        self._present = Utterance(hints)
        self._line.append(self._present)
        if is_first:
            self._begin(self._present)
            self._feed(audio)
        else:
            self._wait(self._present, audio)

    def pause(self) -> None:
        """The caller fell silent."""
        if self._present is not None and self._present.is_begun:
            self._stream.pause()

    def finish(self) -> Utterance:
        """The utterance is over, from this moment on; `transcript` tells what it was."""
        utterance, self._present = self._present, None
        return utterance or Utterance(is_void=True)

    async def transcript(self, utterance: Utterance) -> Transcript | None:
        """The text of a finished utterance, or None if it was cancelled meanwhile; those before it come first."""
        async with self._finishing:
            if utterance.is_void:
                return None
            try:
                if self._resampler is not None and (tail := self._resampler.process(b"", last=True)):
                    self._stream.push(tail)
                transcript = await self._stream.finish()
            finally:  # also where the recogniser failed: the caller has gone on speaking
                if self._line and self._line[0] is utterance:
                    self._line.popleft()
                self._begin_next()
        return None if utterance.is_void else transcript

    def cancel(self) -> None:
        """Throws everything away."""
        if self._line or self._finishing.locked():
            self._stream.cancel()
        for utterance in self._line:
            utterance.is_void = True
        self._line.clear()
        self._present = None
        self._waiting_bytes = self.waiting = 0

    async def aclose(self) -> None:
        """Ends the stream; idempotent."""
        self.cancel()
        self._is_closed = True
        await self._stream.aclose()

    def _begin(self, utterance: Utterance) -> None:
        utterance.is_begun = True
        if self._next_language != self._language:
            self._renew()
        self._resampler = (
            None if self._stt.sample_rate == self._sample_rate else Resampler(self._sample_rate, self._stt.sample_rate)
        )
        self._stream.start(utterance.hints)

    def _renew(self) -> None:
        """A stream in the next language, between two utterances; without a new one the old one goes on."""
        self._language = self._next_language
        try:
            stream = self._stt.open_stream(self._partial, language=self._language)
        except VoxError as error:
            log.warning("the recogniser stays in its language", language=self._language, error=str(error))
            return
        old, self._stream = self._stream, stream
        if self._retire is not None:
            self._retire(old)

    def _begin_next(self) -> None:
        if not self._line or self._is_closed:
            return
        utterance = self._line[0]
        if not utterance.is_begun:
            self._begin(utterance)
            while utterance.audio:
                pcm = utterance.audio.popleft()
                self._waiting_bytes -= len(pcm)
                self.waiting -= 1
                self._feed(pcm)

    def _feed(self, pcm: bytes) -> None:
        if self._resampler is not None:
            pcm = self._resampler.process(pcm)
        if pcm:
            self._stream.push(pcm)

    def _wait(self, utterance: Utterance, pcm: bytes) -> None:
        if not pcm:
            return
        utterance.audio.append(pcm)
        self._waiting_bytes += len(pcm)
        self.waiting += 1
        while self._waiting_bytes > MAX_WAITING_S * self._sample_rate * 2:
            oldest = next(waiting for waiting in self._line if waiting.audio)
            self._waiting_bytes -= len(oldest.audio.popleft())
            self.waiting -= 1
            self._dropped.inc()
        if self._on_behind is not None and self.waiting >= self._max_waiting:
            self._on_behind()

    def _partial(self, transcript: Transcript) -> None:
        if self._present is not None and self._present.is_begun:
            self._on_partial(transcript)
