"""Tools of MCP servers (Model Context Protocol), through the official SDK: one session for each server, kept open for all calls.

The session lives in a task of its own, because the SDK ties it to the task that opened it. Where it breaks, that task opens another; a
tool that was running has then failed, unless the server says that it may be run twice.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, cast

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from mcp_types import Tool as McpTool
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, REQUEST_TIMEOUT

from vox.agent.tools.contract import Tool
from vox.agent.tools.settings import McpServer, all_with_environment
from vox.errors import DependencyError, UsageError
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

log = get_logger(__name__)

MAX_TOOLS: Final = 200
MAX_PAGES: Final = 50
MAX_NAME: Final = 64
HEARTBEAT_S: Final = 20.0
"""A silent server is asked so often for its tools, so that one that died is replaced before a call needs it."""
FIRST_RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 30.0
RECONNECT_WAIT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 10.0
"""For the SDK to stop a server's process: it waits, terminates and kills within 6.5 s."""
"""How long a tool waits for a server that is being connected to again."""
MAX_LOG_LINE: Final = 2000
_ANSWERS: Final = frozenset({INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, REQUEST_TIMEOUT})
"""Errors after which the session goes on."""
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]")


class McpConnection:
    """One server's session. `async with` opens it and learns its tools; it is opened again whenever it breaks.

    Args:
        setting: what the operator wrote.
        environment: where `${NAME}` in headers and variables is found.
        folder: where the command starts.
        heartbeat_s: between two signs of life, in seconds.

    Raises:
        UsageError: a variable is not set.
        DependencyError: on entering, the server does not start, connect or answer, or a filter names a tool that it has not.
    """

    def __init__(
        self, setting: McpServer, environment: Mapping[str, str], folder: Path, *, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._setting = setting
        self._folder = folder
        self._heartbeat_s = heartbeat_s
        self._headers = all_with_environment(setting.headers, environment, "mcp.headers")
        self._variables = all_with_environment(setting.env, environment, "mcp.env")
        self._client: Client | None = None
        self._is_ready = asyncio.Event()
        self._is_broken = asyncio.Event()
        self._tools: dict[str, McpTool] = {}
        self._owner: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a session."""
        return self._is_ready.is_set()

    async def __aenter__(self) -> Self:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._keep(opened), name="mcp session")
        try:
            await opened
        except BaseException:
            await _closed(self._owner)
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._owner is not None:
            await _closed(self._owner)

    def tools(self) -> dict[str, Tool]:
        """The server's tools by the names that the model is told.

        Raises:
            UsageError: two have the same.
        """
        tools: dict[str, Tool] = {}
        for name, described in self._tools.items():
            shown = _OTHER.sub("_", f"{self._setting.prefix}{name}")[:MAX_NAME]
            if shown in tools:
                raise UsageError(
                    f"the MCP server {self._setting.label} has two tools that are called {shown}",
                    code="duplicate_tool",
                    hint="leave one out with `tools_filter`",
                )
            spec = ToolSpec(shown, described.description or described.title or name, dict(described.input_schema))
            tools[shown] = Tool(
                spec,
                self._runner(name),
                timeout_s=self._setting.timeout_secs,
                is_cancellable=self._setting.cancellable,
            )
        return tools

    def _runner(self, name: str) -> Any:
        async def run(_call: ToolCall, arguments: Mapping[str, Any]) -> Any:
            return await self._call(name, arguments)

        return run

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        hints = self._tools[name].annotations
        may_repeat = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
        for is_last in (not may_repeat, True):
            client = await self._ready_client()
            try:
                result = await client.call_tool(name, dict(arguments))
            except Exception as error:  # noqa: BLE001  whatever the SDK and its transports raise: the tool failed
                if not self._is_session_over(error, client):
                    raise DependencyError(f"the MCP server refused: {_reason(error)}", code="mcp_failed") from None
                if is_last:
                    raise DependencyError(
                        "the connection to the MCP server was lost; whether the tool has run is not known",
                        code="mcp_failed",
                        retryable=True,
                    ) from None
            else:
                return _result(result)
        raise AssertionError("unreachable")

    async def _ready_client(self) -> Client:
        with suppress(TimeoutError):
            async with asyncio.timeout(RECONNECT_WAIT_S):
                await self._is_ready.wait()
        if self._client is None:
            raise DependencyError("the MCP server is not there at present", code="mcp_failed", retryable=True)
        return self._client

    def _is_session_over(self, error: Exception, client: Client) -> bool:
        """Whether the session cannot go on after this; then another is opened."""
        if isinstance(error, MCPError) and error.error.code in _ANSWERS:
            return False
        if client is self._client:
            self._is_ready.clear()
            self._is_broken.set()
        return True

    # The session's task

    async def _keep(self, opened: asyncio.Future[None]) -> None:
        """Opens sessions one after the other until it is cancelled; the first one's failure is final."""
        failures = 0
        while True:
            try:
                await self._hold(opened)
                failures = 0
            except Exception as error:  # noqa: BLE001  the top of a task: the SDK raises groups of anything
                failure = self._failure(error)
                if not opened.done():
                    opened.set_exception(failure)
                    return
                failures = 1 if self._is_ready.is_set() else failures + 1
                log.warning("MCP session lost", server=self._setting.label, error=str(failure), failures=failures)
            finally:
                self._is_ready.clear()
                self._client = None
            await asyncio.sleep(min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** min(failures, 10)))

    async def _hold(self, opened: asyncio.Future[None]) -> None:
        """One session, until it breaks."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._setting.connect_timeout_secs):
                client = await self._connect(stack)
                tools = await _list(client)
            self._learn(tools, is_first=not opened.done())
            self._client = client
            self._is_broken.clear()
            self._is_ready.set()
            log.info("MCP session open", server=self._setting.label, tools=len(self._tools))
            if not opened.done():
                opened.set_result(None)
            while not self._is_broken.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat_s):
                        await self._is_broken.wait()
                if not self._is_broken.is_set():
                    async with asyncio.timeout(self._setting.connect_timeout_secs):
                        self._learn(await _list(client), is_first=False)

    async def _connect(self, stack: AsyncExitStack) -> Client:
        setting = self._setting
        if setting.command:
            parameters = StdioServerParameters(
                command=setting.command, args=setting.args, env=self._variables, cwd=self._folder
            )
            errors = await stack.enter_async_context(_logged(setting.label))
            transport = stdio_client(parameters, errlog=errors)
        else:
            # A stream stays open without an end; what waits for an answer has a time-out of its own.
            timeout = httpx2.Timeout(setting.connect_timeout_secs, read=None)
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=self._headers, timeout=timeout))
            transport = streamable_http_client(setting.url, http_client=http)
        return await stack.enter_async_context(Client(transport))

    def _learn(self, tools: dict[str, McpTool], *, is_first: bool) -> None:
        selected = self._setting.tools_filter
        if missing := [name for name in selected if name not in tools]:
            message = f"the MCP server {self._setting.label} has no tool named {', '.join(missing)}"
            if is_first:
                raise UsageError(
                    message, code="unknown_tool", hint=f"`tools_filter` may name {', '.join(tools) or 'none'}"
                )
            log.warning("MCP tool gone", server=self._setting.label, tools=missing)
        if is_first:
            self._tools = {name: tool for name, tool in tools.items() if not selected or name in selected}

    def _failure(self, error: Exception) -> DependencyError | UsageError:
        """What the operator is told; the SDK's own words may hold headers and are left out, but for their kind."""
        first = _first(error)
        if isinstance(first, DependencyError | UsageError):
            return first
        label = self._setting.label
        if isinstance(first, FileNotFoundError):
            return DependencyError(
                f"the MCP server {label} cannot be started: there is no such program",
                code="mcp_failed",
                hint="install it, or correct `mcp.command`",
            )
        if isinstance(first, TimeoutError):
            return DependencyError(
                f"the MCP server {label} did not answer within {self._setting.connect_timeout_secs:g} s",
                code="mcp_failed",
                hint="see its own log, or raise `mcp.connect_timeout_secs`",
                retryable=True,
            )
        return DependencyError(
            f"the MCP server {label} cannot be reached: {_reason(first)}",
            code="mcp_failed",
            hint="start it, and check its address, arguments and headers",
            retryable=True,
        )


async def _closed(owner: asyncio.Task[None]) -> None:
    """Ends the session's task: cancelled once, because another cancel would break off the SDK's stopping of its process."""
    owner.cancel()
    await asyncio.wait({owner}, timeout=CLOSE_TIMEOUT_S)
    await cancel_and_wait(owner)


async def _list(client: Client) -> dict[str, McpTool]:
    tools: dict[str, McpTool] = {}
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        tools |= {tool.name: tool for tool in page.tools}
        cursor = page.next_cursor
        if cursor is None or len(tools) > MAX_TOOLS:
            break
    return dict(list(tools.items())[:MAX_TOOLS])


def _result(result: CallToolResult) -> Any:
    """Structured content where there is some, else the texts; other contents by their kind."""
    texts = [getattr(block, "text", "") or f"[{block.type}]" for block in result.content]
    text = "\n".join(texts)
    if result.is_error:
        return {"error": text or "the tool failed"}
    return result.structured_content if result.structured_content is not None else {"text": text}


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _reason(error: BaseException) -> str:
    return error.error.message[:200] if isinstance(error, MCPError) else type(error).__name__


@asynccontextmanager
async def _logged(label: str) -> AsyncGenerator[Any, None]:
    """A file whose lines enter the log: what the server writes to stderr."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )

    async def copy() -> None:
        rest = b""
        while chunk := await reader.read(4096):
            *lines, rest = (rest + chunk)[-MAX_LOG_LINE * 4 :].split(b"\n")
            for line in lines:
                log.info("MCP server", server=label, line=line[:MAX_LOG_LINE].decode("utf-8", "replace"))

    task = asyncio.create_task(copy(), name="mcp stderr")
    try:
        with os.fdopen(writing, "w") as errors:
            yield errors
    finally:
        await cancel_and_wait(task)
        transport.close()
