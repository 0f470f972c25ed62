"""Tools of other systems in a real agent: an MCP server that the agent starts, an HTTP service, and the filler while that takes long."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.ws_client import WsClient, connected
from tests.require import require
from tests.time_limits import WAIT_S, time_limit

MCP_SERVER = Path(__file__).parents[1] / "fakes/mcp_server.py"
CALLS = [
    {"keyword": "book", "tool": "library_find_book", "arguments": {"title": "Emma", "copies": 3}},
    {"keyword": "order", "tool": "find_order", "arguments": {"number": "4711"}},
    {"keyword": "inside", "tool": "find_inside", "arguments": {}},
]


@asynccontextmanager
async def orders(release: asyncio.Event) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """A service that answers once it is released."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        await release.wait()
        body = b'{"state": "on its way"}'
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], seen


async def test_an_agent_uses_tools_of_other_systems_and_says_so_while_they_take_long(tmp_path: Path):
    require(importlib.util.find_spec("mcp") is not None, "mcp", "pip install '.[mcp]'")
    release = asyncio.Event()
    async with time_limit(WAIT_S * 2), orders(release) as (port, seen):
        config = {
            **FAKES,
            "llm_options": {"calls": CALLS},
            "mcp": {
                "command": sys.executable,
                "args": [str(MCP_SERVER)],
                "env": {"SHELF": "${SHELF}"},
                "prefix": "library_",
            },
            "http_tools": [
                {
                    "name": "find_order",
                    "url": f"http://127.0.0.1:{port}/orders/{{number}}",
                    "method": "GET",
                    "headers": {"authorization": "Bearer ${ORDERS_KEY}"},
                    "parameters": {"type": "object", "properties": {"number": {"type": "string"}}},
                },
                {"name": "find_inside", "url": "https://tools.invalid/", "parameters": {"type": "object"}},
            ],
            "tool_private_networks": ["127.0.0.1/32"],
            "tool_filler": "one moment please.",
            "tool_filler_secs": 0.2,
        }
        async with agent_server(tmp_path, config, SHELF="B7", ORDERS_KEY="k1") as agent:
            async with connected(f"{agent.ws}?rtvi=1") as client:
                say(client, "client-ready", {"version": "1.0.0", "about": {"library": "test"}})
                say(client, "send-text", {"content": "find the book"})
                assert "Emma: 3 of" in str(await result(client, "library_find_book"))
                assert "shelf B7" in str(await result(client, "library_find_book"))
                say(client, "send-text", {"content": "where is my order"})
                while not any("one moment please." in frame["text"] for frame in client.frames("bot-transcription")):
                    await client.change()
                release.set()
                assert await result(client, "find_order") == {"state": "on its way"}
                assert seen[0].startswith(b"GET /orders/4711 HTTP/1.1\r\n")
                assert b"authorization: Bearer k1\r\n" in seen[0]
                say(client, "send-text", {"content": "look inside"})
                assert "error" in await result(client, "find_inside")
            metrics = await fetched(agent.port, "/metrics")
            for name, outcome in (("library_find_book", "ok"), ("find_order", "ok"), ("find_inside", "error")):
                assert f'vox_agent_tool_duration_seconds_count{{outcome="{outcome}",tool="{name}"}} 1' in metrics


def say(client: WsClient, kind: str, data: dict[str, Any]) -> None:
    client.send(json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data}))


async def result(client: WsClient, tool: str) -> Any:
    """What the tool gave, once it is over."""
    while True:
        for frame in client.frames("llm-function-call-stopped"):
            if frame["function_name"] == tool:
                given = frame["result"]
                return json.loads(given) if isinstance(given, str) else given
        await client.change()


async def fetched(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    return text
