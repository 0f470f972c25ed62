"""A tool that a model may call, and what runs the tools of one call.

Whatever a tool says, fails with or times out with becomes a result in the conversation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from vox.agent.metrics import TOOL_SECONDS
from vox.errors import VoxError
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics, NullMetrics

log = get_logger(__name__)

RunTool = Callable[[ToolCall, Mapping[str, Any]], Awaitable[Any]]
MAX_RESULT_CHARACTERS: Final = 20_000
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class CallContext:
    """The call that a tool runs in. `variables` are the session's: what its start, its carrier and its query gave."""

    call_id: str
    caller: str = ""
    callee: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


_CALL: ContextVar[CallContext | None] = ContextVar("vox_call", default=None)


def current_call() -> CallContext | None:
    """The call whose tool is running; None outside one."""
    return _CALL.get()


def enter_call(context: CallContext) -> None:
    """Makes a call the current one for everything that is started from here on."""
    _CALL.set(context)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool and how to run it; `run` gets the call and its checked arguments.

    Attributes:
        spec: what the model is told.
        run: does it.
        timeout_s: longest run in seconds; None: the agent's.
        filler: said to the caller while it takes long; None: the agent's.
        is_cancellable: whether a caller who cuts in stops it; any other runs to its end.
        ends_answer: whether the model has nothing to add to its result.
    """

    spec: ToolSpec
    run: RunTool
    timeout_s: float | None = None
    filler: str | None = None
    is_cancellable: bool = False
    ends_answer: bool = False


@dataclass(slots=True)
class Toolbox:
    """The tools of one call, how long one may take, and where that is measured."""

    tools: Mapping[str, Tool] = field(default_factory=dict[str, Tool])
    timeout_s: float = 30.0
    clock: Clock | None = None
    metrics: Metrics | NullMetrics = field(default_factory=NullMetrics)

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that the model may call."""
        return tuple(tool.spec for tool in self.tools.values())

    async def run(self, call: ToolCall) -> str:
        """The result as JSON text; an error is a result too. Raises only cancellation."""
        began = self.clock.now() if self.clock is not None else 0.0
        outcome = "cancelled"
        try:
            outcome, result = await self._run(call)
        finally:
            if self.clock is not None:
                name = call.name if call.name in self.tools else UNKNOWN
                self.metrics.histogram(TOOL_SECONDS, name, outcome).observe(self.clock.now() - began)
        return result

    async def _run(self, call: ToolCall) -> tuple[str, str]:
        """The outcome as metrics name it, and the result."""
        tool = self.tools.get(call.name)
        if tool is None:
            return "error", error_result(f"there is no tool named {call.name}")
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return "error", error_result(f"the arguments of {call.name} are not a JSON object: {error}")
        timeout_s = self.timeout_s if tool.timeout_s is None else tool.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                result = await tool.run(call, arguments)
            return "error" if is_error(result) else "ok", _encoded(result)
        except TimeoutError:
            return "timeout", error_result(f"{call.name} did not answer within {timeout_s:g} s")
        except ValidationError as error:
            return "error", error_result(f"{call.name}: {_problems(error)}")
        except VoxError as error:
            outcome = "timeout" if error.code == "fetch_timeout" else "error"
            return outcome, error_result(f"{call.name}: {error}")
        except Exception as error:  # the operator's own code; the call goes on and the model is told
            log.exception("tool failed", tool=call.name)
            return "error", error_result(f"{call.name} failed: {type(error).__name__}")


def error_result(message: str) -> str:
    """What the model is told of a tool that failed."""
    return msgspec.json.encode({"error": message[:MAX_RESULT_CHARACTERS]}).decode()


def is_error(result: object) -> bool:
    """Whether a tool's own result says that it failed."""
    return isinstance(result, dict) and "error" in result


def _encoded(result: Any) -> str:
    text = msgspec.json.encode(result).decode()
    if len(text) <= MAX_RESULT_CHARACTERS:
        return text
    return msgspec.json.encode({"truncated": text[:MAX_RESULT_CHARACTERS]}).decode()


def _problems(error: ValidationError) -> str:
    """Which argument is wrong and why, without what was given: it is in the conversation already."""
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)
