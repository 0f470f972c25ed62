"""When things happened in a turn, for the client's display, the histograms and the trace.

All times are on the loop's clock. The caller's last sound is the detector's stop edge less its stop time.

    last sound ─ stop time ─▶ edge ─ pause ─▶ turn over ─▶ model asked ─▶ first token ─▶ first sentence ─▶ first audio
    ├──────────── end of utterance ─────────┤             ├── llm ttfb ──┤               ├─ tts ttfb ──┤
                              ├─ stt ─▶ transcript
    ├────────────────────────────────────────── response ───────────────────────────────────────────────┤
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from vox.agent.metrics import (
    END_OF_UTTERANCE_SECONDS,
    LLM_FIRST_TOKEN,
    LLM_GENERATION,
    LLM_INTER_TOKEN,
    RESPONSE_SECONDS,
    STT_FIRST_TOKEN,
    STT_LATENCY,
    TTS_FIRST_CHUNK,
)
from vox.protocols.agent_events import TurnMetrics
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics
from vox.runtime.tracing import tracer

trace = tracer(__name__)


@dataclass(slots=True)
class TurnLatency:
    """The times of the turn under way; each method is called when the thing happens."""

    clock: Clock
    metrics: Metrics
    _speech_end: float | None = None
    _speech_edge: float | None = None
    _eou_s: float | None = None
    _asked: float | None = None
    _spoke: float | None = None
    _stt_s: float | None = None
    _llm_s: float | None = None
    _tts_s: float | None = None
    _characters: int = 0
    _turns: int = 0
    _last_token: float | None = None

    def speech_ended(self, vad_stop_s: float) -> None:
        """The detector noticed the end of speech, `vad_stop_s` after it."""
        self._speech_edge = self.clock.now()
        self._speech_end = self._speech_edge - vad_stop_s

    def typed(self) -> None:
        """The turn came as text, or as a key."""
        self._speech_end = self.clock.now()
        self._speech_edge = self._eou_s = None

    def unasked(self) -> None:
        """What is said next answers no turn of the caller: it counts as no response."""
        self._speech_end = None

    def turn_ended(self) -> None:
        """It is decided that the caller's turn is over, and that it is answered."""
        if self._speech_end is not None and self._speech_edge is not None:
            self._eou_s = self.clock.now() - self._speech_end
            self.metrics.histogram(END_OF_UTTERANCE_SECONDS).observe(self._eou_s)

    def transcribed(self) -> None:
        """The final transcript is there."""
        if self._speech_edge is not None:
            self._stt_s = self.clock.now() - self._speech_edge
            self.metrics.histogram(STT_LATENCY, "", "stt", "success", "").observe(self._stt_s)
            self.metrics.histogram(STT_FIRST_TOKEN, "", "stt", "success", "").observe(self._stt_s)

    def asked(self) -> None:
        """The model was asked."""
        self._asked = self.clock.now()
        self._llm_s = self._tts_s = self._spoke = self._last_token = None
        self._characters = 0

    def token(self) -> None:
        """The model answered with something: its first piece, or one more."""
        now = self.clock.now()
        if self._last_token is not None:
            self.metrics.histogram(LLM_INTER_TOKEN, "", "llm", "").observe(now - self._last_token)
        elif self._llm_s is None and self._asked is not None:
            self._llm_s = now - self._asked
            self.metrics.histogram(LLM_FIRST_TOKEN, "", "llm", "success", "").observe(self._llm_s)
        self._last_token = now

    def generated(self, *, is_failed: bool = False) -> None:
        """The model's response is complete, or has failed."""
        self._last_token = None
        if self._asked is not None:
            status = "error" if is_failed else "success"
            self.metrics.histogram(LLM_GENERATION, "", "llm", status, "").observe(self.clock.now() - self._asked)

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
            self._turns += 1
        numbers = TurnMetrics(
            response_s,
            self._stt_s,
            self._llm_s,
            self._tts_s,
            self._characters,
            self._eou_s if response_s is not None else None,
            self._turns if response_s is not None else 0,
        )
        self._speech_end = self._stt_s = self._eou_s = None
        return numbers


def trace_turn(numbers: TurnMetrics, ended: datetime) -> None:
    """A span from the caller's last sound to the answer's first."""
    seconds = numbers.response_s or 0.0
    trace.record(
        "turn", ended, seconds, **{name: value for name, value in asdict(numbers).items() if value is not None}
    )
