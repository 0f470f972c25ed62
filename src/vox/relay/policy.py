"""What the relay decides about its HTTP requests: what an answer or an error looks like, and how much one address may ask.

Tokens are checked by the endpoints, which alone know the room that a request is about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.dispatch import Answer, RawHeaders, raw_path
from vox.http.routing import MethodNotAllowed, Route
from vox.http.websocket import refuse
from vox.relay.errors import INTERNAL, TWIRP_INTERNAL, twirp_form, wire_form

MAX_BODY_BYTES: Final = 1_048_576
TWIRP_PREFIX: Final = "/twirp/"
_JSON: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route; the endpoint checks the token itself.

    Args:
        text: the requirement in words.
        security: OpenAPI security requirements.
    """

    text: str
    security: Sequence[Mapping[str, Sequence[str]]] = ()

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        return not self.security


PUBLIC: Final = Access("anyone")
TOKEN: Final = Access("an access token", security=({"token": ()},))

RelayRoute = Route[Access]


def token_with(grant: str) -> Access:
    """An access token with this grant."""
    return Access(f"an access token with the grant {grant}", security=({"token": ()},))


class RelayCall(HttpCall):
    """One request, with what was decoded of it."""

    __slots__ = ("body", "query")

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        super().__init__(scope, receive, path)
        self.body: Any = None
        self.query: Any = None


class RelayPolicy:
    """Implements `vox.http.dispatch.Policy` for the relay."""

    async def admit(
        self, route: RelayRoute, scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> RelayCall:
        """Lets every request through to its endpoint."""
        del route, headers
        return RelayCall(scope, receive, values)

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Paths without a route are not limited."""

    async def recheck(self, call: RelayCall) -> None:
        """A token that expires while a body arrives has this one request left."""

    def max_body_bytes(self, route: RelayRoute) -> int:
        """The longest body."""
        del route
        return MAX_BODY_BYTES

    def bind(self, call: RelayCall, *, query: Any = None, body: Any = None) -> None:
        """Gives the call its decoded query or body."""
        if query is not None:
            call.query = query
        if body is not None:
            call.body = body

    def decode(self, route: RelayRoute, call: RelayCall, raw: bytes) -> Any:
        """The body's bytes; endpoints decode them themselves."""
        del route, call
        return raw

    def encode(self, call: RelayCall, route: RelayRoute, result: object) -> Answer:
        """A result as JSON."""
        del call
        if result is None:
            return 204, b"", []
        return route.status, msgspec.json.encode(result), _JSON

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """An error in the wire format of its path."""
        status, body, named = (twirp_form if is_twirp(scope) else wire_form)(error)
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in named.items()]
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", error.allow.encode()))
        if status == 401:  # noqa: PLR2004  RFC 9110, 15.5.2
            headers.append((b"www-authenticate", b"Bearer"))
        return status, body, headers

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """The answer to an error of the server itself."""
        del error
        return 500, TWIRP_INTERNAL if is_twirp(scope) else INTERNAL, _JSON

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """Refuses an upgrade on a path without a socket: an HTTP 404, by which clients know that a path is not spoken."""
        del error
        await refuse(websocket, 404)


def is_twirp(scope: Scope) -> bool:
    """Whether a request is one of Twirp's."""
    return raw_path(scope).startswith(TWIRP_PREFIX)
