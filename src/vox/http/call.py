"""One HTTP request as an endpoint sees it; parts add what is theirs (a login, a decoded body)."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope

from vox.errors import PeerError
from vox.http.edge import read_body, request_id

ROUTE: Final = "vox.route"
"""Where the scope keeps its route once it is found."""


class HttpCall:
    """One request.

    Args:
        scope: the ASGI scope.
        receive: the ASGI receive.
        path: the values of the route's parameters, decoded.
    """

    __slots__ = ("path", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        self.scope = scope
        self.receive = receive
        self.path = path

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.scope["method"]

    @property
    def route(self) -> Any:
        """The route that was found."""
        return self.scope[ROUTE]

    @property
    def headers(self) -> Headers:
        """The request headers; names compare without case."""
        return Headers(scope=self.scope)

    @property
    def query_params(self) -> QueryParams:
        """The query's values as text."""
        return QueryParams(self.scope["query_string"])

    @property
    def request_id(self) -> str:
        """The id of this request, in logs and error bodies."""
        return request_id(self.scope)

    @property
    def client(self) -> str:
        """The client's address, as the server or a trusted proxy names it; `unknown` without one."""
        return client_address(self.scope)

    def header(self, name: bytes) -> str:
        """A request header, name in lower case; empty where there is none."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value.decode("latin-1")
        return ""

    def text(self, name: str) -> str:
        """A parameter of the path."""
        return self.path[name]

    async def read_body(self, max_bytes: int, timeout_s: float = 30.0) -> bytes:
        """The whole request body.

        Raises:
            UsageError: it is longer than max_bytes (body_too_large).
            PeerError: it did not arrive within timeout_s (body_timeout), or the client left (body_incomplete).
        """
        return await read_body(self.scope, self.receive, max_bytes=max_bytes, timeout_s=timeout_s)

    async def stream(self) -> AsyncIterator[bytes]:
        """The request body in pieces, for routes with `body=Upload`; the endpoint counts its bytes.

        Raises:
            PeerError: the client leaves before the end (body_incomplete).
        """
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise PeerError("The request ended early.", code="body_incomplete")
            piece: bytes = message.get("body", b"")
            if piece:
                yield piece
            if not message.get("more_body"):
                return


def client_address(scope: Scope) -> str:
    """The client's address of a scope; the server has put a trusted proxy's word there. `unknown` without one."""
    client = scope.get("client")
    return client[0] if client else "unknown"
