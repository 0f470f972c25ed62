"""The smallest part there can be: an access, a policy and an observer for tables of routes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.dispatch import Answer, RawHeaders
from vox.http.routing import MethodNotAllowed, Route

STATUS = {
    "route_not_found": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "body_timeout": 408,
    "body_incomplete": 400,
    "query_invalid": 422,
}


@dataclass(frozen=True, slots=True)
class Access:
    text: str
    security: Sequence[Mapping[str, Sequence[str]]] = ()

    @property
    def is_public(self) -> bool:
        return not self.security


ANYONE = Access("anyone")
LOGIN = Access("a login", ({"token": ()},))


class Call(HttpCall):
    __slots__ = ("body", "query")

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        super().__init__(scope, receive, path)
        self.query: Any = None
        self.body: Any = None


@dataclass
class Policy:
    """Implements `vox.http.dispatch.Policy`; `steps` is what it was asked, in order."""

    max_bytes: int = 100
    refuses: VoxError | None = None
    refuses_miss: VoxError | None = None
    steps: list[str] = field(default_factory=list[str])

    async def admit(
        self, route: Route[Access], scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> Call:
        self.steps.append("admit")
        headers.append((b"x-admitted", b"1"))
        if self.refuses is not None:
            raise self.refuses
        return Call(scope, receive, values)

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        self.steps.append("miss")
        headers.append((b"x-missed", b"1"))
        if self.refuses_miss is not None:
            raise self.refuses_miss

    async def recheck(self, call: Call) -> None:
        self.steps.append("recheck")

    def max_body_bytes(self, route: Route[Access]) -> int:
        return self.max_bytes

    def bind(self, call: Call, *, query: Any = None, body: Any = None) -> None:
        call.query = query if query is not None else call.query
        call.body = body if body is not None else call.body

    def decode(self, route: Route[Access], call: Call, raw: bytes) -> Any:
        self.steps.append("decode")
        return raw if route.decode_body is None else route.decode_body(raw)

    def encode(self, call: Call, route: Route[Access], result: object) -> Answer:
        if result is None:
            return 204, b"", []
        return route.status, json.dumps(result).encode(), [(b"content-type", b"application/json")]

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        allow = [(b"allow", error.allow.encode())] if isinstance(error, MethodNotAllowed) else []
        return STATUS.get(error.code, 400), error.code.encode(), [(b"x-policy", b"refused"), *allow]

    def failed(self, error: Exception, scope: Scope) -> Answer:
        return 500, b"failed", [(b"x-policy", b"failed")]

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        self.steps.append(f"refuse socket {error.code}")
        await websocket.close(1008)


@dataclass
class Seen:
    """Implements `vox.http.dispatch.RequestObserver`."""

    events: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    def started(self, route: Route[Access] | None) -> None:
        self.events.append(("started", route.name if route else None))

    def finished(self, route: Route[Access] | None, scope: Scope, status: int, duration_s: float) -> None:
        self.events.append(("finished", (route.name if route else None, status, duration_s)))
