"""One call: it carries the turn machine's decisions out.

Everything that happens on a call comes in through a synchronous method (audio, digits, marks, client inputs), becomes an
event of the turn machine, and its actions are carried out at once. What takes time — an answer, a transcript, a tool — is a
task of the call's own task group, so nothing outlives the call.
"""

import asyncio
import re
from collections import deque
from collections.abc import Coroutine, Mapping
from contextvars import copy_context
from dataclasses import replace
from typing import Any, assert_never

from vox.agent import turns
from vox.agent.answer import Answering
from vox.agent.context import Conversation
from vox.agent.listening import Listener
from vox.agent.metrics import CALL_SECONDS, CALLS_ENDED, FALSE_INTERRUPTIONS, INTERRUPTIONS, STT_ERRORS
from vox.agent.output import Output
from vox.agent.resources import Agent, Resources
from vox.agent.timeline import TurnTimes
from vox.agent.transports.contract import CallInfo, CallTransport
from vox.errors import UsageError, VoxError
from vox.media.channels import mono
from vox.media.dtmf import tone
from vox.media.voice_activity import SpeechEdge, VadStream
from vox.protocols.agent_events import (
    AgentError,
    AgentReady,
    ClientAudio,
    ClientContext,
    ClientDigits,
    ClientDisconnect,
    ClientInput,
    ClientInterrupt,
    ClientReady,
    ClientRequest,
    ClientSpeak,
    ClientText,
    ClientToolResult,
    ClientVadUpdate,
    DigitsSent,
    ErrorResponse,
    SpeakingChanged,
    UserIdle,
    UserTranscript,
)
from vox.runtime.logging import bound_fields, get_logger
from vox.runtime.tracing import tracer

log = get_logger(__name__)
trace = tracer(__name__)

TOOLS_GRACE_S = 10.0
MAX_EARLY = 64
"""Client messages that may come before the call's task has run for the first time; older ones are dropped."""
DTMF_SAMPLE_RATE = 8000


class Session:
    """One call from its first message to its end. `run` is its life; the other methods may be called meanwhile.

    Args:
        resources: what all calls share.
        agent: who answers.
        transport: the way out.
        info: where the call comes from.
        input_rate: sample rate of the caller's audio in Hz; 0 where the first `ClientAudio` tells.
    """

    def __init__(
        self, resources: Resources, agent: Agent, transport: CallTransport, info: CallInfo, *, input_rate: int = 0
    ) -> None:
        self.agent = agent
        self.info = info
        self._resources = resources
        self._clock = resources.clock
        self._transport = transport
        self._turns = turns.TurnMachine(agent.profile.turn_policy())
        variables = {**agent.profile.variables, **info.variables, "caller": info.caller, "callee": info.callee}
        self.conversation = Conversation(fill(agent.profile.system_prompt, variables))
        self._times = TurnTimes(resources.clock, resources.metrics)
        self._output = Output(
            transport,
            resources.pacer,
            resources.clock,
            on_audible=self._audible,
            on_played=self._played,
            on_progress=self._progress,
            lead_s=resources.settings.playout_lead_ms / 1000,
        )
        self._answering = Answering(agent, self.conversation, self._output, transport, self._times, variables)
        self._greeting = fill(agent.greeting, variables)
        self._vad: VadStream | None = None
        self._listener: Listener | None = None
        self._input_rate = 0
        self._finishing = asyncio.Lock()
        self._transcribing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._limits: list[asyncio.TimerHandle] = []
        self._over = asyncio.Event()
        self._end_reason = "hung_up"
        self._is_silent_next = False
        self._early: deque[ClientInput] = deque(maxlen=MAX_EARLY)
        self._tasks: asyncio.TaskGroup | None = None
        self._context = copy_context()
        self._started_at = resources.clock.now()
        self._last_heard = self._started_at
        if input_rate:
            self._open_input(input_rate)

    async def run(self) -> None:
        """Carries the call until `hang_up`, the agent's own end, or a failure; never raises but on cancellation."""
        metrics = self._resources.metrics
        identity = {"call_id": self.info.call_id, "transport": self.info.transport, "agent": self.agent.name}
        with bound_fields(call_id=self.info.call_id), trace.span("call", **identity):
            self._context = copy_context()
            log.info("call started", transport=self.info.transport, agent=self.agent.name)
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._tasks = tasks
                    self._answering.open(self._start)
                    self._arm_limits()
                    if self._greeting:
                        self._say(self._greeting)
                    elif self.agent.speaks_first:
                        self._feed(turns.BotThinking())
                        self._answering.respond()
                    while self._early:
                        self.receive(self._early.popleft())
                    await self._over.wait()
                    self._stop_timers()
                    await self._answering.close(TOOLS_GRACE_S)
                    _leave_group()
            except* _CallOver:
                pass
            except* Exception as group:  # the top of a call: the others go on, and the caller is told
                self._end_reason = "failed"
                log.exception("call failed", error=repr(group.exceptions[0]))
                self._transport.close(1011, "internal error")
            finally:
                await self._close()
                seconds = self._clock.now() - self._started_at
                metrics.histogram(CALL_SECONDS).observe(seconds)
                metrics.counter(CALLS_ENDED, self._end_reason).inc()
                log.debug("conversation", **{"pii.messages": self.conversation.messages()})
                log.info("call ended", reason=self._end_reason, seconds=round(seconds, 1))

    # From the transport

    def audio(self, pcm: bytes) -> None:
        """The caller's audio at the input rate, s16le mono."""
        if self._vad is not None and self._listener is not None:
            self._listener.push(pcm)
            self._vad.push(pcm)

    def digit(self, digit: str) -> None:
        """The caller pressed a key."""
        self._feed(turns.DigitEntered(digit))

    def mark_reached(self, name: str) -> None:
        """The carrier has played up to a mark."""
        self._output.mark_reached(name)

    def heard_from(self) -> None:
        """The other side is alive."""
        self._last_heard = self._clock.now()

    def hang_up(self, reason: str = "hung_up") -> None:
        """Ends the call; idempotent."""
        if not self._over.is_set():
            self._end_reason = reason
            self._over.set()

    def end(self, code: int, reason: str) -> None:
        """Ends the call from our side: the other side is told, and the call hung up."""
        self._transport.close(code, reason)
        self.hang_up(reason)

    def receive(self, message: ClientInput) -> None:
        """Something from a client of `/ws`."""
        if self._tasks is None and not isinstance(message, ClientAudio):
            self._early.append(message)
            return
        match message:
            case ClientAudio():
                self._client_audio(message)
            case ClientReady():
                self._transport.send_event(AgentReady(message.id))
            case ClientText():
                self._typed(message)
            case ClientDigits():
                for digit in message.digits:
                    self.digit(digit)
            case ClientInterrupt():
                self._feed(turns.TypedText(""))
            case ClientDisconnect():
                self._transport.close(1000, "bye")
                self.hang_up("client_left")
            case ClientRequest():
                answer = ErrorResponse(message.id, f"this agent knows no request named {message.name}")
                self._transport.send_event(answer)
            case ClientToolResult():
                self._answering.client_tool_result(message.call_id, message.result)
            case ClientSpeak():
                self._say(message.text)
            case ClientContext():
                self._rewrite(message)
            case ClientVadUpdate():
                self._update_vad(message)
            case _:
                assert_never(message)

    # The turn machine

    def _feed(self, event: turns.Event) -> None:
        if self._tasks is None or self._over.is_set():
            return
        for action in self._turns.handle(event, self._clock.now()):
            self._carry_out(action)
        self._arm_timer()

    def _carry_out(self, action: turns.Action) -> None:
        match action:
            case turns.StartListening():
                if self._listener is not None:
                    self._listener.start(self.agent.llm.hints(self.conversation.messages()))
            case turns.PauseListening():
                if self._listener is not None:
                    self._listener.pause()
            case turns.FinishListening():
                task = self._start(self._transcribe(), "transcribe")
                self._transcribing.add(task)
                task.add_done_callback(self._transcribing.discard)
            case turns.CancelListening():
                for task in self._transcribing:
                    task.cancel()
                if self._listener is not None:
                    self._listener.cancel()
            case turns.HoldBot():
                self._output.hold()
            case turns.ReleaseBot():
                self._resources.metrics.counter(FALSE_INTERRUPTIONS).inc()
                self._output.release()
            case turns.Interrupt():
                if action.was_heard:
                    self._resources.metrics.counter(INTERRUPTIONS).inc()
                self._answering.cut()
            case turns.Respond():
                self.conversation.hear(action.text, continues=action.continues)
                self._answering.respond(silent=self._is_silent_next)
                self._is_silent_next = False
            case turns.NotUnderstood():
                if self.agent.not_understood:
                    self._say(self.agent.not_understood)
            case turns.Notify():
                self._notify(action.what)
            case turns.EndCall():
                self.end(1000, action.reason)
            case _:
                assert_never(action)

    def _notify(self, what: str) -> None:
        if what == turns.USER_STARTED:
            self._transport.send_event(SpeakingChanged("user", is_speaking=True))
        elif what == turns.USER_STOPPED:
            self._times.speech_ended(self.agent.profile.vad_stop_secs)
            self._transport.send_event(SpeakingChanged("user", is_speaking=False))
        else:
            self._transport.send_event(UserIdle())
            if self.agent.profile.user_idle_prompt:
                self._say(self.agent.profile.user_idle_prompt)

    def _arm_timer(self) -> None:
        deadline = self._turns.next_deadline()
        if deadline == self._deadline and self._timer is not None:
            return
        self._deadline = deadline
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._time_out) if deadline is not None else None

    def _time_out(self) -> None:
        self._timer = None
        if self._over.is_set():
            return
        for action in self._turns.handle_timeout(self._clock.now()):
            self._carry_out(action)
        self._arm_timer()

    def _speech_edge(self, edge: SpeechEdge) -> None:
        self._feed(turns.SpeechBegan() if edge.is_speaking else turns.SpeechEnded())

    async def _transcribe(self) -> None:
        """Awaits one final transcript; a failure counts as nothing understood."""
        listener = self._listener
        if listener is None:
            self._feed(turns.TextArrived(""))
            return
        async with self._finishing:
            try:
                with trace.span("transcribe"):
                    transcript = await listener.finish()
            except VoxError as error:
                self._resources.metrics.counter(STT_ERRORS, "provider_error", "", "stt", "").inc()
                log.warning("transcription failed", code=error.code, error=str(error))
                self._transport.send_event(AgentError(f"transcription failed: {error.code}"))
                self._feed(turns.TextArrived(""))
                return
        if transcript is None:
            return
        self._times.transcribed()
        if transcript.text:
            timestamp = self._clock.wall().isoformat(timespec="milliseconds")
            self._transport.send_event(UserTranscript(transcript.text, is_final=True, timestamp=timestamp))
        self._feed(turns.TextArrived(transcript.text))

    def _partial(self, text: str) -> None:
        timestamp = self._clock.wall().isoformat(timespec="milliseconds")
        self._transport.send_event(UserTranscript(text, is_final=False, timestamp=timestamp))
        self._feed(turns.PartialText(text))

    # The agent's voice

    def _say(self, text: str) -> None:
        """Says a text as it stands, as an answer of its own."""
        if self._tasks is None:
            return
        self._answering.cut()
        self._feed(turns.BotThinking())
        self._answering.say(text)

    def _audible(self) -> None:
        self._transport.send_event(SpeakingChanged("bot", is_speaking=True))
        self._answering.audible()
        self._feed(turns.BotAudible())

    def _played(self) -> None:
        self._answering.played()
        end_reason = self._answering.wants_end
        self._feed(turns.BotFinished())
        if end_reason is not None:
            self.end(1000, end_reason)

    def _progress(self, segment: int) -> None:
        self._answering.progress(segment)

    def send_digits(self, digits: str) -> None:
        """Presses keys towards the caller's side: on the wire, or as tones where the wire cannot."""
        self._transport.send_event(DigitsSent(digits))
        if not self._transport.send_digits(digits):
            self._answering.play(tone(digits, DTMF_SAMPLE_RATE), DTMF_SAMPLE_RATE)

    # Client inputs

    def _client_audio(self, message: ClientAudio) -> None:
        try:
            pcm = mono(message.pcm, message.channels)
            if message.sample_rate != self._input_rate:
                self._open_input(message.sample_rate)
        except UsageError as error:
            self._transport.send_event(AgentError(str(error)))
            return
        self.audio(pcm)

    def _typed(self, message: ClientText) -> None:
        timestamp = self._clock.wall().isoformat(timespec="milliseconds")
        self._transport.send_event(UserTranscript(message.text, is_final=True, timestamp=timestamp))
        if message.run:
            self._times.typed()
            self._is_silent_next = not message.speak
            self._feed(turns.TypedText(message.text))
        else:
            self.conversation.hear(message.text)

    def _rewrite(self, message: ClientContext) -> None:
        try:
            if message.replace:
                self._answering.cut()
                self.conversation.replace(message.messages)
            else:
                self.conversation.append(message.messages)
        except VoxError as error:
            self._transport.send_event(AgentError(str(error)))
            return
        if message.run:
            self._feed(turns.BotThinking())
            self._answering.respond()

    def _update_vad(self, message: ClientVadUpdate) -> None:
        if self._vad is not None:
            params = self.agent.profile.vad_params()
            start = params.start_s if message.start_s is None else message.start_s
            stop = params.stop_s if message.stop_s is None else message.stop_s
            self._vad.update(replace(params, start_s=start, stop_s=stop))

    # Opening and closing

    def _open_input(self, sample_rate: int) -> None:
        """Raises UsageError for a rate that no audio has."""
        profile = self.agent.profile
        vad = self._resources.voice_activity.open(
            sample_rate=sample_rate, params=profile.vad_params(), on_edge=self._speech_edge
        )
        if self._vad is not None:
            self._vad.close()
        old, self._vad, self._input_rate = self._listener, vad, sample_rate
        if old is not None and self._tasks is not None:
            self._start(old.aclose(), "close listener")
        self._listener = Listener(
            self.agent.stt,
            sample_rate=sample_rate,
            pre_roll_s=profile.turn_pre_speech_ms / 1000 + profile.vad_start_secs_vad,
            language=profile.stt_language or None,
            on_partial=self._partial,
            metrics=self._resources.metrics,
        )

    def _arm_limits(self) -> None:
        loop = asyncio.get_running_loop()
        settings = self._resources.settings
        if settings.rtc_max_duration_secs:
            self._limits.append(loop.call_later(settings.rtc_max_duration_secs, self.end, 1000, "too_long"))
        if settings.session_inactivity_secs:
            self._limits.append(loop.call_later(settings.session_inactivity_secs, self._check_activity))

    def _check_activity(self) -> None:
        limit = self._resources.settings.session_inactivity_secs
        rest = self._last_heard + limit - self._clock.now()
        if rest <= 0:
            self.end(1000, "silent_peer")
        else:
            self._limits.append(asyncio.get_running_loop().call_later(rest, self._check_activity))

    def _stop_timers(self) -> None:
        for timer in (self._timer, *self._limits):
            if timer is not None:
                timer.cancel()

    async def _close(self) -> None:
        self._stop_timers()
        self._output.close()
        if self._vad is not None:
            self._vad.close()
        if self._listener is not None:
            await self._listener.aclose()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task of this call, with the call's own log fields and trace, whoever's message it was that asked for it."""
        if self._tasks is None:
            work.close()
            raise UsageError("the call is not running", code="call_not_running")
        return self._tasks.create_task(work, name=name, context=self._context.copy())


class _CallOver(Exception):  # noqa: N818  not an error: the way out of the task group
    pass


def _leave_group() -> None:
    """Ends what is still running in the call's task group."""
    raise _CallOver


_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def fill(text: str, variables: Mapping[str, str]) -> str:
    """The text with each `{{name}}` replaced by that session variable; unknown names become empty."""
    return _VARIABLE.sub(lambda match: variables.get(match.group(1), ""), text)
