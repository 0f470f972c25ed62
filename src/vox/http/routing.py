"""Routes as data: a table of method, path, access, body, answer and rate limit, and the tree that finds a row.

Dispatch, documentation, limits, metrics and tests read the same table, so a route cannot exist without its declaration.
Each part gives the table its own access type; this module only needs its text and whether it is public.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, Self, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from vox.errors import UsageError
from vox.http.rate_limits import RateCategory

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY", "WEBSOCKET"]
"""ANY answers every HTTP method; WEBSOCKET takes upgrades."""

MAX_QUERY_FIELDS = 64

Endpoint = Callable[[Any], Awaitable[Any]]
"""Takes the part's call (or a WebSocket) and returns a `Reply`, an ASGI response, a JSON-encodable object, or None."""


class Access(Protocol):
    """Who may call a route, declared beside it."""

    @property
    def text(self) -> str:
        """The requirement in words, for the documentation."""
        ...

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        ...

    @property
    def security(self) -> Sequence[Mapping[str, Sequence[str]]]:
        """OpenAPI security requirements that satisfy it; empty where none are needed."""
        ...


A = TypeVar("A", bound=Access)
Q = TypeVar("Q")


class RouteNotFound(UsageError):  # noqa: N818  an answer to the client, not a failure of the server
    """No route has this path."""

    def __init__(self) -> None:
        super().__init__("Not Found", code="route_not_found")


class MethodNotAllowed(UsageError):  # noqa: N818  same
    """The path exists with other methods, which `allow` lists (RFC 9110 section 15.5.6); `route` is one of them."""

    def __init__(self, methods: Sequence[str], route: "Route[Any]") -> None:
        super().__init__("Method Not Allowed", code="method_not_allowed")
        self.allow = ", ".join(sorted(methods))
        self.route = route


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


class Upload:
    """The body type of routes that read their body as a stream: `call.stream()`."""


@dataclass(frozen=True, slots=True)
class Route(Generic[A]):
    """One row of the table.

    Args:
        method: HTTP method.
        template: the path with `{parameters}`, from the root.
        endpoint: what answers.
        access: who may call it.
        body: the type of the JSON body, Upload, or None.
        query: a msgspec Struct type, a list of OpenAPI parameters, or None.
        status: the status of success.
        returns: the type of the result or its JSON schema; None is an empty 204.
        category: its rate limit, where it has one.
        label: its name in metrics; empty for routes that are not counted.
        also: further statuses of success, for the documentation.
        also_text: a further media type of the result, as text, where a caller may ask for it; for the documentation.
        errors: the statuses of its errors, for the documentation; empty where the part documents errors as a whole.
        operation: its OpenAPI operationId, where that is not `group.endpoint`.
        group: the name of its table.
        is_documented: whether it stands in the OpenAPI document.
        has_common_headers: whether the headers of every response (CORS, security) stand on its answers, too.
        form: the names of an Upload's form: its file, then the required text (empty for none), then optional texts.
        upload_type: the media type of an Upload; `form` describes one that is multipart/form-data.
        is_raw: whether the endpoint gets the body's bytes, because it checks a signature over them first.
    """

    method: Method
    template: str
    endpoint: Endpoint
    access: A
    body: Any = None
    query: Any = None
    status: int = 200
    returns: Any = None
    category: RateCategory | None = None
    label: str = ""
    also: tuple[int, ...] = ()
    also_text: str = ""
    errors: tuple[int, ...] = ()
    operation: str = ""
    group: str = ""
    is_documented: bool = True
    has_common_headers: bool = True
    form: tuple[str, ...] = ("file", "", "name", "mime")
    upload_type: str = "multipart/form-data"
    is_raw: bool = False
    decode_body: Callable[[bytes], Any] | None = None
    decode_loose: Callable[[bytes], Any] | None = None

    @property
    def name(self) -> str:
        """Method and path, as in `GET /api/v1/server`."""
        return f"{self.method} {self.template}"

    @property
    def summary(self) -> str:
        """The first line of the endpoint's docstring."""
        return (self.endpoint.__doc__ or "").strip().partition("\n")[0]

    @property
    def operation_id(self) -> str:
        """Its name in the OpenAPI document."""
        return self.operation or f"{self.group}.{self.endpoint.__name__}"


Register = Callable[[Endpoint], Endpoint]


class RouteTable(Generic[A]):
    """Routes, collected by decorators in the order of the modules.

    Args:
        prefix: stands before every path.
        category_of: the rate limit of a template; None for parts that limit otherwise.
    """

    def __init__(self, prefix: str = "", *, category_of: Callable[[str], RateCategory | None] | None = None) -> None:
        self._prefix = prefix
        self._category_of = category_of
        self._routes: list[Route[A]] = []

    def __iter__(self) -> Iterator[Route[A]]:
        return iter(self._routes)

    def grouped(self, group: str, operations: Mapping[str, str] | None = None) -> Self:
        """A table of the same routes under a group's name, which their OpenAPI operations begin with.

        Args:
            group: the name.
            operations: operation ids by method and path, of routes that were published under another.
        """
        known = operations or {}
        table = copy(self)
        table._routes = [  # noqa: SLF001  a copy of its own class
            replace(route, group=group, operation=route.operation or known.get(route.name, ""))
            for route in self._routes
        ]
        return table

    def without(self, names: Collection[str]) -> Self:
        """A table of the routes whose names, as in `GET /health`, are not among these."""
        table = copy(self)
        table._routes = [route for route in self._routes if route.name not in names]  # noqa: SLF001  a copy of its own class
        return table

    def get(self, path: str, *, access: A, query: Any = None, returns: Any = None, **more: Any) -> Register:
        """Adds a GET; `more` are fields of Route."""
        return self._add("GET", path, access, None, query, 200, returns, more)

    def post(
        self,
        path: str,
        *,
        access: A,
        body: Any = None,
        query: Any = None,
        status: int = 200,
        returns: Any = None,
        **more: Any,
    ) -> Register:
        """Adds a POST; without `returns` its success is 204."""
        return self._add("POST", path, access, body, query, status, returns, more)

    def put(
        self, path: str, *, access: A, body: Any = None, status: int = 200, returns: Any = None, **more: Any
    ) -> Register:
        """Adds a PUT; without `returns` its success is 204."""
        return self._add("PUT", path, access, body, None, status, returns, more)

    def patch(
        self, path: str, *, access: A, body: Any = None, status: int = 200, returns: Any = None, **more: Any
    ) -> Register:
        """Adds a PATCH; without `returns` its success is 204."""
        return self._add("PATCH", path, access, body, None, status, returns, more)

    def delete(
        self,
        path: str,
        *,
        access: A,
        body: Any = None,
        query: Any = None,
        status: int = 200,
        returns: Any = None,
        **more: Any,
    ) -> Register:
        """Adds a DELETE; without `returns` its success is 204. A DELETE's body may be left out."""
        return self._add("DELETE", path, access, body, query, status, returns, more)

    def options(self, path: str, *, access: A, **more: Any) -> Register:
        """Adds an OPTIONS route, for paths that answer browsers' preflights themselves; not part of the OpenAPI document."""
        return self._add("OPTIONS", path, access, None, None, 204, bytes, {"is_documented": False, **more})

    def any(self, path: str, *, access: A, returns: Any = bytes, **more: Any) -> Register:
        """Adds a route that answers every HTTP method alike."""
        return self._add("ANY", path, access, None, None, 200, returns, more)

    def websocket(self, path: str, *, access: A, **more: Any) -> Register:
        """Adds a route for WebSocket upgrades; it is counted by its endpoint and not part of the OpenAPI document."""
        return self._add("WEBSOCKET", path, access, None, None, 101, bytes, {"is_documented": False, **more})

    def _add(
        self,
        method: Method,
        path: str,
        access: A,
        body: Any,
        query: Any,
        status: int,
        returns: Any,
        more: Mapping[str, Any],
    ) -> Register:
        template = self._prefix + path
        is_json = body is not None and body is not Upload and not more.get("is_raw")

        def keep(endpoint: Endpoint) -> Endpoint:
            route: Route[A] = Route(
                method,
                template,
                endpoint,
                access,
                body,
                query,
                204 if returns is None else status,
                returns,
                self._category_of(template) if self._category_of is not None else None,
                f"{method} {template}",
                decode_body=msgspec.json.Decoder(body).decode if is_json else None,
                decode_loose=msgspec.json.Decoder(body, strict=False).decode if is_json else None,
            )
            self._routes.append(replace(route, **more) if more else route)
            return endpoint

        return keep


@dataclass(slots=True)
class _Node(Generic[A]):
    literal: dict[str, "_Node[A]"] = field(default_factory=dict[str, "_Node[A]"])
    parameter: "_Node[A] | None" = None
    routes: dict[str, tuple[Route[A], tuple[str, ...]]] = field(
        default_factory=dict[str, tuple[Route[A], tuple[str, ...]]]
    )


class Router(Generic[A]):
    """Finds the route of a path; a literal segment wins over a parameter.

    Args:
        tables: the routes.
        falls_back: whether a literal segment without the method leaves the path to a parameter that has it.
    """

    def __init__(self, *tables: RouteTable[A], falls_back: bool = True) -> None:
        self._falls_back = falls_back
        self._root = _Node[A]()
        self.routes = [route for table in tables for route in table]
        for route in self.routes:
            self._insert(route)

    def find(self, method: str, path: str) -> tuple[Route[A], dict[str, str]]:
        """The route and the decoded values of its parameters.

        Args:
            method: HTTP method, or WEBSOCKET; HEAD is answered by GET.
            path: the raw path, percent-encoded.

        Raises:
            RouteNotFound: no route has the path.
            MethodNotAllowed: the path has other methods.
        """
        method, parts = "GET" if method == "HEAD" else method, path.split("/")
        if "%" not in path and (plain := self._find_plain(method, parts)) is not None:
            return plain
        missed: list[_Node[A]] = []
        found = self._walk(self._root, parts, 1, [], method, missed)
        if found is None:
            near = [route for node in missed for name, (route, _) in node.routes.items() if name != "WEBSOCKET"]
            if not near or method == "WEBSOCKET":
                raise RouteNotFound
            methods = {str(route.method) for route in near}
            raise MethodNotAllowed([*methods, *(["HEAD"] if "GET" in methods else [])], near[0])
        (route, names), values = found
        return route, dict(zip(names, values, strict=True)) if names else {}

    def _find_plain(self, method: str, parts: list[str]) -> tuple[Route[A], dict[str, str]] | None:
        """The route where no segment could be a literal or a parameter, which is most: one loop instead of a search."""
        node, values = self._root, list[str]()
        for part in parts[1:]:
            below, parameter = node.literal.get(part), node.parameter
            if below is not None:
                if parameter is not None:
                    return None
                node = below
            elif parameter is None or not part:
                return None
            else:
                node = parameter
                values.append(part)
        entry = node.routes.get(method)
        if entry is None:
            return None
        route, names = entry
        return route, dict(zip(names, values, strict=True)) if names else {}

    def has_path(self, path: str) -> bool:
        """Whether any HTTP route has the path."""
        try:
            self.find("GET", path)
        except RouteNotFound:
            return False
        except MethodNotAllowed:
            return True
        return True

    def _walk(
        self, node: _Node[A], parts: list[str], at: int, values: list[str], method: str, missed: list[_Node[A]]
    ) -> tuple[tuple[Route[A], tuple[str, ...]], list[str]] | None:
        if at == len(parts):
            routes = node.routes
            entry = routes.get(method) or (routes.get("ANY") if method != "WEBSOCKET" else None)
            if entry is not None:
                return entry, values
            if routes:
                missed.append(node)
            return None
        part = parts[at]
        # An escape means the same as its character (RFC 3986 section 6.2.2.2).
        value = unquote(part) if "%" in part else part
        if "\0" in value:  # no name has it, and PostgreSQL takes no text with it
            return None
        below = node.literal.get(value)
        if below is not None:
            found = self._walk(below, parts, at + 1, values, method, missed)
            if found is not None or (missed and not self._falls_back):
                return found
        if node.parameter is None or not part:
            return None
        return self._walk(node.parameter, parts, at + 1, [*values, value], method, missed)

    def _insert(self, route: Route[A]) -> None:
        node, names = self._root, list[str]()
        for part in route.template.split("/")[1:]:
            if part.startswith("{"):
                names.append(part[1:-1])
                node.parameter = node.parameter or _Node[A]()
                node = node.parameter
            else:
                node = node.literal.setdefault(part, _Node[A]())
        if route.method in node.routes:
            raise ValueError(f"{route.name} is declared twice")
        node.routes[route.method] = (route, tuple(names))


def decode_query(raw: bytes, kind: type[Q]) -> Q:
    """A query string as a Struct; unknown names are ignored, numbers and booleans are read from their text.

    Raises:
        UsageError: query_invalid, naming the parameter; also for NUL, which no database's text has.
    """
    try:
        text = raw.decode("ascii")
        values = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        raise UsageError("The query string is malformed.", code="query_invalid") from None
    if "%00" in text:
        known: tuple[str, ...] = getattr(kind, "__struct_encode_fields__", ())
        if with_nul := [name for name in known if "\0" in values.get(name, "")]:
            raise UsageError(f"query: {with_nul[0]} has a NUL character", code="query_invalid")
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"query: {error}", code="query_invalid") from None
