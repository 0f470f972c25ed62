"""Tools that a model may call: functions of the operator, tools of the client, and what the call itself can do.

A tool runs to its end even if the caller cuts the answer off, and whatever it says, fails with or times out with becomes
a result in the conversation.
"""

import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from vox.errors import UsageError, VoxError
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.runtime.logging import get_logger

log = get_logger(__name__)

RunTool = Callable[[ToolCall, Mapping[str, Any]], Awaitable[Any]]
MAX_RESULT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool and how to run it; `run` gets the call and its checked arguments."""

    spec: ToolSpec
    run: RunTool


@dataclass(slots=True)
class Toolbox:
    """The tools of one call. A tool call that comes again under the same id gets the first one's result."""

    tools: Mapping[str, Tool] = field(default_factory=dict[str, Tool])
    timeout_s: float = 30.0
    _results: dict[str, str] = field(default_factory=dict[str, str])

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told."""
        return tuple(tool.spec for tool in self.tools.values())

    async def run(self, call: ToolCall) -> str:
        """The result as JSON text; an error is a result too. Raises only cancellation."""
        if call.id not in self._results:
            self._results[call.id] = await self._run(call)
        return self._results[call.id]

    async def _run(self, call: ToolCall) -> str:
        tool = self.tools.get(call.name)
        if tool is None:
            return _error(f"there is no tool named {call.name}")
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            return _error(f"the arguments of {call.name} are not a JSON object: {error}")
        try:
            async with asyncio.timeout(self.timeout_s):
                result = await tool.run(call, arguments)
            return msgspec.json.encode(result).decode()[:MAX_RESULT_CHARACTERS]
        except TimeoutError:
            return _error(f"{call.name} did not answer within {self.timeout_s:g} s")
        except (ValidationError, VoxError) as error:
            return _error(f"{call.name}: {error}")
        except Exception as error:  # the operator's own code; the call goes on and the model is told
            log.exception("tool failed", tool=call.name)
            return _error(f"{call.name} failed: {type(error).__name__}")


def python_tool(path: str) -> Tool:
    """The function at `module:name` as a tool: its signature is the schema, its docstring the description.

    Raises:
        UsageError: the path does not lead to a function.
    """
    module_name, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"the tool {path!r} cannot be loaded: {error}",
            code="unknown_tool",
            hint="write it as package.module:function, and install the package beside vox",
        ) from error
    fields: dict[str, Any] = {
        parameter.name: (
            Any if parameter.annotation is inspect.Parameter.empty else parameter.annotation,
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
    }
    adapter: TypeAdapter[Any] = TypeAdapter(create_model(name, __config__=ConfigDict(extra="forbid"), **fields))

    async def run(_call: ToolCall, arguments: Mapping[str, Any]) -> Any:
        checked = adapter.validate_python(arguments)
        values = {key: getattr(checked, key) for key in fields}
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        return await asyncio.to_thread(function, **values)

    return Tool(ToolSpec(name, inspect.getdoc(function) or name, adapter.json_schema()), run)


def _error(message: str) -> str:
    return msgspec.json.encode({"error": message}).decode()
