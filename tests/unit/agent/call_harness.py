"""A call without a network: a transport that remembers, a detector and providers under the test's hand."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Self

from tests.fakes.loop import VirtualClock
from vox.agent.call.checkpoint import Checkpoint
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.profile import AgentProfile
from vox.agent.config.resources import Agent, Resources
from vox.agent.config.settings import AgentSettings
from vox.media.voice_activity import SpeechEdge, VadParams
from vox.protocols.agent_events import AgentEvent
from vox.protocols.media_stream import Encoding
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta
from vox.providers.realtime.contract import RealtimeModel
from vox.providers.stt.contract import Alternative, SpeechHints, Transcript
from vox.providers.tts.contract import SpeechChunk, SpokenWord
from vox.providers.turns.contract import TurnEnd
from vox.runtime.metrics import Metrics

RATE = 8000
WORD_S = 0.5


class _Opened:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None


class Line:
    """A carrier that plays what it gets in real time and echoes marks when it has played up to them."""

    encoding: Encoding = "mulaw"
    sample_rate = RATE
    shows_progress = True
    client_wait_s = 0.0

    def __init__(self, *, has_marks: bool = True) -> None:
        self.has_marks = has_marks
        self.frames: list[tuple[float, bytes]] = []
        self.events: list[AgentEvent] = []
        self.clears = 0
        self.closed: tuple[int, str] | None = None
        self.digits: list[str] = []
        self.takes_digits = False
        self.echoes_marks = True
        self.error: Exception | None = None
        self.audio_error: Exception | None = None
        self.session: Session | None = None

    def send_audio(self, frame: bytes) -> None:
        if self.audio_error is not None:
            raise self.audio_error
        self.frames.append((asyncio.get_running_loop().time(), frame))

    def send_mark(self, name: str) -> None:
        assert self.session is not None
        if self.echoes_marks:
            asyncio.get_running_loop().call_later(0.02, self.session.mark_reached, name)

    def clear_audio(self) -> None:
        self.clears += 1

    def send_event(self, event: AgentEvent) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(event)

    def send_digits(self, digits: str) -> bool:
        self.digits.append(digits)
        return self.takes_digits

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Ear(_Opened):
    """A recogniser that answers with the next text of `texts`, or never where that is None."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.texts: list[str | None] = []
        self.alternatives: tuple[Alternative, ...] = ()
        self.language: str | None = None
        self.opened: list[str | None] = []
        self.delay_s = 0.0
        self.heard = b""
        self.hints: list[SpeechHints | None] = []
        self.error: Exception | None = None
        self.start_error: Exception | None = None
        self.closing_s = 0.0
        self.on_partial: Callable[[Transcript], None] | None = None
        self.is_closed = False

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Ear":
        self.on_partial = on_partial
        self.opened.append(language)
        return self

    def start(self, hints: SpeechHints | None) -> None:
        if self.start_error is not None:
            raise self.start_error
        self.hints.append(hints)
        self.heard = b""

    def push(self, pcm: bytes) -> None:
        self.heard += pcm

    def pause(self) -> None:
        return None

    async def finish(self) -> Transcript:
        text = self.texts.pop(0)
        await asyncio.sleep(self.delay_s if text is not None else 3600)
        if self.error is not None:
            raise self.error
        return Transcript(text or "", alternatives=self.alternatives, language=self.language)

    def cancel(self) -> None:
        return None

    async def aclose(self) -> None:
        await asyncio.sleep(self.closing_s)
        self.is_closed = True


class Mind(_Opened):
    """A model whose answer is a function of the request."""

    speaks_first = False
    answers_inaudible = False

    def __init__(self) -> None:
        self.requests: list[LlmRequest] = []
        self.script: Callable[[LlmRequest], list[LlmEvent | float]] = lambda request: [TextDelta("one two three four.")]
        self.cancelled = 0
        self.closing_s = 0.0

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        self.requests.append(request)
        try:
            for event in self.script(request):
                if isinstance(event, (int, float)):
                    await asyncio.sleep(event)
                else:
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            await asyncio.sleep(self.closing_s)  # a vendor's stream wants closing
            raise

    def hints(self, messages: object) -> SpeechHints | None:
        return None


class Voice(_Opened):
    """Half a second a word, in one chunk a word, with exact times."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.asked: list[tuple[str | None, str | None]] = []  # for which voice and language
        self.first_delay_s = 0.0
        self.word_delay_s = 0.0
        self.error: Exception | None = None
        self.fails_after = 0

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        await asyncio.sleep(self.first_delay_s)
        if self.error is not None and not self.fails_after:
            raise self.error
        self.spoken.append(text)
        self.asked.append((voice, language))
        start = 0
        for number, word in enumerate(text.split()):
            await asyncio.sleep(self.word_delay_s)
            if self.error is not None and number == self.fails_after:
                raise self.error
            start = text.index(word, start)
            yield SpeechChunk(
                b"\x10\x20" * int(RATE * WORD_S), (SpokenWord(start, start + len(word), number * WORD_S),)
            )
            start += len(word)


class Detector:
    def __init__(self) -> None:
        self.on_edge: Callable[[SpeechEdge], None] = lambda edge: None
        self.on_voice: Callable[[bool], None] = lambda is_voice: None
        self.is_closed = False
        self.is_behind = False
        self.on_behind: Callable[[], bool] | None = None
        self.opened: list[int] = []
        self.heard = b""
        self.params: VadParams | None = None
        self.error: Exception | None = None

    async def check(self) -> None:
        if self.error is not None:
            raise self.error

    def open(
        self,
        *,
        on_edge: Callable[[SpeechEdge], None],
        on_voice: Callable[[bool], None],
        sample_rate: int,
        params: VadParams,
    ) -> "Detector":
        self.on_edge, self.on_voice = on_edge, on_voice
        self.opened.append(sample_rate)
        self.params = params
        return self

    def push(self, pcm: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.heard += pcm

    def update(self, params: VadParams) -> None:
        self.params = params

    def close(self) -> None:
        self.is_closed = True


class World:
    """One call under test. Enter it on a virtual loop; times are seconds on that loop."""

    def __init__(
        self,
        *,
        has_marks: bool = True,
        tools: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        input_rate: int = RATE,
        voice: Voice | None = None,
        mind: Mind | None = None,
        realtime: RealtimeModel | None = None,
        line: Line | None = None,
        turn_end: TurnEnd | None = None,
        resume: Checkpoint | None = None,
        **profile: Any,
    ) -> None:
        chosen = AgentProfile.model_validate({"turn_detection": "silence", "turn_stop_secs": 0.5, **profile})
        self.metrics = Metrics()
        chosen_settings = AgentSettings.model_validate({"playout_lead_ms": 0, **(settings or {})})
        self.resources = Resources(chosen_settings, VirtualClock(asyncio.get_running_loop()), self.metrics, {})
        self.detector = Detector()
        self.resources.voice_activity = self.detector  # type: ignore[assignment]
        self.ear, self.mind, self.voice = Ear(), mind or Mind(), voice or Voice()
        texts = (chosen.greeting, chosen.not_understood)
        stages = (self.ear, self.mind, self.voice)
        agent = Agent("test", chosen, *stages, *texts, tools=tools or {}, realtime=realtime, turn_end=turn_end)
        self.line = line or Line(has_marks=has_marks)
        info = resume.info if resume is not None else CallInfo("call_1", "test")
        self.session = Session(self.resources, agent, self.line, info, input_rate=input_rate, resume=resume)
        self.line.session = self.session
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.session.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.session.hang_up()
        assert self._task is not None
        await asyncio.gather(self._task, return_exceptions=self._task.cancelling() > 0)

    def cancel(self) -> None:
        """The connection's task group gives up."""
        assert self._task is not None
        self._task.cancel()

    def early_voice(self, is_voice: bool) -> None:
        """The detector's early sign."""
        self.detector.on_voice(is_voice)

    def speech(self, is_speaking: bool) -> None:
        self.detector.on_edge(SpeechEdge(is_speaking=is_speaking, at_s=0.0))

    async def say(self, text: str | None, seconds: float = 1.0) -> None:
        """The caller speaks so long; the recogniser will understand this text."""
        self.ear.texts.append(text)
        self.speech(True)
        await asyncio.sleep(seconds)
        self.speech(False)

    def partial(self, text: str, *, at_pause: bool = False) -> None:
        assert self.ear.on_partial is not None
        self.ear.on_partial(Transcript(text, is_final=False, at_pause=at_pause))

    @property
    def is_over(self) -> bool:
        return self._task is not None and self._task.done()

    def counted(self, metric: str) -> float:
        """A metric's value with its labels written as they are rendered; 0 where it was never counted."""
        lines = self.metrics.render().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == metric)

    def conversation(self) -> list[tuple[str, str | None]]:
        return [(message["role"], message["content"]) for message in self.session.conversation.messages()[1:]]

    def sent_seconds(self) -> float:
        return len(self.line.frames) * 0.02
