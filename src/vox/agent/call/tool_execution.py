"""The tools of one call at work: the operator's, the client's, and what the call itself can do.

A tool runs to its end even if the caller cuts the answer off, unless it is declared cancellable; its result belongs to the
conversation either way. Otherwise only the end of the call stops it, after a grace.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from vox.agent.call.conversation import Answer, Conversation
from vox.agent.config.profile import AgentProfile, ClientTool
from vox.agent.tools.call_control import (
    DONE,
    END_CALL,
    PRESS_KEYS,
    TRANSFER,
    CallActions,
    run_press,
    run_transfer,
    transfer_spec,
)
from vox.agent.tools.contract import Tool, Toolbox, error_result
from vox.errors import UsageError
from vox.protocols.agent_events import AgentEvent, ToolProgress
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics, NullMetrics

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a coroutine as a task of the call."""
MAX_TOOL_TASKS = 32
UNKNOWN_OUTCOME = "the call was interrupted while this ran: it is not known whether it was done; check, or say so"


class ToolCalls:
    """Runs what one call's model asks for.

    Args:
        profile: the agent's settings.
        tools: the operator's functions by name.
        conversation: takes calls and results.
        tell: takes what the client should know.
        can_transfer: whether this call can be put through elsewhere.
        clock: measures how long tools take; None does not.
        metrics: where that is counted.
    """

    def __init__(
        self,
        profile: AgentProfile,
        tools: Mapping[str, Tool],
        conversation: Conversation,
        tell: Callable[[AgentEvent], None],
        *,
        can_transfer: bool = False,
        clock: Clock | None = None,
        metrics: Metrics | NullMetrics | None = None,
    ) -> None:
        self._conversation = conversation
        self._tell = tell
        self._filler = profile.tool_filler
        self._transfers = profile.transfers if can_transfer else {}
        self._own = {END_CALL.name: END_CALL}
        if profile.keypad or (profile.answering.detect and profile.answering.menu_goal):
            self._own[PRESS_KEYS.name] = PRESS_KEYS
        if self._transfers:
            self._own[TRANSFER] = transfer_spec(self._transfers)
        client = {one.name: self._client_tool(one) for one in profile.client_tools}
        self._toolbox = Toolbox(
            {**tools, **client}, timeout_s=profile.tool_timeout_secs, clock=clock, metrics=metrics or NullMetrics()
        )
        self._client_results: dict[str, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[str] = set()
        self._spawn: Spawn | None = None

    def open(self, spawn: Spawn) -> None:
        """Gives the way to start work that the call owns."""
        self._spawn = spawn

    async def close(self, grace_s: float) -> None:
        """Lets running tools finish, at most `grace_s`."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that the model may call."""
        own = self._own
        return (*(spec for spec in self._toolbox.specs() if spec.name not in own), *own.values())

    def end_answer(self, calls: Sequence[ToolCall]) -> bool:
        """Whether the model has nothing to add to what these give."""
        tools = self._toolbox.tools
        return all(
            call.name == END_CALL.name or (call.name in tools and tools[call.name].ends_answer) for call in calls
        )

    def filler(self, calls: Sequence[ToolCall]) -> str:
        """What to say to the caller while these take long; empty for nothing."""
        tools = [self._toolbox.tools.get(call.name) for call in calls if call.name not in self._own]
        fillers = [self._filler if tool.filler is None else tool.filler for tool in tools if tool is not None]
        return next(filter(None, fillers), "")

    async def run(self, answer: Answer, calls: Sequence[ToolCall], actions: CallActions) -> None:
        """Runs them side by side. Cancelling this leaves them running, except for those that may be cancelled."""
        distinct = _distinct(calls)
        started = [self._start(answer, call, actions) for call in distinct]
        try:
            await asyncio.shield(asyncio.gather(*started))
        except asyncio.CancelledError:
            for call, task in zip(distinct, started, strict=True):
                tool = self._toolbox.tools.get(call.name)
                if tool is not None and tool.is_cancellable and call.name not in self._own and not task.done():
                    self._cancelled.add(call.id)
                    task.cancel()
            raise

    async def run_again(self, answer: Answer, calls: Sequence[ToolCall], actions: CallActions) -> None:
        """Brings tools to an end that another process had started: those that may be cancelled run again, under the same id.

        Of any other it is not known whether it was done, and the model is told so.
        """
        again: list[ToolCall] = []
        for call in calls:
            tool = None if call.name in self._own else self._toolbox.tools.get(call.name)
            if tool is not None and tool.is_cancellable:
                again.append(call)
            else:
                self._conversation.add_tool_result(answer, call.id, error_result(UNKNOWN_OUTCOME))
        await asyncio.gather(*(self._run(answer, call, actions) for call in again))

    def client_result(self, call_id: str, result: Any) -> None:
        """The client's answer to a tool that it runs."""
        waiting = self._client_results.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _start(self, answer: Answer, call: ToolCall, actions: CallActions) -> asyncio.Task[None]:
        if self._spawn is None or len(self._tasks) >= MAX_TOOL_TASKS:
            raise UsageError(
                f"more than {MAX_TOOL_TASKS} tools run at once in one call",
                code="too_many_tools",
                hint="let slow tools finish sooner, or start fewer of them",
            )
        self._conversation.add_tool_call(answer, call)
        task = self._spawn(self._run(answer, call, actions), f"tool {call.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, answer: Answer, call: ToolCall, actions: CallActions) -> None:
        self._tell(ToolProgress(call.id, call.name, "started"))
        is_cancelled = False
        try:
            result = await self._result(call, actions)
        except asyncio.CancelledError:
            if call.id not in self._cancelled:
                raise
            self._cancelled.discard(call.id)
            is_cancelled, result = True, error_result("cancelled, because the caller interrupted")
        self._conversation.add_tool_result(answer, call.id, result)
        self._tell(ToolProgress(call.id, call.name, "stopped", result=result, is_cancelled=is_cancelled))

    async def _result(self, call: ToolCall, actions: CallActions) -> str:
        if call.name == END_CALL.name:
            return DONE
        arguments = _arguments(call)
        self._tell(ToolProgress(call.id, call.name, "in-progress", arguments=arguments))
        if call.name in self._own:
            if call.name == PRESS_KEYS.name:
                return await run_press(arguments, actions)
            return await run_transfer(arguments, self._transfers, actions)
        if call.name == TRANSFER and TRANSFER not in self._toolbox.tools:
            return error_result("this call cannot be put through; say so, and offer something else")
        return await self._toolbox.run(call)

    def _client_tool(self, setting: ClientTool) -> Tool:
        spec = ToolSpec(setting.name, setting.description, setting.parameters)
        return Tool(spec, self._ask_client, is_cancellable=setting.cancellable)

    async def _ask_client(self, call: ToolCall, _arguments: Mapping[str, Any]) -> Any:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._client_results[call.id] = waiting
        try:
            return await waiting
        finally:
            if self._client_results.get(call.id) is waiting:
                del self._client_results[call.id]


def _distinct(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Each call once, under an id of its own: some models repeat a call, some give every call the same id or none."""
    distinct: dict[str, ToolCall] = {}
    for call in calls:
        if distinct.get(call.id) == call and call.id:
            continue
        name, number = call.id or "call", 1
        while name in distinct:
            number += 1
            name = f"{call.id or 'call'}_{number}"
        distinct[name] = call if name == call.id else ToolCall(name, call.name, call.arguments)
    return list(distinct.values())


def _arguments(call: ToolCall) -> dict[str, Any]:
    with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    return {}
