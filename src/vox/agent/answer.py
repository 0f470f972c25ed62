"""One answer at a time: model → sentences → speech, cancellable at any point without losing what was heard.

The model's text is cut into sentences as it streams, and each is synthesised while the next is still being written. A cut
settles the conversation with what the caller heard; tools that are running finish and leave their results.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vox.agent.context import Answer, Conversation
from vox.agent.metrics import LLM_ERRORS, TTS_ERRORS, TTS_LATENCY
from vox.agent.output import Output
from vox.agent.playout import Heard
from vox.agent.resources import Agent
from vox.agent.sentences import SentenceSplitter
from vox.agent.timeline import TurnTimes
from vox.agent.tools import Tool, Toolbox
from vox.agent.transports.contract import CallTransport
from vox.errors import DependencyError, UsageError, VoxError
from vox.protocols.agent_events import (
    AgentError,
    ResponseStarted,
    ResponseStopped,
    ResponseText,
    SentenceProgress,
    SpeakingChanged,
    SpeechStarted,
    SpeechStopped,
    ToolProgress,
)
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, ToolSpec, Usage
from vox.runtime.logging import get_logger
from vox.runtime.tracing import tracer

log = get_logger(__name__)

trace = tracer(__name__)

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a coroutine as a task of the call."""

MAX_SENTENCES_AHEAD = 16
MAX_TOOL_TASKS = 32
END_CALL = ToolSpec("end_call", "Ends the call politely once everything is said.", {"type": "object", "properties": {}})


@dataclass(slots=True)
class _Run:
    """One answer under way: the model's responses in it, and which sentence belongs to which.

    A silent one is shown, not spoken.
    """

    number: int = 0
    answers: list[Answer] = field(default_factory=list[Answer])
    owners: dict[int, Answer] = field(default_factory=dict[int, Answer])
    task: asyncio.Task[None] | None = None
    end_reason: str | None = None
    is_silent: bool = False
    is_over: bool = False
    is_audible: bool = False


class Answering:
    """The agent's answers in one call.

    Attributes:
        wants_end: why the call should end after the answer that was just played; None: it goes on.
    """

    def __init__(
        self,
        agent: Agent,
        conversation: Conversation,
        output: Output,
        transport: CallTransport,
        times: TurnTimes,
        variables: Mapping[str, str],
    ) -> None:
        self._agent = agent
        self._conversation = conversation
        self._output = output
        self._transport = transport
        self._times = times
        self._variables = variables
        self._client_results: dict[str, asyncio.Future[Any]] = {}
        self._toolbox = Toolbox({**agent.tools, **self._client_tools()}, timeout_s=agent.profile.tool_timeout_secs)
        self._tool_tasks: set[asyncio.Task[None]] = set()
        self._spawn: Spawn | None = None
        self._run: _Run | None = None
        self._number = 0
        self.wants_end: str | None = None

    def open(self, spawn: Spawn) -> None:
        """Gives the way to start work that the call owns."""
        self._spawn = spawn

    async def close(self, grace_s: float) -> None:
        """Cuts the present answer and lets running tools finish, at most `grace_s`."""
        self.cut()
        if self._tool_tasks:
            _, late = await asyncio.wait(self._tool_tasks, timeout=grace_s)
            for task in late:
                task.cancel()

    def respond(self, *, silent: bool = False) -> None:
        """Has the model answer the conversation as it stands; a silent answer is shown, not spoken."""
        self._begin(None, silent=silent)

    def say(self, text: str) -> None:
        """Speaks a text of our own as an answer."""
        self._begin(text, silent=False)

    def play(self, pcm: bytes, sample_rate: int) -> None:
        """Plays audio without text, s16le mono, as an answer of its own."""
        self.cut()
        if self._spawn is not None:
            run = self._run = self._new_run(silent=False)
            run.task = self._spawn(self._play(pcm, sample_rate), "play")

    def cut(self) -> None:
        """Ends the answer where it is: the conversation keeps what was heard. Nothing happens without one."""
        run = self._run
        if run is None or run.is_over:
            return
        run.is_over = True
        if run.task is not None:
            run.task.cancel()
        parts = self._output.parts(self._output.cut())
        self._settle(run, parts)
        self._finish(run, parts)

    def audible(self) -> None:
        """The first audio of the answer went out."""
        if self._run is not None:
            self._run.is_audible = True
        self._transport.send_event(self._times.audible())

    def played(self) -> None:
        """The answer was played to its end."""
        run = self._run
        self.wants_end = None
        if run is None or run.is_over:
            return
        run.is_over = True
        self.wants_end = run.end_reason
        parts = self._output.all_parts()
        self._settle(run, parts)
        self._finish(run, parts)

    def progress(self, segment: int) -> None:
        """Tells a client that looks how far a sentence is."""
        parts = self._output.parts()
        if self._run is not None and self._transport.shows_progress and segment < len(parts):
            self._show(self._run, parts[segment], is_over=False)

    def client_tool_result(self, call_id: str, result: Any) -> None:
        """The client's answer to a tool that it runs."""
        waiting = self._client_results.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    # The making of an answer

    def _new_run(self, *, silent: bool) -> _Run:
        self._number += 1
        self._output.begin()
        return _Run(self._number, is_silent=silent)

    def _begin(self, text: str | None, *, silent: bool) -> None:
        self.cut()
        if self._spawn is None:
            return
        run = self._run = self._new_run(silent=silent)
        self._times.asked()
        work = self._answer(run) if text is None else self._recite(run, text)
        run.task = self._spawn(work, "answer")

    async def _play(self, pcm: bytes, sample_rate: int) -> None:
        await self._output.play(pcm, sample_rate)
        self._output.end()

    async def _recite(self, run: _Run, text: str) -> None:
        answer = self._conversation.begin_answer()
        run.answers.append(answer)
        splitter = SentenceSplitter()
        try:
            for sentence in [*splitter.push(text), *splitter.flush()]:
                await self._speak(run, answer, sentence)
        except VoxError as error:
            self._report(error)
        self._output.end()

    async def _answer(self, run: _Run) -> None:
        sentences: asyncio.Queue[tuple[Answer, str] | None] = asyncio.Queue(MAX_SENTENCES_AHEAD)
        failure: VoxError | None = None
        try:
            with trace.span("answer"):
                async with asyncio.TaskGroup() as stages:
                    stages.create_task(self._speak_all(run, sentences), name="speak")
                    await self._generate(run, sentences)
                    await sentences.put(None)
        except* VoxError as group:
            failure = next(error for error in group.exceptions if isinstance(error, VoxError))
        if failure is not None:
            self._report(failure)
            await self._apologise(run)
        self._output.end()

    async def _generate(self, run: _Run, sentences: asyncio.Queue[tuple[Answer, str] | None]) -> None:
        for _ in range(self._agent.profile.max_tool_rounds):
            answer = self._conversation.begin_answer()
            run.answers.append(answer)
            with trace.span("generate"):
                calls = await self._generate_round(answer, sentences)
            if not calls:
                return
            if any(call.name == END_CALL.name for call in calls):
                run.end_reason = "agent_ended"
            await self._run_tools(answer, calls)
            if all(call.name == END_CALL.name for call in calls):
                return
        log.warning("tool rounds exhausted", rounds=self._agent.profile.max_tool_rounds)

    async def _generate_round(
        self, answer: Answer, sentences: asyncio.Queue[tuple[Answer, str] | None]
    ) -> list[ToolCall]:
        splitter = SentenceSplitter()
        calls: list[ToolCall] = []
        request = LlmRequest(
            messages=self._conversation.messages(),
            tools=(*self._toolbox.specs(), END_CALL),
            variables=self._variables,
        )
        self._transport.send_event(ResponseStarted())
        stream = self._agent.llm.respond(request)
        try:
            async for event in stream:
                self._times.first_token()
                match event:
                    case TextDelta():
                        answer.text += event.text
                        self._transport.send_event(ResponseText(event.text))
                        for sentence in splitter.push(event.text):
                            await sentences.put((answer, sentence))
                    case ToolCall():
                        calls.append(event)
                    case Usage():
                        log.debug("model usage", prompt=event.prompt_tokens, completion=event.completion_tokens)
        except VoxError:
            self._times.metrics.counter(LLM_ERRORS, "provider_error", "", "llm", "").inc()
            raise
        finally:
            await stream.aclose()
            self._transport.send_event(ResponseStopped())
        self._times.generated()
        for sentence in splitter.flush():
            await sentences.put((answer, sentence))
        return calls

    async def _speak_all(self, run: _Run, sentences: asyncio.Queue[tuple[Answer, str] | None]) -> None:
        while (item := await sentences.get()) is not None:
            await self._speak(run, *item)

    async def _speak(self, run: _Run, answer: Answer, sentence: str) -> None:
        profile, metrics = self._agent.profile, self._times.metrics
        self._show(run, Heard(len(run.owners), sentence, ""), is_over=False)
        if run.is_silent:
            return
        if not run.owners:
            self._transport.send_event(SpeechStarted())
        run.owners[len(run.owners)] = answer
        began = self._times.clock.now()
        self._times.synthesis_began(len(sentence))
        try:
            with trace.span("synthesize", characters=len(sentence)):
                await self._output.speak(
                    self._agent.tts, sentence, voice=profile.tts_voice or None, language=profile.stt_language or None
                )
        except VoxError:
            metrics.counter(TTS_ERRORS, "provider_error", "", "tts", "").inc()
            raise
        metrics.histogram(TTS_LATENCY, "", "tts", "success", "").observe(self._times.clock.now() - began)

    async def _apologise(self, run: _Run) -> None:
        text = self._agent.profile.error_message
        if text and not run.is_over:
            answer = self._conversation.begin_answer()
            run.answers.append(answer)
            with suppress(VoxError):  # the synthesiser may be what failed; that was reported
                await self._speak(run, answer, text)

    # Tools

    async def _run_tools(self, answer: Answer, calls: list[ToolCall]) -> None:
        """Runs them side by side. Cancelling this leaves them running: their results belong to the conversation."""
        started = [self._start_tool(answer, call) for call in calls]
        await asyncio.shield(asyncio.gather(*started))

    def _start_tool(self, answer: Answer, call: ToolCall) -> asyncio.Task[None]:
        if self._spawn is None or len(self._tool_tasks) >= MAX_TOOL_TASKS:
            raise UsageError(
                f"more than {MAX_TOOL_TASKS} tools run at once in one call",
                code="too_many_tools",
                hint="slow tools pile up",
            )
        self._conversation.add_tool_call(answer, call)
        task = self._spawn(self._run_tool(answer, call), f"tool {call.name}")
        self._tool_tasks.add(task)
        task.add_done_callback(self._tool_tasks.discard)
        return task

    async def _run_tool(self, answer: Answer, call: ToolCall) -> None:
        self._transport.send_event(ToolProgress(call.id, call.name, "started"))
        if call.name == END_CALL.name:
            result = '{"ok": true}'
        else:
            self._transport.send_event(ToolProgress(call.id, call.name, "in-progress", arguments=_arguments(call)))
            result = await self._toolbox.run(call)
        self._conversation.add_tool_result(answer, call.id, result)
        self._transport.send_event(ToolProgress(call.id, call.name, "stopped", result=result))

    def _client_tools(self) -> dict[str, Tool]:
        tools: dict[str, Tool] = {}
        for described in self._agent.profile.client_tools:
            spec = ToolSpec(
                described["name"], described.get("description", ""), described.get("parameters", {"type": "object"})
            )
            tools[spec.name] = Tool(spec, self._ask_client)
        return tools

    async def _ask_client(self, call: ToolCall, _arguments: Mapping[str, Any]) -> Any:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._client_results[call.id] = waiting
        try:
            return await waiting
        finally:
            del self._client_results[call.id]

    # The end of an answer

    def _settle(self, run: _Run, parts: list[Heard]) -> None:
        for answer in run.answers:
            if not run.is_silent:
                spoken = [part.spoken for part in parts if run.owners.get(part.segment) is answer and part.spoken]
                self._conversation.settle(answer, " ".join(spoken))
            else:
                self._conversation.settle(answer, answer.text)

    def _finish(self, run: _Run, parts: list[Heard]) -> None:
        for part in parts:
            if part.segment in run.owners:
                self._show(run, part, is_over=True)
        if run.owners:
            self._transport.send_event(SpeechStopped())
        if run.is_audible:
            self._transport.send_event(SpeakingChanged("bot", is_speaking=False))

    def _show(self, run: _Run, part: Heard, *, is_over: bool) -> None:
        status = "completed" if is_over else "in-progress" if part.spoken else "new"
        self._transport.send_event(
            SentenceProgress(
                f"{run.number}.{part.segment}",
                part.text,
                status,
                spoken=part.spoken,
                remaining=part.remaining,
                will_be_spoken=not run.is_silent,
            )
        )

    def _report(self, error: VoxError) -> None:
        log.warning("answer failed", code=error.code, error=str(error), retryable=error.retryable)
        what = "a provider failed" if isinstance(error, DependencyError) else str(error)
        self._transport.send_event(AgentError(f"the answer failed: {what} ({error.code})"))


def _arguments(call: ToolCall) -> dict[str, Any]:
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    return {}
