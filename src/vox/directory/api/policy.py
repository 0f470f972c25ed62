"""What the directory decides about its requests: changes count against their sender's rate, errors are bare objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.directory.api.responses import NOT_KEPT, bad_id, json_reply, not_found
from vox.directory.errors import wire_form
from vox.directory.metrics import REFUSALS
from vox.directory.schemas import MAX_BODY_BYTES
from vox.directory.server import Directory
from vox.directory.settings import RELAY_ID
from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.cors import ANY_ORIGIN
from vox.http.dispatch import Answer, RawHeaders
from vox.http.routing import MethodNotAllowed, Reply, Route


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route; who may change which relay is decided over the request's body, by the authorizer.

    Args:
        text: the requirement in words.
        security: OpenAPI security requirements.
        is_limited: whether a request counts against its sender's rate.
    """

    text: str
    security: Sequence[Mapping[str, Sequence[str]]] = ()
    is_limited: bool = False

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        return not self.security


PUBLIC: Final = Access("anyone")
_ANY_SENDER: Final[Sequence[Mapping[str, Sequence[str]]]] = ({}, {"key": ()}, {"signature": ()})
REPORT: Final = Access("anyone, at the sender's rate", _ANY_SENDER, is_limited=True)
OWNER: Final = Access(
    "the relay's owner: network, API key or signature, as configured",
    _ANY_SENDER,
    is_limited=True,
)
ADMINISTRATOR: Final = Access("an administrator's API key", ({"key": ()},), is_limited=True)

DirectoryRoute = Route[Access]


class DirectoryCall(HttpCall):
    """One request; `body` are its bytes, because a signature covers them."""

    __slots__ = ("body",)

    def __init__(self, scope: Scope, receive: Any, path: Mapping[str, str]) -> None:
        super().__init__(scope, receive, path)
        self.body = b""

    @property
    def relay_id(self) -> str:
        """The id in the path.

        Raises:
            UsageError: validation_error, where no relay can have it.
        """
        relay_id = self.path["id"]
        if not RELAY_ID.fullmatch(relay_id):
            raise bad_id()
        return relay_id


class DirectoryPolicy:
    """Implements `vox.http.dispatch.Policy` for the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def admit(
        self, route: DirectoryRoute, scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> DirectoryCall:
        """Counts a change against its sender's rate, per relay where there is one.

        Raises:
            UsageError: rate_limited.
        """
        del headers
        call = DirectoryCall(scope, receive, values)
        if route.access.is_limited:
            directory, relay_id = self._directory, values.get("id", "")
            directory.authorizer.limit(call, relay_id if directory.registry.get(relay_id) else "")
        return call

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Paths without a route are not limited."""

    async def recheck(self, call: DirectoryCall) -> None:
        """Endpoints decide after the body, so nothing was decided before it."""

    def max_body_bytes(self, route: DirectoryRoute) -> int:
        """The longest body."""
        del route
        return MAX_BODY_BYTES

    def bind(self, call: DirectoryCall, *, query: Any = None, body: Any = None) -> None:
        """Gives the call the bytes of its body."""
        del query
        call.body = body or b""

    def decode(self, route: DirectoryRoute, call: DirectoryCall, raw: bytes) -> Any:
        """The bytes as they came: a signature over them is checked first."""
        del route, call
        return raw

    def encode(self, call: DirectoryCall, route: DirectoryRoute, result: object) -> Answer:
        """Endpoints answer by Reply only."""
        del call
        raise TypeError(f"{route.name} answered {type(result).__name__}")

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """An error as a bare object; refusals are counted by their code."""
        del scope
        if isinstance(error, MethodNotAllowed):
            return _answer(json_reply({"error": "Method not allowed", "code": "METHOD_NOT_ALLOWED"}, 405))
        if error.code == "route_not_found":
            return _answer(not_found())
        self._directory.metrics.counter(REFUSALS, error.code).inc()
        status, body, headers = wire_form(error)
        return _answer(Reply(status, body, {**headers, **NOT_KEPT, **ANY_ORIGIN}))

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """The answer to an error of the server itself."""
        del error, scope
        body = b'{"error":"Internal server error","code":"INTERNAL_ERROR"}'
        return 500, body, [(b"content-type", b"application/json")]

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """The directory has no sockets."""
        del error
        await websocket.close()


def _answer(reply: Reply) -> Answer:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    return reply.status, reply.body, raw
