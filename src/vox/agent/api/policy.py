"""What the agent server decides about its requests: CORS and the key where pages call, errors in the envelope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Message, Receive, Scope
from starlette.websockets import WebSocket

from vox.agent.api.pages import Refusal, cors_headers, preflight_headers, refusal_reply
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
    """Who may call a route.

    Each endpoint that needs a key or a signature checks it itself, because upgrades and webhooks differ. Where pages of other
    origins call (`cors_methods`, as in "POST"), `AgentPolicy` checks origin and key, and answers with CORS headers.
    """

    text: str
    security: Sequence[Mapping[str, Sequence[str]]] = ()
    cors_methods: str = ""

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        return not self.security


PUBLIC: Final = Access("anyone")
KEY: Final = Access("server_api_key, where one is configured", ({}, {"key": ()}))
READS: Final = Access(KEY.text, KEY.security, cors_methods="GET")
"""Read by pages of allowed origins, too; the key where one is configured."""
PAGES: Final = Access(KEY.text, KEY.security, cors_methods="POST")
"""Pages of allowed origins, and programs; the key where one is configured. `pages.preflight` answers OPTIONS with the same access."""
OFFERS: Final = Access(KEY.text, KEY.security, cors_methods="POST, PATCH")
"""The same for routes that take the candidates of an offer, too."""
SIGNATURE: Final = Access("the carrier's signature, where its secret is configured", ({}, {"signature": ()}))

AgentRoute = Route[Access]


class AgentPolicy:
    """Implements `vox.http.dispatch.Policy` for the agent server.

    Args:
        metrics: where refused upgrades are counted.
        settings: which pages may call, and with which key.
    """

    def __init__(self, metrics: Metrics, settings: AgentSettings) -> None:
        self._metrics = metrics
        self._settings = settings

    async def admit(
        self, route: AgentRoute, scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> HttpCall:
        """Lets requests through to their endpoints, except where pages of other origins call.

        Raises:
            Refusal: the origin may not call, or the key is missing or wrong.
        """
        call = HttpCall(scope, receive, values)
        if route.access.cors_methods:
            self._admit_page(route.access, call, headers)
        return call

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Limits nothing; lets pages read that a path has other methods."""
        if isinstance(error, MethodNotAllowed) and error.route.access.cors_methods:
            call = HttpCall(scope, _no_body, {})
            is_allowed = is_page_allowed(call, self._settings)
            headers += cors_headers(call.headers.get("origin", ""), is_allowed=is_allowed)

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

    def _admit_page(self, access: Access, call: HttpCall, headers: RawHeaders) -> None:
        origin, is_allowed = call.headers.get("origin", ""), is_page_allowed(call, self._settings)
        headers += cors_headers(origin, is_allowed=is_allowed)
        if call.method == "OPTIONS":
            headers += preflight_headers(access.cors_methods) if origin and is_allowed else []
            return
        if not is_allowed:
            raise Refusal(403, "FORBIDDEN", f"the origin {origin} is not in cors_allowed_origins")
        if not has_key(call, self._settings):
            raise Refusal(401, "UNAUTHORIZED", "this server needs its API key, as X-API-Key")

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
    return is_equal(key, given_key(call))


def given_key(call: HttpCall | WebSocket) -> str:
    """The key that a request carries, whether or not it is the server's; empty where it carries none."""
    query = call.query_params
    in_header = api_key(call.headers, names=("x-api-key", "authorization"))
    return in_header or query.get("api_key") or query.get("token") or ""


def is_page_allowed(call: HttpCall | WebSocket, settings: AgentSettings) -> bool:
    """Whether the page that a request comes from may call; programs, which name none, always may."""
    names = None if settings.server_api_key.get_secret_value() else settings.own_names
    origin, host = call.headers.get("origin", ""), call.headers.get("host", "")
    return is_origin_allowed(origin, host, settings.cors_allowed_origins or (), own_names=names)


def internal_error(scope: Scope) -> Reply:
    """The answer to a client after an error of the server itself."""
    return error(scope, 500, "INTERNAL_ERROR", "Internal server error")


async def _no_body() -> Message:
    return {"type": "http.disconnect"}


def _refusal(scope: Scope, failure: VoxError) -> Reply:
    if isinstance(failure, Refusal):
        return refusal_reply(scope, failure)
    if isinstance(failure, MethodNotAllowed):
        return error(scope, 405, "BAD_REQUEST", "Method not allowed", headers={"allow": failure.allow})
    if failure.code == "route_not_found":
        return error(scope, 404, "NOT_FOUND", "Not found")
    if failure.code in BAD_BODIES or failure.code == "query_invalid":
        return refusal_reply(scope, Refusal(400, "BAD_REQUEST", str(failure)))
    if failure.retryable:
        headers = {"retry-after": str(max(1, round(failure.retry_after_s or 1)))}
        return error(scope, 503, "SERVICE_UNAVAILABLE", "Service unavailable", headers=headers)
    return internal_error(scope)


def _answer(reply: Reply) -> Answer:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    return reply.status, reply.body, raw
