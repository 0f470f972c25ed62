"""When things happened in a turn, for the client's display and for the histograms.

All times are on the loop's clock. The caller's last sound is the detector's stop edge less its stop time.
"""

from dataclasses import dataclass

from vox.agent.metrics import (
    LLM_FIRST_TOKEN,
    LLM_GENERATION,
    RESPONSE_SECONDS,
    STT_FIRST_TOKEN,
    STT_LATENCY,
    TTS_FIRST_CHUNK,
)
from vox.protocols.agent_events import TurnMetrics
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics


@dataclass(slots=True)
class TurnLatency:
    """The times of the turn under way; each method is called when the thing happens."""

    clock: Clock
    metrics: Metrics
    _speech_end: float | None = None
    _speech_edge: float | None = None
    _asked: float | None = None
    _spoke: float | None = None
    _stt_s: float | None = None
    _llm_s: float | None = None
    _tts_s: float | None = None
    _characters: int = 0

    def speech_ended(self, vad_stop_s: float) -> None:
        """The detector noticed the end of speech, `vad_stop_s` after it."""
        self._speech_edge = self.clock.now()
        self._speech_end = self._speech_edge - vad_stop_s

    def typed(self) -> None:
        """The turn came as text, or as a key."""
        self._speech_end = self.clock.now()
        self._speech_edge = None

    def unasked(self) -> None:
        """What is said next answers no turn of the caller: it counts as no response."""
        self._speech_end = None

    def transcribed(self) -> None:
        """The final transcript is there."""
        if self._speech_edge is not None:
            self._stt_s = self.clock.now() - self._speech_edge
            self.metrics.histogram(STT_LATENCY, "", "stt", "success", "").observe(self._stt_s)
            self.metrics.histogram(STT_FIRST_TOKEN, "", "stt", "success", "").observe(self._stt_s)

    def asked(self) -> None:
        """The model was asked."""
        self._asked = self.clock.now()
        self._llm_s = self._tts_s = self._spoke = None
        self._characters = 0

    def first_token(self) -> None:
        """The model answered with something; further calls in the same response change nothing."""
        if self._llm_s is None and self._asked is not None:
            self._llm_s = self.clock.now() - self._asked
            self.metrics.histogram(LLM_FIRST_TOKEN, "", "llm", "success", "").observe(self._llm_s)

    def generated(self) -> None:
        """The model's response is complete."""
        if self._asked is not None:
            self.metrics.histogram(LLM_GENERATION, "", "llm", "success", "").observe(self.clock.now() - self._asked)

    def synthesis_began(self, characters: int) -> None:
        """A sentence went to the synthesiser."""
        self._characters += characters
        if self._spoke is None:
            self._spoke = self.clock.now()

    def audible(self) -> TurnMetrics:
        """The answer's first audio went out: the turn's numbers."""
        now = self.clock.now()
        if self._spoke is not None:
            self._tts_s = now - self._spoke
            self.metrics.histogram(TTS_FIRST_CHUNK, "", "tts", "success", "").observe(self._tts_s)
        response_s = None
        if self._speech_end is not None:
            response_s = now - self._speech_end
            self.metrics.histogram(RESPONSE_SECONDS).observe(response_s)
        self._speech_end = None
        numbers = TurnMetrics(response_s, self._stt_s, self._llm_s, self._tts_s, self._characters)
        self._stt_s = None
        return numbers
