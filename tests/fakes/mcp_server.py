"""A small MCP server on the official SDK: over stdin and stdout, or over streamable HTTP on a port.

Run as `python tests/fakes/mcp_server.py [PORT]`. Over HTTP it asks for the header `authorization: Bearer secret`, and prints the port
it listens on; `die` ends the process in the middle of a call.
"""

import asyncio
import os
import socket
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("library")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_book(title: str, copies: int = 1) -> str:
    """Finds a book by its title."""
    return f"{title}: {copies} of {os.getpid()} on shelf {os.environ.get('SHELF', 'none')}"


@server.tool()
def fail(reason: str) -> str:
    """Fails with a reason."""
    raise ValueError(reason)


@server.tool()
async def wait() -> str:
    """Never answers."""
    await asyncio.Event().wait()
    return ""


@server.tool()
def die() -> str:
    """Ends the server."""
    os._exit(3)


class Locked:
    """Lets requests with the secret pass."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != b"Bearer secret":
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)


def serve_http(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port))
    app = Locked(server.streamable_http_app())
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve_http(int(sys.argv[1]))
    else:
        server.run()
