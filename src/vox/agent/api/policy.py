"""What the agent server decides about its requests: nothing is limited, errors have the envelope, upgrades are refused in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.agent.api.request_metrics import FALLBACK, count_upgrade
from vox.agent.api.responses import error
from vox.agent.config.settings import AgentSettings
from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.cors import is_origin_allowed
from vox.http.dispatch import Answer, RawHeaders
from vox.http.routing import MethodNotAllowed, Reply, Route
from vox.http.websocket import refuse
from vox.runtime.metrics import Metrics
from vox.security.credentials import api_key
from vox.security.digests import is_equal

BAD_BODIES: Final = frozenset({"body_too_large", "body_timeout", "body_incomplete"})


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. Each endpoint that needs a key or a signature checks it itself, because upgrades and webhooks differ."""

    text: str
    security: Sequence[Mapping[str, Sequence[str]]] = ()

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        return not self.security


PUBLIC: Final = Access("anyone")
KEY: Final = Access("server_api_key, where one is configured", ({}, {"key": ()}))
SIGNATURE: Final = Access("the carrier's signature, where its secret is configured", ({}, {"signature": ()}))

AgentRoute = Route[Access]


class AgentPolicy:
    """Implements `vox.http.dispatch.Policy` for the agent server.

    Args:
        metrics: where refused upgrades are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def admit(
        self, route: AgentRoute, scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> HttpCall:
        """Lets every request through to its endpoint."""
        del route, headers
        return HttpCall(scope, receive, values)

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Does nothing, because the agent limits no unknown routes."""

    async def recheck(self, call: HttpCall) -> None:
        """Does nothing, because no decision can change meanwhile."""

    def max_body_bytes(self, route: AgentRoute) -> int:
        """No route declares a body: webhooks read theirs as they came, because signatures cover them."""
        del route
        return 0

    def bind(self, call: HttpCall, *, query: Any = None, body: Any = None) -> None:
        """No route declares a query or a body."""

    def decode(self, route: AgentRoute, call: HttpCall, raw: bytes) -> Any:
        """No route declares a body."""
        del route, call
        return raw

    def encode(self, call: HttpCall, route: AgentRoute, result: object) -> Answer:
        """Endpoints answer by Reply only."""
        del call
        raise TypeError(f"{route.name} answered {type(result).__name__}")

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """An error in the envelope."""
        return _answer(_refusal(scope, error))

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """The answer to an error of the server itself."""
        del error
        return _answer(internal_error(scope))

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """Refuses an upgrade on a path that has no socket."""
        count_upgrade(self._metrics, FALLBACK, 404)
        await refuse_upgrade(websocket, _refusal(websocket.scope, error))


async def refuse_upgrade(websocket: WebSocket, reply: Reply) -> None:
    """Answers an upgrade with an HTTP response instead (RFC 6455 section 4.2.2)."""
    await refuse(websocket, reply.status, reply.body, {**reply.headers, "content-length": str(len(reply.body))})


def has_key(call: HttpCall | WebSocket, settings: AgentSettings) -> bool:
    """Whether a request carries the server's key, in a header or (because browsers cannot set those) in its query."""
    key = settings.server_api_key.get_secret_value()
    if not key:
        return True
    query = call.query_params
    given = api_key(call.headers, names=("x-api-key", "authorization")) or query.get("api_key") or query.get("token")
    return is_equal(key, given or "")


def is_page_allowed(call: HttpCall | WebSocket, settings: AgentSettings) -> bool:
    """Whether the page that a request comes from may call; programs, which name none, always may."""
    names = None if settings.server_api_key.get_secret_value() else settings.own_names
    origin, host = call.headers.get("origin", ""), call.headers.get("host", "")
    return is_origin_allowed(origin, host, settings.cors_allowed_origins or (), own_names=names)


def internal_error(scope: Scope) -> Reply:
    """The answer to a client after an error of the server itself."""
    return error(scope, 500, "INTERNAL_ERROR", "Internal server error")


def _refusal(scope: Scope, failure: VoxError) -> Reply:
    if isinstance(failure, MethodNotAllowed):
        return error(scope, 405, "BAD_REQUEST", "Method not allowed", headers={"allow": failure.allow})
    if failure.code == "route_not_found":
        return error(scope, 404, "NOT_FOUND", "Not found")
    if failure.code in BAD_BODIES or failure.code == "query_invalid":
        return error(scope, 400, "BAD_REQUEST", str(failure))
    if failure.retryable:
        headers = {"retry-after": str(max(1, round(failure.retry_after_s or 1)))}
        return error(scope, 503, "SERVICE_UNAVAILABLE", "Service unavailable", headers=headers)
    return internal_error(scope)


def _answer(reply: Reply) -> Answer:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    return reply.status, reply.body, raw
