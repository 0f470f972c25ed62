"""Functions of the operator as tools: the signature is the schema, the docstring the description.

Plain functions run in threads of their own that end with the process: one that hangs delays no other call, and does not keep a
server from stopping.
"""

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, create_model

from vox.agent.tools.contract import Tool
from vox.errors import UsageError
from vox.providers.llm.contract import ToolCall, ToolSpec

_BESIDE_CONFIGURATION = "vox_tools_beside_configuration"
MAX_THREADS = 64
"""Plain functions that may run at once in this process, those included that were given up."""


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
