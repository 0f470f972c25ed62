"""Tools that a model may call: functions of the operator, and what runs them.

Whatever a tool says, fails with or times out with becomes a result in the conversation. Plain functions run in threads of
their own that end with the process: one that hangs delays no other call, and does not keep a server from stopping.
"""

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from vox.errors import UsageError, VoxError
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.runtime.logging import get_logger

log = get_logger(__name__)

RunTool = Callable[[ToolCall, Mapping[str, Any]], Awaitable[Any]]
MAX_RESULT_CHARACTERS = 20_000
_BESIDE_CONFIGURATION = "vox_tools_beside_configuration"
MAX_THREADS = 64
"""Plain functions that may run at once in this process, those included that were given up."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool and how to run it; `run` gets the call and its checked arguments."""

    spec: ToolSpec
    run: RunTool


@dataclass(slots=True)
class Toolbox:
    """The tools of one call, and how long one may take."""

    tools: Mapping[str, Tool] = field(default_factory=dict[str, Tool])
    timeout_s: float = 30.0

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that the model may call."""
        return tuple(tool.spec for tool in self.tools.values())

    async def run(self, call: ToolCall) -> str:
        """The result as JSON text; an error is a result too. Raises only cancellation."""
        tool = self.tools.get(call.name)
        if tool is None:
            return error_result(f"there is no tool named {call.name}")
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return error_result(f"the arguments of {call.name} are not a JSON object: {error}")
        try:
            async with asyncio.timeout(self.timeout_s):
                result = await tool.run(call, arguments)
            return _encoded(result)
        except TimeoutError:
            return error_result(f"{call.name} did not answer within {self.timeout_s:g} s")
        except ValidationError as error:
            return error_result(f"{call.name}: {_problems(error)}")
        except VoxError as error:
            return error_result(f"{call.name}: {error}")
        except Exception as error:  # the operator's own code; the call goes on and the model is told
            log.exception("tool failed", tool=call.name)
            return error_result(f"{call.name} failed: {type(error).__name__}")


def python_tool(path: str, folder: Path | None = None) -> Tool:
    """The function at `module:name` as a tool: its signature is the schema, its docstring the description.

    Args:
        path: the module and the function in it.
        folder: where the configuration lies; a module beside it is found there, before an installed one of that name.

    Raises:
        UsageError: the path does not lead to a function whose parameters can be described.
    """
    module_name, _, name = path.partition(":")
    try:
        function = getattr(_module(module_name, folder), name)
        fields = _fields(function)
        adapter: TypeAdapter[Any] = TypeAdapter(create_model(name, __config__=ConfigDict(extra="forbid"), **fields))
        spec = ToolSpec(name, inspect.getdoc(function) or name, adapter.json_schema())
    except Exception as error:  # the operator's own module, in whatever way it fails to be a tool
        raise UsageError(
            f"the tool {path!r} cannot be used: {error}",
            code="unknown_tool",
            hint="write it as module:function, with annotated parameters; the module lies beside the configuration, or its"
            " package is installed beside vox",
        ) from error

    async def run(_call: ToolCall, arguments: Mapping[str, Any]) -> Any:
        checked = adapter.validate_python(arguments)
        values = {key: getattr(checked, key) for key in fields}
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        result = await _in_thread(lambda: function(**values))
        return await result if inspect.isawaitable(result) else result

    return Tool(spec, run)


def error_result(message: str) -> str:
    """What the model is told of a tool that failed."""
    return msgspec.json.encode({"error": message[:MAX_RESULT_CHARACTERS]}).decode()


def _module(name: str, folder: Path | None) -> ModuleType:
    file = folder / f"{name}.py" if folder is not None and name.isidentifier() else None
    if file is None or not file.is_file():
        return importlib.import_module(name)
    spec = spec_from_file_location(f"{_BESIDE_CONFIGURATION}.{file.parent}.{name}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and annotations look their module up there
    spec.loader.exec_module(module)
    return module


def _fields(function: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(f"its parameter {parameter} cannot be given by name")
        fields[parameter.name] = (
            Any if parameter.annotation is parameter.empty else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
    return fields


def _encoded(result: Any) -> str:
    text = msgspec.json.encode(result).decode()
    if len(text) <= MAX_RESULT_CHARACTERS:
        return text
    return msgspec.json.encode({"truncated": text[:MAX_RESULT_CHARACTERS]}).decode()


def _problems(error: ValidationError) -> str:
    """Which argument is wrong and why, without what was given: it is in the conversation already."""
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)


_free_threads = threading.BoundedSemaphore(MAX_THREADS)


async def _in_thread(work: Callable[[], Any]) -> Any:
    if not _free_threads.acquire(blocking=False):
        raise UsageError(
            f"{MAX_THREADS} plain functions are running already",
            code="too_many_tools",
            hint="write slow tools as async functions",
        )
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001  a thread's top: the call that waits for it is told
            failure = RuntimeError(repr(error)) if isinstance(error, StopIteration) else error
        finally:
            _free_threads.release()
        with suppress(RuntimeError):  # the loop is closed, and no task waits any more
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="vox-tool", daemon=True).start()
    return await done
