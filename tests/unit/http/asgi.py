"""Drives an ASGI application as a server does, one request at a time, and keeps what it sends."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(slots=True)
class Sent:
    """What the application sent, message by message."""

    messages: list[Any] = field(default_factory=list[Any])

    @property
    def status(self) -> int:
        """The status of the one response."""
        [start] = [one for one in self.messages if one["type"] == "http.response.start"]
        return start["status"]

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Its headers as they stand on the wire."""
        return next(one["headers"] for one in self.messages if one["type"] == "http.response.start")

    @property
    def headers(self) -> dict[str, str]:
        """Its headers; none may stand twice."""
        found = {name.decode(): value.decode("latin-1") for name, value in self.raw_headers}
        assert len(found) == len(self.raw_headers), self.raw_headers
        return found

    @property
    def body(self) -> bytes:
        """Its body, put together."""
        return b"".join(one.get("body", b"") for one in self.messages if one["type"] == "http.response.body")


def scope_of(method: str, target: str, headers: Headers = (), *, client: str | None = "192.0.2.1") -> dict[str, Any]:
    """The scope of a request; `target` is path and query as they stand on the wire."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": list(headers),
        "client": (client, 1234) if client is not None else None,
        "server": ("voice.example", 80),
    }


def chunks(*parts: bytes) -> list[dict[str, Any]]:
    """A request body as a server hands it in."""
    return [{"type": "http.request", "body": part, "more_body": n < len(parts) - 1} for n, part in enumerate(parts)]


async def drive(app: ASGIApp, scope: dict[str, Any], messages: Iterable[dict[str, Any]] | None = None) -> Sent:
    """Runs the application over a scope; after the messages nothing more arrives."""
    sent, incoming = Sent(), list(chunks(b"") if messages is None else messages)

    async def receive() -> Any:
        return incoming.pop(0) if incoming else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.messages.append(message)

    await app(scope, receive, send)
    return sent


async def request(
    app: ASGIApp,
    method: str,
    target: str,
    headers: Headers = (),
    messages: Iterable[dict[str, Any]] | None = None,
) -> Sent:
    """One request from beginning to end."""
    return await drive(app, scope_of(method, target, headers), messages)
