"""The ear of one call: the recogniser's stream, fed with the caller's audio while the caller has the turn.

Outside an utterance audio only passes through a small pre-roll, so that the recogniser gets the first syllable too. While a
transcript is awaited, the audio of a next utterance waits its turn here, at most `MAX_WAITING_S` of it (oldest dropped).
"""

from collections import deque
from collections.abc import Callable

from vox.media.resample import Resampler
from vox.media.ring import PreRoll
from vox.providers.stt.contract import SpeechHints, SpeechToText, SttStream, Transcript
from vox.runtime.metrics import Counter, Metrics, NullMetrics

AUDIO_DROPPED = Counter(
    "vox_agent_listening_dropped_total", "Pieces of caller audio dropped while a transcript was awaited"
)
MAX_WAITING_S = 15.0


class Listener:
    """Feeds one call's utterances, one after the other, to the recogniser.

    Args:
        stt: the recogniser.
        sample_rate: of the audio that `push` gets, in Hz, s16le mono.
        pre_roll_s: audio from before `start` that an utterance begins with.
        on_partial: called with interim texts.
    """

    def __init__(
        self,
        stt: SpeechToText,
        *,
        sample_rate: int,
        pre_roll_s: float,
        language: str | None,
        on_partial: Callable[[str], None],
        metrics: Metrics | NullMetrics,
    ) -> None:
        self._stt = stt
        self._sample_rate = sample_rate
        self._on_partial = on_partial
        self._pre_roll = PreRoll(int(pre_roll_s * sample_rate) * 2)
        self._stream: SttStream = stt.open_stream(self._partial, language=language)
        self._resampler: Resampler | None = None
        self._is_listening = False
        self._is_finishing = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._waiting_hints: SpeechHints | None = None
        self._dropped = metrics.counter(AUDIO_DROPPED)
        self._utterance = 0

    def push(self, pcm: bytes) -> None:
        """The caller's audio; on the hot path of every call, so it only moves bytes."""
        if not self._is_listening:
            self._pre_roll.append(pcm)
        elif self._is_finishing:
            self._wait(pcm)
        else:
            self._feed(pcm)

    def start(self, hints: SpeechHints | None) -> None:
        """An utterance begins."""
        self._is_listening = True
        audio = self._pre_roll.take()
        if self._is_finishing:
            self._waiting_hints = hints
            self._wait(audio)
            return
        self._begin(hints)
        self._feed(audio)

    def pause(self) -> None:
        """The caller fell silent."""
        if self._is_listening and not self._is_finishing:
            self._stream.pause()

    async def finish(self) -> Transcript | None:
        """The utterance is over: its transcript, or None if it was cancelled meanwhile. One at a time."""
        utterance = self._utterance
        self._is_listening = False
        self._is_finishing = True
        try:
            if self._resampler is not None:
                tail = self._resampler.process(b"", last=True)
                if tail:
                    self._stream.push(tail)
            transcript = await self._stream.finish()
        finally:
            if utterance == self._utterance:
                self._is_finishing = False
        if utterance != self._utterance:
            return None
        if self._is_listening:
            self._begin(self._waiting_hints)
            while self._waiting:
                self._feed(self._waiting.popleft())
            self._waiting_bytes = 0
        return transcript

    def cancel(self) -> None:
        """Throws everything away."""
        self._utterance += 1
        if self._is_listening or self._is_finishing:
            self._stream.cancel()
        self._is_listening = self._is_finishing = False
        self._waiting.clear()
        self._waiting_bytes = 0

    async def aclose(self) -> None:
        """Ends the stream; idempotent."""
        self.cancel()
        await self._stream.aclose()

    def _begin(self, hints: SpeechHints | None) -> None:
        self._resampler = (
            None if self._stt.sample_rate == self._sample_rate else Resampler(self._sample_rate, self._stt.sample_rate)
        )
        self._stream.start(hints)

    def _feed(self, pcm: bytes) -> None:
        if self._resampler is not None:
            pcm = self._resampler.process(pcm)
        if pcm:
            self._stream.push(pcm)

    def _wait(self, pcm: bytes) -> None:
        self._waiting.append(pcm)
        self._waiting_bytes += len(pcm)
        while self._waiting_bytes > MAX_WAITING_S * self._sample_rate * 2:
            self._waiting_bytes -= len(self._waiting.popleft())
            self._dropped.inc()

    def _partial(self, transcript: Transcript) -> None:
        if self._is_listening and not self._is_finishing:
            self._on_partial(transcript.text)
