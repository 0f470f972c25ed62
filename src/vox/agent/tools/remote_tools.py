"""Tools outside this process, opened once for all agents: the guard for requests, and one session for each MCP server."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from vox.agent.tools.contract import Tool
from vox.agent.tools.http_tool import http_tool
from vox.agent.tools.settings import HttpTool, McpServer
from vox.errors import UsageError
from vox.runtime.logging import get_logger
from vox.security.outbound import OutboundGuard

log = get_logger(__name__)

MAX_REQUESTS: Final = 1000
"""Of all calls together to HTTP services; further ones wait, within their time-out."""


class RemoteTools:
    """Makes tools of settings; `async with` closes what they need.

    Args:
        private_networks: that requests may go to although they are not public.
        environment: where `${NAME}` in settings is found.
        folder: where relative paths begin.
    """

    def __init__(self, private_networks: list[str], environment: Mapping[str, str], folder: Path) -> None:
        networks = [ip_network(network, strict=False) for network in private_networks]
        self._guard = OutboundGuard(allowed_private=networks, allowed_ports=None, max_in_flight=MAX_REQUESTS)
        self._environment = environment
        self._folder = folder
        self._sessions: dict[str, _ToolServer] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def added(
        self, tools: Mapping[str, Tool], http_tools: list[HttpTool], servers: list[McpServer], *, timeout_s: float
    ) -> dict[str, Tool]:
        """These tools and the remote ones of one agent, by name.

        Raises:
            UsageError: one cannot be used, or two have the same name.
            DependencyError: an MCP server does not answer.
        """
        remote = [http_tool(one, self._guard, self._environment, timeout_s=timeout_s) for one in http_tools]
        for server in servers:
            if server.is_placeholder:
                log.warning("mcp names no server", command=server.command, remedy="put the package into mcp.args")
                continue
            remote += (await self._session(server)).tools().values()
        joined = dict(tools)
        for tool in remote:
            if tool.spec.name in joined:
                raise UsageError(
                    f"two tools are called {tool.spec.name}",
                    code="duplicate_tool",
                    hint="rename one; `prefix` puts a word before the names of an MCP server's tools",
                )
            joined[tool.spec.name] = tool
        return joined

    async def _session(self, server: McpServer) -> "_ToolServer":
        key = server.model_dump_json()
        if key not in self._sessions:
            try:
                from vox.agent.tools.mcp_tools import McpConnection  # noqa: PLC0415  needs an extra
            except ModuleNotFoundError as error:
                raise UsageError(
                    f"MCP servers need packages that are not installed: {error.name or error}",
                    code="mcp_not_installed",
                    hint="run `make setup`, or `pip install '.[mcp]'` in a checkout of Vox",
                ) from error
            session = McpConnection(server, self._environment, self._folder)
            self._sessions[key] = await self._stack.enter_async_context(session)
        return self._sessions[key]


class _ToolServer(Protocol):
    def tools(self) -> dict[str, Tool]:
        """By name."""
        ...
