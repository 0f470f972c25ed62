"""A server that speaks Daily's REST API as far as rooms and their tokens go, and keeps what it was asked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vox.http.server import Server

KEY = "daily-key"


class DailyServer:
    """What it has seen, and what it answers instead of a room where `status` or `body` are set."""

    def __init__(self) -> None:
        self.port = 0
        self.rooms: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []
        self.status = 0
        self.body: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def room(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        asked = await request.json()
        self.rooms.append(asked)
        return JSONResponse({"id": "1", "name": asked["name"], "url": f"https://example.daily.co/{asked['name']}"})

    async def token(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        asked = await request.json()
        self.tokens.append(asked["properties"])
        return JSONResponse({"token": f"token-of-{asked['properties']['room_name']}"})

    def _refusal(self, request: Request) -> Response | None:
        if self.body is not None:
            return Response(self.body)
        if self.status:
            return JSONResponse({"error": "failed"}, self.status)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "authentication-error"}, 401)
        return None


@asynccontextmanager
async def daily_server() -> AsyncGenerator[DailyServer]:
    """One on a free port of the loopback interface."""
    daily = DailyServer()
    routes = [
        Route("/v1/rooms", daily.room, methods=["POST"]),
        Route("/v1/meeting-tokens", daily.token, methods=["POST"]),
    ]
    async with Server(Starlette(routes=routes), "127.0.0.1", 0) as server:
        daily.port = server.port
        yield daily
