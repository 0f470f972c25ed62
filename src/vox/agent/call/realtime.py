"""The answers of a call whose model hears and speaks by itself, in place of model → sentences → speech.

What holds for every answer holds here too and is inherited: one at a time, cancellable at any point, settled with what the caller
heard. The model's session lives as long as the call; where it breaks, the next answer opens another and tells it the conversation.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from vox.agent.call.answer_run import Run, first_of, report
from vox.agent.call.conversation import Answer, Conversation
from vox.agent.call.playout_ledger import Heard
from vox.agent.call.realtime_ear import RealtimeEar
from vox.agent.call.responder import Responder
from vox.agent.call.speakable import Speakable
from vox.agent.call.speech_output import SpeechOutput
from vox.agent.call.tool_execution import Spawn
from vox.agent.call.transport import CallTransport
from vox.agent.call.turn_latency import TurnLatency
from vox.agent.config.resources import Agent
from vox.agent.metrics import LLM_ERRORS
from vox.agent.tools.call_control import END_CALL, CallActions
from vox.agent.tools.contract import error_result
from vox.agent.tools.settings import Transfer
from vox.errors import DependencyError
from vox.media.dtmf import tone
from vox.protocols.agent_events import DigitsSent, ModelUsage, ResponseStarted
from vox.providers.llm.contract import MISSING_RESULT, ToolCall
from vox.providers.realtime.contract import (
    AnswerAudio,
    AnswerCall,
    AnswerEnded,
    AnswerText,
    CallerText,
    RealtimeEvent,
    RealtimeModel,
    RealtimeSession,
    RealtimeSetup,
    SessionReady,
)
from vox.runtime.logging import get_logger
from vox.runtime.tracing import tracer

log = get_logger(__name__)
trace = tracer(__name__)

MAX_EVENTS: Final = 8192
"""Pieces of an answer that may wait to be played: about a quarter of an hour."""
TONE_RATE: Final = 8000


@dataclass(slots=True, eq=False)
class _Part:
    """One item of an answer: its text as far as it is known, and its number among the answer's sentences once it sounds."""

    item: str
    answer: Answer
    text: str = ""
    segment: int | None = None
    is_announced: bool = False


@dataclass(slots=True, eq=False)
class _Live:
    """An answer under way at the vendor: what came of it, and its parts by the vendor's names."""

    number: int
    events: asyncio.Queue[RealtimeEvent | DependencyError] = field(
        default_factory=lambda: asyncio.Queue[RealtimeEvent | DependencyError](MAX_EVENTS)
    )


_Audio = asyncio.Queue[tuple[_Part, bytes] | None]


class RealtimeResponder(Responder):
    """The answers of one call with a realtime model.

    Args:
        agent: who answers.
        model: that hears and speaks.
        conversation: of the call; the model has a copy of its own.
        output: the agent's voice.
        transport: is told how the answer goes.
        times: is told when things happen.
        variables: of the session.
        on_said: takes the text of each answer that is over, as far as it was heard.
        on_heard: takes the text of each utterance, once it is written down.

    Attributes:
        ear: the call's recogniser.
    """

    def __init__(
        self,
        agent: Agent,
        model: RealtimeModel,
        conversation: Conversation,
        output: SpeechOutput,
        transport: CallTransport,
        times: TurnLatency,
        variables: Mapping[str, str],
        *,
        on_said: Callable[[str], None] | None = None,
        on_heard: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(agent, conversation, output, transport, times, variables, on_said=on_said)
        self._model = model
        needs_words = agent.profile.turn_policy().min_words > 0
        self.ear = RealtimeEar(
            self,
            model.input_rate,
            transport.send_event,
            times.clock,
            needs_words=needs_words,
            on_heard=on_heard,
        )
        self._session = self._new_session()
        self._live: _Live | None = None
        self._parts: list[_Part] = []
        self._known: dict[int, tuple[object, str]] = {}
        self._owed: dict[str, tuple[Answer, str]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> RealtimeSession:
        """The present session."""
        return self._session

    @property
    def is_answering(self) -> bool:
        """Whether an answer is under way."""
        return self._run is not None and not self._run.is_over

    def open(self, spawn: Spawn) -> None:
        """Gives the way to start work that the call owns; the session begins."""
        super().open(spawn)
        self.connect()

    def cut(self) -> None:
        """Ends the answer where it is; the model forgets what was not heard."""
        run = self._run
        if run is None or run.is_over:
            return
        played = self._output.played_s(self._output.position())
        for part in self._parts:
            if part.segment is not None:
                self._session.truncate(part.item, int(played[part.segment] * 1000))
        self._announce(run)
        self._session.cancel()
        self._live = None
        super().cut()

    def reword(self, text: str, by: str) -> None:
        """Puts a text in the conversation in place of the name that stood for it."""
        self._conversation.reword(text, by)
        self._known = {
            key: (message, said.replace(text, by, 1).strip()) for key, (message, said) in self._known.items()
        }

    # The session

    def _new_session(self) -> RealtimeSession:
        profile = self._agent.profile
        first, *rest = self._conversation.messages() or ({"role": "system", "content": ""},)
        if first["role"] != "system":
            first, rest = {"role": "system", "content": ""}, [first, *rest]
        self._known = {id(message): (message, message["content"] or "") for message in rest}
        self._owed = {}
        return self._model.open_session(
            RealtimeSetup(
                instructions=first["content"] or "",
                tools=self._tools.specs(),
                voice=profile.realtime_voice,
                language=profile.stt_language,
                messages=tuple(rest),
            )
        )

    def connect(self) -> None:
        """Keeps a session, or opens a new one where the last is gone."""
        if self._spawn is None or (self._task is not None and not self._task.done()):
            return
        if self._task is not None:
            self._session = self._new_session()
            self.ear.session_changed()
        self._task = self._spawn(self._converse(self._session), "realtime session")

    async def _converse(self, session: RealtimeSession) -> None:
        """Reads a session to its end; what ends it ends the answer under way, not the call."""
        try:
            async with aclosing(session.events()) as events:
                async for event in events:
                    self._take(event)
        except DependencyError as error:
            log.warning("realtime session ended", code=error.code, error=str(error), retryable=error.retryable)
            self._fail_live(error)
        except Exception:  # the top of a vendor's stream: whatever it sent, the call goes on
            log.exception("realtime session failed")
            self._fail_live(DependencyError("the realtime session failed", code="provider_failed", retryable=True))

    def _fail_live(self, error: DependencyError) -> None:
        if self._live is not None:
            self._give(self._live, error)

    def _take(self, event: RealtimeEvent) -> None:
        match event:
            case SessionReady():
                log.debug("realtime session ready")
            case CallerText():
                self.ear.written(event)
            case _:
                if self._live is not None and self._live.number == event.answer:
                    self._give(self._live, event)

    def _give(self, live: _Live, event: RealtimeEvent | DependencyError) -> None:
        if live.events.full():
            live.events.get_nowait()
        live.events.put_nowait(event)

    # The making of an answer

    def _begin(self, text: str | None, *, silent: bool, preface: str = "") -> None:
        self.cut()
        self._parts = []
        super()._begin(text, silent=silent, preface=preface)

    async def _make(self, run: Run, text: str | None, preface: str) -> None:
        """Makes the whole answer; whatever fails in it is told and ends it, not the call."""
        failure: Exception | None = None
        audio: _Audio = asyncio.Queue(MAX_EVENTS)
        try:
            with trace.span("answer"):
                async with asyncio.TaskGroup() as stages:
                    stages.create_task(self._play(run, audio), name="play")
                    await self._answer(run, text, audio, preface)
                    await audio.put(None)
        except* Exception as group:  # noqa: BLE001  a task's top: the client is told, and the call goes on
            failure = first_of(group)
        if run.is_over:
            return
        self._live = None
        if failure is not None:
            self._times.metrics.counter(LLM_ERRORS, "provider_error", "", "llm", "").inc()
            self._times.generated(is_failed=True)
            report(failure, self._transport.send_event)
        self._announce(run)
        self._output.end(run.voice)

    async def _answer(self, run: Run, text: str | None, audio: _Audio, preface: str) -> None:
        self.connect()
        if preface:
            await self._round(run, self._new_answer(run), preface, audio)
        if text is None:
            self._synchronise()
        for _ in range(self._agent.profile.max_tool_rounds):
            answer = self._new_answer(run)
            with trace.span("generate"):
                calls = await self._round(run, answer, text, audio)
            text = None
            if not calls:
                return
            if any(call.name == END_CALL.name for call in calls):
                run.end_reason = "agent_ended"
            self._owed |= {call.id: (answer, call.name) for call in calls}
            actions = CallActions(
                press=partial(self._press_keys, run, answer, audio),
                transfer=self._refuse_transfer,
            )
            await self._tools.run(answer, calls, actions)
            if self._tools.end_answer(calls):
                return
            self._settle_debts()
        log.warning("tool rounds exhausted", rounds=self._agent.profile.max_tool_rounds)

    async def _round(self, run: Run, answer: Answer, text: str | None, audio: _Audio) -> list[ToolCall]:
        """One answer of the model: its audio goes on, its tool calls are returned."""
        calls: list[ToolCall] = []
        run.is_generating = True
        self._transport.send_event(ResponseStarted())
        live = self._live = _Live(self._session.respond(say=text, is_silent=run.is_silent))
        try:
            while True:
                event = await self._next(live)
                self._times.token()
                match event:
                    case AnswerAudio():
                        if not run.is_silent:
                            audio.put_nowait((self._part(event.item, answer), event.pcm))
                    case AnswerText():
                        self._add_text(run, self._part(event.item, answer), event.text)
                    case AnswerCall():
                        calls.append(ToolCall(event.id, event.name, event.arguments))
                    case AnswerEnded():
                        if event.error is not None:
                            raise event.error
                        log.debug("model usage", prompt=event.prompt_tokens, completion=event.completion_tokens)
                        if event.prompt_tokens or event.completion_tokens:
                            self._transport.send_event(ModelUsage(event.prompt_tokens, event.completion_tokens))
                        break
                    case _:
                        pass
        finally:
            self._generated(run)
        self._times.generated()
        self._announce(run)
        return calls

    async def _next(self, live: _Live) -> RealtimeEvent:
        try:
            async with asyncio.timeout(self._model.timeout_s):
                event = await live.events.get()
        except TimeoutError:
            self._session.cancel()
            raise DependencyError(
                "the realtime model did not answer in time", code="provider_timeout", retryable=True
            ) from None
        if isinstance(event, DependencyError):
            raise event
        return event

    def _part(self, item: str, answer: Answer) -> _Part:
        part = next((part for part in reversed(self._parts) if part.item == item), None)
        if part is None:
            part = _Part(item, answer)
            self._parts.append(part)
        return part

    def _add_text(self, run: Run, part: _Part, text: str) -> None:
        part.text += text
        self._tell_text(part.answer, text)
        if part.segment is not None:
            self._output.reword(run.voice, part.segment, Speakable.plain(part.text.strip()))

    async def _play(self, run: Run, audio: _Audio) -> None:
        """Queues the parts' audio one after the other, as there is room."""
        present: _Part | None = None
        while (piece := await audio.get()) is not None:
            part, pcm = piece
            if part is not present:
                self._end_part(run, present)
                present = part
                self._own(run, part.answer)
                self._times.synthesis_began(0)
                part.segment = self._output.begin_part(
                    run.voice, Speakable.plain(part.text.strip()), self._model.output_rate
                )
            if part.segment is None or not await self._output.add_to_part(run.voice, pcm):
                return
        self._end_part(run, present)

    def _end_part(self, run: Run, part: _Part | None) -> None:
        if part is not None and part.segment is not None:
            self._output.end_part(run.voice, part.segment)

    def _announce(self, run: Run) -> None:
        """Tells the client of each part once its text is there."""
        for number, part in enumerate(self._parts):
            if part.is_announced or not part.text.strip() or (part.segment is None and not run.is_silent):
                continue
            part.is_announced = True
            segment = number if part.segment is None else part.segment
            self._show(run, Heard(segment, part.text.strip(), "", "", is_voiced=True), is_over=False)

    async def _press_keys(self, run: Run, answer: Answer, audio: _Audio, keys: str) -> bool:
        """Presses keys on the wire, or has them played as tones."""
        if run.is_over:
            return False
        self._transport.send_event(DigitsSent(keys))
        if self._transport.send_digits(keys):
            return True
        self._own(run, answer)
        return await self._output.play(run.voice, tone(keys, TONE_RATE), TONE_RATE)

    async def _refuse_transfer(self, _target: Transfer) -> str:
        return error_result("this call cannot be put through")

    # The conversation, here and there

    def _synchronise(self) -> None:
        """Tells the model what entered the conversation by another way than its own ear."""
        known: dict[int, tuple[object, str]] = {}
        for message in self._conversation.messages():
            if message["role"] not in {"user", "system"}:
                continue
            text = message["content"] or ""
            before, said = self._known.get(id(message), (None, ""))
            known[id(message)] = (message, text)
            new = text.removeprefix(said) if before is message else text
            if message["role"] == "system" and before is None and text == self._conversation.system_prompt:
                continue
            if new := self.ear.without_spoken(new):
                self._session.add({"role": message["role"], "content": new})
        self._known = known
        self.ear.forget_spoken()
        self._settle_debts()

    def _settle_debts(self) -> None:
        """Gives the model the results of its tools, also those of an answer that was cut off meanwhile."""
        for call_id, (answer, name) in list(self._owed.items()):
            if (result := answer.results.get(call_id)) is not None:
                self._session.add_result(call_id, name, result)
                del self._owed[call_id]
            elif answer.is_settled:
                self._session.add_result(call_id, name, MISSING_RESULT)
                del self._owed[call_id]
