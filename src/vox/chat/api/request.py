"""Routes as data, and the one path that every REST request takes.

rate limit → token → path → access → body and query → endpoint → response. Nothing of it costs a task or a middleware: an
authenticated GET must stay under 100 µs altogether. Routes are data, so that the documentation, the limits and the tests
read the same table that serves.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, cast
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.types import Receive, Scope
from typing_extensions import TypeVar

from vox.chat.api.access import Access
from vox.chat.api.path_ids import path_id, target_id
from vox.chat.api.rate_categories import Category, category_of
from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.identity.logins import Login

B = TypeVar("B", default=None)
Q = TypeVar("Q", default=None)

PREFIX = "/api/v1"
BODY_TIMEOUT_S = 30.0

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(slots=True)
class Reply:
    """A response that is more than a JSON object.

    Args:
        status: HTTP status.
        body: the body; ignored where `stream` is given.
        headers: names in lower case.
        stream: the body in pieces.
        on_end: called when the last byte is out or the client has gone.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: AsyncIterator[bytes] | None = None
    on_end: Callable[[], Awaitable[None]] | None = None


class Call(Generic[B, Q]):
    """One request, as its endpoint sees it.

    Args:
        chat: the parts of the server.
        scope: the ASGI scope.
        receive: the ASGI receive.
        login: whose token came; None on routes without login.
        path: the values of the route's parameters, decoded.
    """

    __slots__ = ("_ids", "body", "chat", "login", "path", "query", "receive", "scope")

    def __init__(
        self, chat: ChatContext, scope: Scope, receive: Receive, login: Login | None, path: Mapping[str, str]
    ) -> None:
        self.chat = chat
        self.scope = scope
        self.receive = receive
        self.login = login
        self.path = path
        self.body = cast("B", None)
        self.query = cast("Q", None)

    @property
    def user_id(self) -> int:
        """Who calls.

        Raises:
            Refusal: nobody is logged in.
        """
        if self.login is None:
            raise refuse("AUTH_FAILED", "This needs a login.")
        return self.login.user_id

    @property
    def session_id(self) -> int:
        """The login session whose token came."""
        if self.login is None:
            raise refuse("AUTH_FAILED", "This needs a login.")
        return self.login.session_id

    @property
    def target_id(self) -> int:
        """The user of the path; `@me` is the caller.

        Raises:
            Refusal: INVALID_USER_ID where it is no number.
        """
        return target_id(self.path, self.user_id)

    def id(self, name: str) -> int:
        """A number of the path.

        Raises:
            Refusal: VALIDATION_ERROR where it is none.
        """
        return path_id(self.path, name)

    def text(self, name: str) -> str:
        """A text of the path."""
        return self.path[name]

    def header(self, name: bytes) -> str:
        """A request header, name in lower case; empty where there is none."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value.decode("latin-1")
        return ""

    @property
    def client(self) -> str:
        """The client's address, as the server or a trusted proxy tells it."""
        return client_of(self.scope)

    async def stream(self) -> AsyncIterator[bytes]:
        """The request body in pieces, for routes with `body=Upload`; the endpoint counts its bytes.

        Raises:
            Refusal: VALIDATION_ERROR where the client leaves before the end.
        """
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise refuse("VALIDATION_ERROR", "The request ended early.")
            piece: bytes = message.get("body", b"")
            if piece:
                yield piece
            if not message.get("more_body"):
                return


class Upload:
    """The body type of routes that read their body as a stream: `call.stream()`."""


Endpoint = Callable[[Call[Any, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table.

    Args:
        method: HTTP method.
        template: the path with `{parameters}`, from the root.
        endpoint: what answers.
        access: who may.
        body: a msgspec Struct type, Upload, or None.
        query: a msgspec Struct type or None.
        status: the status of success.
        returns: the type of the result, for the documentation; None is an empty 204.
        category: its rate limit.
    """

    method: Method
    template: str
    endpoint: Endpoint
    access: Access
    body: Any
    query: Any
    status: int
    returns: Any
    category: Category
    decode_body: Callable[[bytes], Any] | None
    decode_loose: Callable[[bytes], Any] | None

    @property
    def name(self) -> str:
        """Method and path, as in `GET /api/v1/server`."""
        return f"{self.method} {self.template}"


class RouteTable:
    """Routes, collected by decorators in the order of the modules."""

    def __init__(self, prefix: str = PREFIX) -> None:
        self._prefix = prefix
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(
        self, path: str, *, access: Access, query: Any = None, returns: Any = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Adds a GET."""
        return self._add("GET", path, access, None, query, 200, returns)

    def post(
        self, path: str, *, access: Access, body: Any = None, query: Any = None, status: int = 200, returns: Any = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Adds a POST; without `returns` its success is 204."""
        return self._add("POST", path, access, body, query, status, returns)

    def put(
        self, path: str, *, access: Access, body: Any = None, status: int = 200, returns: Any = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Adds a PUT; without `returns` its success is 204."""
        return self._add("PUT", path, access, body, None, status, returns)

    def patch(
        self, path: str, *, access: Access, body: Any = None, status: int = 200, returns: Any = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Adds a PATCH; without `returns` its success is 204."""
        return self._add("PATCH", path, access, body, None, status, returns)

    def delete(
        self, path: str, *, access: Access, body: Any = None, status: int = 200, returns: Any = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Adds a DELETE; without `returns` its success is 204. A DELETE's body may be left out."""
        return self._add("DELETE", path, access, body, None, status, returns)

    def _add(
        self, method: Method, path: str, access: Access, body: Any, query: Any, status: int, returns: Any
    ) -> Callable[[Endpoint], Endpoint]:
        template = self._prefix + path
        is_json = body is not None and body is not Upload

        def keep(endpoint: Endpoint) -> Endpoint:
            self._routes.append(
                Route(
                    method,
                    template,
                    endpoint,
                    access,
                    body,
                    query,
                    204 if returns is None else status,
                    returns,
                    category_of(template),
                    msgspec.json.Decoder(body).decode if is_json else None,
                    msgspec.json.Decoder(body, strict=False).decode if is_json else None,
                )
            )
            return endpoint

        return keep


@dataclass(slots=True)
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    parameter: "_Node | None" = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict[str, tuple[Route, tuple[str, ...]]])


class Router:
    """Finds the route of a path; a literal segment wins over a parameter."""

    def __init__(self, *tables: RouteTable) -> None:
        self._root = _Node()
        self.routes = [route for table in tables for route in table]
        for route in self.routes:
            self._insert(route)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and the decoded values of its parameters.

        Args:
            method: HTTP method; HEAD is answered by GET.
            path: the raw path, percent-encoded.

        Raises:
            Refusal: UNKNOWN, 404 or 405.
        """
        found = self._walk(self._root, path.split("/"), 1, [])
        if found is None or not found[0].routes:
            raise refuse("UNKNOWN", "Not Found")
        node, values = found
        entry = node.routes.get("GET" if method == "HEAD" else method)
        if entry is None:
            taken = [*node.routes, *(["HEAD"] if "GET" in node.routes else [])]
            raise refuse("UNKNOWN", "Method Not Allowed", status=405, allow=", ".join(sorted(taken)))
        route, names = entry
        return route, dict(zip(names, values, strict=True)) if names else {}

    def _walk(self, node: _Node, parts: list[str], at: int, values: list[str]) -> tuple[_Node, list[str]] | None:
        if at == len(parts):
            return node, values
        part = parts[at]
        below = node.literal.get(part)
        if below is not None:
            found = self._walk(below, parts, at + 1, values)
            if found is not None and found[0].routes:
                return found
        if node.parameter is None or not part:
            return None
        return self._walk(node.parameter, parts, at + 1, [*values, unquote(part) if "%" in part else part])

    def _insert(self, route: Route) -> None:
        node, names = self._root, list[str]()
        for part in route.template.split("/")[1:]:
            if part.startswith("{"):
                names.append(part[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(part, _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.name} is declared twice")
        node.routes[route.method] = (route, tuple(names))


def decode_query(raw: bytes, kind: type[Q]) -> Q:
    """A query string as a Struct; unknown names are ignored, numbers and booleans are read from their text.

    Raises:
        Refusal: VALIDATION_ERROR, naming the parameter.
    """
    try:
        text = raw.decode("ascii")
        values = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=64))
    except ValueError:
        raise refuse("VALIDATION_ERROR", "The query string is malformed.") from None
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refuse("VALIDATION_ERROR", f"query: {error}") from None


def client_of(scope: Scope) -> str:
    """The client's address of a scope; the server has put a trusted proxy's word there."""
    client = scope.get("client")
    return client[0] if client else "unknown"
