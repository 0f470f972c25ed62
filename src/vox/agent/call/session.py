"""One call: it carries the turn machine's decisions out.

Everything that happens on a call comes in through a synchronous method (audio, digits, marks, client inputs), becomes an
event of the turn machine, and its actions are carried out at once. What takes time — an answer, a transcript, a tool — is a
task of the call's own task group, so nothing outlives the call. The callers of these methods (socket, detector, pacer, timer)
serve other calls too: a failure ends this call and never reaches them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any, assert_never

from vox.agent.call.answering import AnsweredCall, detection
from vox.agent.call.call_language import CallLanguage
from vox.agent.call.call_recording import begin_recording, begin_transcript, has_recording_tools
from vox.agent.call.call_state import CallState
from vox.agent.call.caller_filter import caller_filter
from vox.agent.call.caller_input import MakeInput
from vox.agent.call.checkpoint import Checkpoint
from vox.agent.call.conversation import INAUDIBLE, Conversation, fill
from vox.agent.call.echo_guard import EchoGuard
from vox.agent.call.keeper import Keeper
from vox.agent.call.limits import CallLimits
from vox.agent.call.realtime import RealtimeResponder
from vox.agent.call.responder import Responder
from vox.agent.call.speech_input import SpeechInput
from vox.agent.call.speech_output import SpeechOutput
from vox.agent.call.transcript_choice import chooser
from vox.agent.call.transport import CallInfo, CallTransport, PausesInput
from vox.agent.call.turn_latency import TurnLatency, trace_turn
from vox.agent.call.turn_log import turn_machine
from vox.agent.config.resources import Agent, Resources
from vox.agent.metrics import CALL_SECONDS, CALLS_ENDED, FALSE_INTERRUPTIONS, INTERRUPTIONS
from vox.agent.tools.contract import CallContext, Tool, enter_call
from vox.agent.turns import events
from vox.errors import UsageError, VoxError
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
    ErrorResponse,
    ServerMessage,
    SpeakingChanged,
    UserIdle,
    UserTranscript,
)
from vox.providers.tts.contract import open_call
from vox.runtime.logging import bound_fields, get_logger
from vox.runtime.tasks import GroupLeft, leave_group
from vox.runtime.tracing import tracer

log = get_logger(__name__)
trace = tracer(__name__)

TOOLS_GRACE_S = 10.0
MAX_EARLY = 64
"""Client messages that may come before the call's task has run for the first time; older ones are dropped."""
MAX_TEXT = 10_000
"""Characters of one text from a client: typed, to be spoken, or a tool's result."""


class Session:
    """One call from its first message to its end. `run` is its life; the other methods may be called meanwhile.

    Args:
        resources: what all calls share.
        agent: who answers.
        transport: the way out.
        info: where the call comes from.
        input_rate: sample rate of the caller's audio in Hz; 0 where the first `ClientAudio` tells.
        output_delay_s: how long the transport gathers audio before it leaves.
        resume: the state of the call in the process that had it before.
        make_input: what hears the other side.

    Attributes:
        state: what another process needs to go on with the call.
        keeper: is told whenever that has changed; None where it does not matter.
        is_handed_over: whether another process has the call, or will.
    """

    keeper: Keeper | None = None
    is_handed_over = False

    def __init__(
        self,
        resources: Resources,
        agent: Agent,
        transport: CallTransport,
        info: CallInfo,
        *,
        input_rate: int = 0,
        output_delay_s: float = 0.0,
        resume: Checkpoint | None = None,
        make_input: MakeInput = SpeechInput,
    ) -> None:
        self.agent = agent
        self.info = info
        self._resources = resources
        self._clock = resources.clock
        self.transport = self._transport = transport
        self._turns = turn_machine(agent.profile.turn_policy())
        self.variables = variables = {
            **agent.profile.variables,
            **info.variables,
            "caller": info.caller,
            "callee": info.callee,
        }
        self.conversation = Conversation(fill(agent.profile.system_prompt, variables))
        self._latency = TurnLatency(resources.clock, resources.metrics)
        self.recording = begin_recording(resources, info, transport, output_delay_s, resume)
        recorder = self.recording.recorder
        self._notice = fill(resources.settings.recording.notice, variables) if recorder is not None else ""
        self.transcript = begin_transcript(resources, info, self.recording, resume)
        self._output = SpeechOutput(
            transport,
            resources.pacer,
            resources.clock,
            on_audible=partial(self._safely, self._audible),
            on_played=partial(self._safely, self._played),
            on_progress=partial(self._safely, self._progress),
            on_broken=partial(self.end, 1011, "failed"),
            lead_s=resources.settings.playout_lead_ms / 1000,
            recorder=recorder,
        )
        self._voice = open_call(agent.tts, language=agent.profile.stt_language or None)
        self._resume = resume
        end = partial(self.end, 1000)
        answered = AnsweredCall(self._greet_person, self._say, self._respond, end, self._safely)
        tell = transport.send_event
        self._answering = detection(agent, answered, self.conversation, variables, tell) if resume is None else None
        language = CallLanguage(agent, self._use)
        agent = replace(agent, tts=self._voice.tts, tools={**language.tools(), **self._tools(agent)})
        rows = self.transcript
        said, heard = (None, None) if rows is None else (rows.assistant, rows.user)
        parts = (self.conversation, self._output, transport, self._latency, variables)
        self._responder = Responder(agent, *parts, on_said=said)
        if agent.realtime is not None:
            self._responder = live = RealtimeResponder(agent, agent.realtime, *parts, on_said=said, on_heard=heard)
            agent, tell, heard = replace(agent, stt=live.ear), live.ear.tell, live.ear.heard
        self._greeting = fill(agent.greeting, variables)
        self.caller_input = self._speech_input = make_input(
            agent,
            resources,
            self._latency,
            feed=self._feed if self._answering is None else self._feed_undecided,
            tell=tell,
            spawn=self._start,
            choose=chooser(agent.llm, self.conversation),
            on_transcript=language.heard,
            on_heard=heard,
            recorder=recorder,
            transport=transport if isinstance(transport, PausesInput) else None,
            echo=EchoGuard(self._output) if agent.profile.echo_guard else None,
            caller_filter=caller_filter(agent.profile.plugin_effects, resources.clock, self._output.is_busy),
            guard=self._safely,
        )
        self._limits = CallLimits(
            resources.clock,
            max_duration_s=agent.profile.max_call_secs or resources.settings.rtc_max_duration_secs,
            max_silence_s=resources.settings.session_inactivity_secs,
            is_busy=self._output.is_busy,
            on_end=end,
        )
        self.state = CallState(
            info, self.agent.name, resources.clock, resources.clock.wall().timestamp(), variables, self.conversation,
            language, self._turns, self._responder, self._limits, self.recording, self.transcript, self._can_move,
        )  # fmt: skip
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._over = asyncio.Event()
        self.end_reason = "hung_up"
        self._is_silent_next = False
        self._greeting_timer: asyncio.TimerHandle | None = None
        self._early: deque[ClientInput] = deque(maxlen=MAX_EARLY)
        self._tasks: asyncio.TaskGroup | None = None
        self._context = copy_context()
        self.started_at = resources.clock.now()
        if input_rate:
            try:
                self._speech_input.open(input_rate)
            except BaseException:
                self.release()
                raise

    async def run(self) -> None:
        """Carries the call until `hang_up`, the agent's own end, or a failure; never raises but on cancellation."""
        metrics = self._resources.metrics
        identity = {"call_id": self.info.call_id, "transport": self.info.transport, "agent": self.agent.name}
        with bound_fields(call_id=self.info.call_id), trace.span("call", **identity):
            enter_call(CallContext(self.info.call_id, self.info.caller, self.info.callee, self.variables))
            self._context = copy_context()
            known_by = {"session_id": self.info.session_id} if self.info.session_id else {}
            log.info("call started", transport=self.info.transport, agent=self.agent.name, **known_by)
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._tasks = tasks
                    self._responder.open(self._start)
                    self._limits.open()
                    if self._answering is not None:
                        self._answering.open(self._start, self._speech_input)
                    if self._resume is not None:
                        self._go_on(self._resume)
                    else:
                        self._await_client()
                    while self._early:
                        self.receive(self._early.popleft())
                    try:
                        await self._over.wait()
                    finally:  # also where the call is cancelled: an answer must know before its tasks do
                        if self.is_handed_over:
                            self._responder.abandon()
                        self._responder.cut()
                    await self._responder.close(TOOLS_GRACE_S)
                    leave_group()
            except* GroupLeft:
                pass
            except* Exception as group:  # noqa: BLE001  the top of a call: the others go on, and the caller is told
                self._fail(group.exceptions[0])
            finally:
                self.release()
                await self._speech_input.aclose()
                seconds = self._clock.now() - self.started_at
                metrics.histogram(CALL_SECONDS).observe(seconds)
                metrics.counter(CALLS_ENDED, self.end_reason).inc()
                log.debug("conversation", **{"pii.messages": self.recording.loggable(self.conversation.messages())})
                log.info("call ended", reason=self.end_reason, seconds=round(seconds, 1))

    # From the transport

    def audio(self, pcm: bytes) -> None:
        """The caller's audio at the input rate, s16le mono."""
        try:
            if not self._limits.has_audio:
                self._limits.first_audio()
            self._speech_input.push(pcm)
        except Exception as error:  # noqa: BLE001  the top of what a socket brings to this call
            self._fail(error)

    def digit(self, digit: str) -> None:
        """The caller pressed a key."""
        self._latency.typed()
        self._feed(events.DigitEntered(digit))

    def mark_reached(self, name: str) -> None:
        """The carrier has played up to a mark."""
        self._output.mark_reached(name)

    def heard_from(self, now: float) -> None:
        """The other side was alive at this time of the clock."""
        self._limits.heard_at = now

    def hang_up(self, reason: str = "hung_up") -> None:
        """Ends the call; idempotent."""
        if not self._over.is_set():
            self.end_reason = reason
            self._over.set()
            if not self.is_handed_over:
                self.recording.close()

    def hand_over(self, reason: str = "handed_over") -> None:
        """Ends the call here, because another process goes on with it; its line stays open until the transport closes it."""
        self.is_handed_over = True
        self.recording.begin_to_leave()
        self.hang_up(reason)

    def end(self, code: int, reason: str) -> None:
        """Ends the call from our side: the other side is told, and the call hung up."""
        self.hang_up(reason)
        try:
            self._transport.close(code, reason)
        except Exception:  # a line that cannot even be closed: the call is over all the same
            log.exception("closing failed", call_id=self.info.call_id)

    def receive(self, message: ClientInput) -> None:
        """Handles an input from a client of `/ws`."""
        if self._tasks is None and not isinstance(message, ClientAudio):
            self._early.append(message)
        elif not self._over.is_set():
            if not isinstance(message, ClientReady):  # which is answered before anything else
                self._greet()
            self._safely(self._receive, message)

    def release(self) -> None:
        """Removes the call from the shared pacer and detector; idempotent, and `run` does it too."""
        self._limits.close()
        if self._answering is not None:
            self._answering.close()
        if self._greeting_timer is not None:
            self._greeting_timer.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._output.close()
        self._speech_input.release()
        self._voice.close()
        if self.transcript is not None:
            self.transcript.close()
        if not self.is_handed_over:
            self.recording.close()

    # For another process

    def _can_move(self) -> bool:
        return self.agent.realtime is None and (self._answering is None or self._answering.is_person)

    def _go_on(self, saved: Checkpoint) -> None:
        """Takes the call up where the process before left it."""
        self.state.restore(saved)
        self._arm_timer()
        if not saved.is_greeted:
            self._await_client()
        elif saved.answer is not None:
            self._feed(events.BotThinking())
            self._responder.resume(saved.answer)
        elif saved.is_caller_speaking:  # their words are lost with that process
            self._not_understood()

    def _receive(self, message: ClientInput) -> None:
        match message:
            case ClientAudio():
                if not self._limits.has_audio:
                    self._limits.first_audio()
                self._speech_input.push_client(message)
            case ClientReady():
                self._transport.send_event(AgentReady(message.id, self.info.call_id))
                self._greet()
            case ClientText():
                self._typed(message)
            case ClientDigits():
                for digit in message.digits[: events.MAX_DIGITS]:
                    self.digit(digit)
            case ClientInterrupt():
                self._feed(events.TypedText(""))
            case ClientDisconnect():
                self.end(1000, "client_left")
            case ClientRequest():
                answer = ErrorResponse(message.id, f"this agent knows no request named {message.name[:100]}")
                self._transport.send_event(answer)
            case ClientToolResult():
                self._responder.client_tool_result(message.call_id, message.result)
            case ClientSpeak():
                if self._is_short(message.text):
                    self._say(message.text)
            case ClientContext():
                self._rewrite(message)
            case ClientVadUpdate():
                self._speech_input.update(message)
            case _:
                assert_never(message)

    # The turn machine

    def _feed(self, event: events.Event) -> None:
        if self._tasks is not None and not self._over.is_set():
            self._safely(self._take_turns, lambda: self._turns.handle(event, self._clock.now()))

    def _take_turns(self, decide: Callable[[], list[events.Action]]) -> None:
        for action in decide():
            self._carry_out(action)
        self._arm_timer()
        if self.keeper is not None:
            self.keeper.changed()

    def _carry_out(self, action: events.Action) -> None:
        if self._answering is not None and self._answering.takes(action):
            return
        match action:
            case events.StartListening():
                self._speech_input.start(self.agent.llm.hints(self.conversation.messages()))
            case events.PauseListening():
                self._speech_input.pause()
            case events.FinishListening():
                self._speech_input.finish()
            case events.CancelListening():
                self._speech_input.cancel()
            case events.HoldBot():
                self._output.hold()
                self._responder.held()
            case events.ReleaseBot():
                self._resources.metrics.counter(FALSE_INTERRUPTIONS).inc()
                self._output.release()
                self._responder.released()
            case events.Interrupt():
                if action.was_heard:
                    self._resources.metrics.counter(INTERRUPTIONS).inc()
                self._responder.cut()
            case events.Respond():
                self._latency.turn_ended()
                if action.text:
                    self.conversation.hear(action.text, continues=action.continues)
                if self.transcript is not None and action.is_digits:
                    self.transcript.user(action.text)
                self._responder.respond(silent=self._is_silent_next)
            case events.NotUnderstood():
                self._not_understood()
            case events.Notify():
                self._notify(action.what)
            case events.EndCall():
                self._say_goodbye(action.reason)
            case _:
                assert_never(action)

    def _notify(self, what: str) -> None:
        if what == events.USER_STARTED:
            self._transport.send_event(SpeakingChanged("user", is_speaking=True))
        elif what == events.USER_STOPPED:
            self._latency.speech_ended(self._speech_input.stop_s)
            self._transport.send_event(SpeakingChanged("user", is_speaking=False))
        else:
            self._transport.send_event(UserIdle())
            if self.agent.profile.user_idle_prompt:
                self._say(self.agent.profile.user_idle_prompt)

    def _use(self, agent: Agent) -> None:
        """Goes on in another of the agent's languages."""
        tag = agent.profile.stt_language
        self._voice.close()
        self._voice = open_call(agent.tts, language=tag or None)
        self.agent = agent
        self._responder.use(replace(agent, tts=self._voice.tts))
        self._speech_input.use(agent)
        self._turns.policy = replace(self._turns.policy, language=tag)
        self._transport.send_event(ServerMessage({"type": "language-changed", "language": tag}))

    def _not_understood(self) -> None:
        """Speech without words enters the conversation too: a model may count how often that happens."""
        log.info("speech not understood")
        timestamp = self._clock.wall().isoformat(timespec="milliseconds")
        self._transport.send_event(ServerMessage({"type": "not-understood", "timestamp": timestamp}))
        self.conversation.hear("" if self.agent.llm.answers_inaudible else INAUDIBLE)
        if self.agent.not_understood:
            self._say(self.agent.not_understood)
        else:
            self._feed(events.BotThinking())
            self._responder.respond()

    def _say_goodbye(self, reason: str) -> None:
        """Hangs up, after the words for it where there are any; a caller who answers them keeps the call."""
        if self.agent.profile.user_idle_goodbye:
            self._say(self.agent.profile.user_idle_goodbye, then_end=reason)
        else:
            self.end(1000, reason)

    def _arm_timer(self) -> None:
        deadline = None if self._over.is_set() else self._turns.next_deadline()
        if deadline == self._deadline and self._timer is not None:
            return
        self._deadline = deadline
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._time_out) if deadline is not None else None

    def _time_out(self) -> None:
        self._timer = None
        if not self._over.is_set():
            self._safely(self._take_turns, lambda: self._turns.handle_timeout(self._clock.now()))

    # Calls that the agent makes

    def _tools(self, agent: Agent) -> dict[str, Tool]:
        """The agent's tools and those that this call has by itself."""
        recording = self.recording.tools() if has_recording_tools(agent, self._resources) else {}
        answering = self._answering.tools() if self._answering is not None else {}
        return {**recording, **agent.tools, **answering}

    def _feed_undecided(self, event: events.Event) -> None:
        if self._answering is None or not self._answering.hears(event):
            self._feed(event)

    def _greet_person(self, heard: str) -> None:
        if heard:
            self.conversation.hear(heard)
        self._greet()
        if heard and not (self._greeting or self._notice or self.agent.speaks_first):
            self._respond()

    def _respond(self) -> None:
        self._responder.cut()
        self._feed(events.BotThinking())
        self._responder.respond()

    # The agent's voice

    def _await_client(self) -> None:
        """Greets at once, or as soon as a client that says when it is ready has sent anything, at the latest in a while."""
        if self._transport.client_wait_s:
            loop = asyncio.get_running_loop()
            self._greeting_timer = loop.call_later(self._transport.client_wait_s, self._greet)
        else:
            self._greet()

    def _greet(self) -> None:
        if self.state.is_greeted or self._tasks is None or self._over.is_set():
            return
        if self._answering is not None and self._answering.begin():
            return
        self.state.is_greeted = True
        if self._greeting_timer is not None:
            self._greeting_timer.cancel()
        if self._greeting or (self._notice and not self.agent.speaks_first):
            self._say(f"{self._notice} {self._greeting}".strip())
        elif self.agent.speaks_first:
            self._feed(events.BotThinking())
            self._responder.respond(preface=self._notice)

    def _say(self, text: str, *, then_end: str | None = None) -> None:
        """Says a text as it stands, as an answer of its own; `then_end` is why the call ends once it was heard."""
        if self._tasks is None or self._over.is_set():
            return
        self._responder.cut()
        self._feed(events.BotThinking())
        self._responder.say(text, then_end=then_end)

    def _audible(self) -> None:
        self._transport.send_event(SpeakingChanged("bot", is_speaking=True))
        numbers = self._responder.audible()
        if numbers.response_s is not None:  # in the call's context, because this is called in that of all calls
            self._context.copy().run(trace_turn, numbers, self._clock.wall())
        self._feed(events.BotAudible())

    def _played(self) -> None:
        self.heard_from(self._clock.now())  # who listens has no reason to send anything
        self._responder.played()
        end_reason = self._responder.wants_end
        self._feed(events.BotFinished())
        if end_reason is not None:
            self.end(1000, end_reason)

    def _progress(self, segment: int) -> None:
        self._responder.progress(segment)
        if self.keeper is not None:
            self.keeper.changed()

    # Client inputs

    def _typed(self, message: ClientText) -> None:
        if not self._is_short(message.text):
            return
        timestamp = self._clock.wall().isoformat(timespec="milliseconds")
        self._transport.send_event(UserTranscript(message.text, is_final=True, timestamp=timestamp))
        if message.run:
            self._latency.typed()
            self._is_silent_next = not message.speak
            self._feed(events.TypedText(message.text))
            self._is_silent_next = False
        else:
            self.conversation.hear(message.text)
        if self.transcript is not None:
            self.transcript.user(message.text)

    def _is_short(self, text: str) -> bool:
        if len(text) > MAX_TEXT:
            self._transport.send_event(AgentError(f"a text of {len(text)} characters is over the limit of {MAX_TEXT}"))
        return len(text) <= MAX_TEXT

    def _rewrite(self, message: ClientContext) -> None:
        try:
            self.conversation.rewrite(message.messages, replace=message.replace)
        except VoxError as error:
            self._transport.send_event(AgentError(str(error)))
            return
        if message.run:
            self._respond()
        elif message.replace:  # what was being said answers a conversation that is gone
            self._responder.cut()
            self._feed(events.BotFinished())

    # Opening and closing

    def _safely(self, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001  the top of what others bring to this call: see the module's docstring
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        log.error("call failed", call_id=self.info.call_id, exc_info=error)
        self.hang_up("failed")
        self.end(1011, "internal error")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task of this call, with the call's own log fields and trace, also where another call's message started it."""
        if self._tasks is None:
            work.close()
            raise UsageError("the call is not running", code="call_not_running")
        return self._tasks.create_task(work, name=name, context=self._context.copy())
