"""The tools of one call at work: the operator's, the client's, and what the call itself can do.

A tool runs to its end even if the caller cuts the answer off; its result belongs to the conversation. Only the end of the
call stops it, after a grace.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from vox.agent.call.conversation import Answer, Conversation
from vox.agent.config.profile import AgentProfile, ClientTool
from vox.agent.config.python_tools import Tool, Toolbox, error_result
from vox.errors import UsageError
from vox.protocols.agent_events import AgentEvent, ToolProgress
from vox.providers.llm.contract import ToolCall, ToolSpec

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a coroutine as a task of the call."""
Press = Callable[[str], Awaitable[bool]]
"""Presses keys towards the caller's side; False where the answer that wanted it is over."""

MAX_TOOL_TASKS = 32
MAX_KEYS = 64
KEYS = frozenset("0123456789*#ABCD")
END_CALL = ToolSpec("end_call", "Ends the call politely once everything is said.", {"type": "object", "properties": {}})
PRESS_KEYS = ToolSpec(
    "press_keys",
    "Presses keys on the telephone, for menus that ask for them.",
    {
        "type": "object",
        "properties": {"keys": {"type": "string", "pattern": "^[0-9*#A-D]+$"}},
        "required": ["keys"],
    },
)


class ToolCalls:
    """Runs what one call's model asks for.

    Args:
        profile: the agent's settings.
        tools: the operator's functions by name.
        conversation: takes calls and results.
        tell: takes what the client should know.
    """

    def __init__(
        self,
        profile: AgentProfile,
        tools: Mapping[str, Tool],
        conversation: Conversation,
        tell: Callable[[AgentEvent], None],
    ) -> None:
        self._conversation = conversation
        self._tell = tell
        self._own = (END_CALL, PRESS_KEYS) if profile.keypad else (END_CALL,)
        client = {spec.name: Tool(spec, self._ask_client) for spec in map(_described, profile.client_tools)}
        self._toolbox = Toolbox({**tools, **client}, timeout_s=profile.tool_timeout_secs)
        self._client_results: dict[str, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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
        own = {spec.name for spec in self._own}
        return (*(spec for spec in self._toolbox.specs() if spec.name not in own), *self._own)

    async def run(self, answer: Answer, calls: Sequence[ToolCall], press: Press) -> None:
        """Runs them side by side. Cancelling this leaves them running."""
        started = [self._start(answer, call, press) for call in _distinct(calls)]
        await asyncio.shield(asyncio.gather(*started))

    def client_result(self, call_id: str, result: Any) -> None:
        """The client's answer to a tool that it runs."""
        waiting = self._client_results.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _start(self, answer: Answer, call: ToolCall, press: Press) -> asyncio.Task[None]:
        if self._spawn is None or len(self._tasks) >= MAX_TOOL_TASKS:
            raise UsageError(
                f"more than {MAX_TOOL_TASKS} tools run at once in one call",
                code="too_many_tools",
                hint="let slow tools finish sooner, or start fewer of them",
            )
        self._conversation.add_tool_call(answer, call)
        task = self._spawn(self._run(answer, call, press), f"tool {call.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, answer: Answer, call: ToolCall, press: Press) -> None:
        self._tell(ToolProgress(call.id, call.name, "started"))
        arguments = _arguments(call)
        if call.name == END_CALL.name:
            result = '{"ok": true}'
        else:
            self._tell(ToolProgress(call.id, call.name, "in-progress", arguments=arguments))
            if call.name == PRESS_KEYS.name and PRESS_KEYS in self._own:
                result = await _pressed(str(arguments.get("keys", "")), press)
            else:
                result = await self._toolbox.run(call)
        self._conversation.add_tool_result(answer, call.id, result)
        self._tell(ToolProgress(call.id, call.name, "stopped", result=result))

    async def _ask_client(self, call: ToolCall, _arguments: Mapping[str, Any]) -> Any:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._client_results[call.id] = waiting
        try:
            return await waiting
        finally:
            if self._client_results.get(call.id) is waiting:
                del self._client_results[call.id]


def _described(tool: ClientTool) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, tool.parameters)


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


async def _pressed(keys: str, press: Press) -> str:
    if not keys or len(keys) > MAX_KEYS or not KEYS.issuperset(keys):
        return error_result(f"give 1 to {MAX_KEYS} keys of {''.join(sorted(KEYS))}")
    return '{"ok": true}' if await press(keys) else error_result("the caller interrupted")
