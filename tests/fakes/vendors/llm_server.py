"""A model vendor on a real port: it streams what a wire (`llm_wires`) has written, or fails the way it is told to.

It keeps every request, and says when a client hung up in the middle of an answer.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.time_limits import time_limit
from vox.http.server import Server


@dataclass
class Refusal:
    """One answer with a status that is none of success."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    query: str
    headers: Mapping[str, str]
    json: dict[str, Any]
    body: bytes
    client: tuple[str, int] | None


class LlmServer:
    """What the server does next, and what it has seen.

    Attributes:
        pieces: of the next answer's body, each written by itself.
        later: the pieces of the answers after that, one list each; the last `pieces` are repeated without it.
        ending: behind the pieces: `end`, `hang` (silence for ever), `cut` (the connection is dropped).
        pulse: written again and again while it hangs: a sign of life without content.
    """

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[Seen] = []
        self.refusals: list[Refusal] = []
        self.pieces: list[bytes] = []
        self.later: list[list[bytes]] = []
        self.content_type = "text/event-stream"
        self.ending = "end"
        self.pulse = b""
        self.hung_up = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        if request.url.path == "/token":
            return JSONResponse({"access_token": "ya29.token", "expires_in": 3600, "token_type": "Bearer"})
        raw_path = request.scope.get("raw_path", b"").decode().partition("?")[0]
        client = (request.client.host, request.client.port) if request.client else None
        self.seen.append(Seen(raw_path, request.url.query, request.headers, json.loads(body or b"{}"), body, client))
        if self.refusals:
            refusal = self.refusals.pop(0)
            headers = {"content-type": "application/json", **refusal.headers}
            return Response(refusal.body, refusal.status, headers)
        pieces = self.pieces
        if self.later:
            self.pieces = self.later.pop(0)
        return StreamingResponse(self._stream(pieces), media_type=self.content_type)

    async def _stream(self, pieces: list[bytes]) -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece
        if self.ending == "cut":
            await asyncio.sleep(0)
            raise ConnectionAbortedError("the test wants the connection cut here")
        if self.ending == "hang":
            try:
                async with time_limit():
                    while True:
                        await asyncio.sleep(0.02 if self.pulse else 60)
                        yield self.pulse
            except (asyncio.CancelledError, GeneratorExit):
                self.hung_up.set()
                raise


@asynccontextmanager
async def llm_server() -> AsyncGenerator[LlmServer, None]:
    """The server, running."""
    fake = LlmServer()
    async with Server(fake.app(), "127.0.0.1", 0, close_timeout_s=0.1) as server:
        fake.port = server.port
        yield fake
