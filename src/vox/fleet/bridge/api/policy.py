"""What the bridge decides about its requests: who may call a route, and what an answer or an error looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.errors import UsageError, VoxError
from vox.fleet.accounts.api_keys import ADMIN, ApiKey
from vox.fleet.accounts.operator_sessions import OperatorSession
from vox.fleet.bridge.api.session_cookie import SAFE_METHODS, is_from_own_page, session_token
from vox.fleet.bridge.errors import wire_form
from vox.fleet.bridge.server import Bridge
from vox.http.call import HttpCall
from vox.http.dispatch import Answer, RawHeaders
from vox.http.rate_limits import RefusedTokens
from vox.http.routing import MethodNotAllowed, Route
from vox.security.addresses import network_key
from vox.security.credentials import bearer_token
from vox.security.digests import is_equal

MAX_BODY_BYTES: Final = 1_048_576
_JSON: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_REFUSALS: Final = 20
_REFUSALS_PERIOD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route.

    Args:
        text: the requirement in words.
        scope: what the API key must be allowed; empty where no key is asked for.
        is_worker: whether a worker's secret is asked for.
        security: OpenAPI security requirements.
    """

    text: str
    scope: str = ""
    is_worker: bool = False
    security: Sequence[Mapping[str, Sequence[str]]] = ()

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        return not self.security


PUBLIC: Final = Access("anyone")
CARRIER: Final = Access("the carrier, by its signature")
WORKER: Final = Access("a worker's secret", is_worker=True, security=({"worker": ()},))


def key_with(scope: str) -> Access:
    """An API key that is allowed this scope."""
    return Access(f"an API key with {scope}", scope, security=({"key": ()},))


BridgeRoute = Route[Access]


class BridgeCall(HttpCall):
    """One request, with what was decoded of it and the API key that it came with."""

    __slots__ = ("_key", "body", "query", "session")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        path: Mapping[str, str],
        key: ApiKey | None,
        session: OperatorSession | None = None,
    ) -> None:
        super().__init__(scope, receive, path)
        self._key = key
        self.session = session
        self.body: Any = None
        self.query: Any = None

    @property
    def key(self) -> ApiKey:
        """The API key, on routes that ask for one; what a session of the operator's pages may do, where it came with one."""
        if self._key is None:
            raise TypeError(f"{self.route.name} asks for no API key")
        return self._key


def _key_of(session: OperatorSession) -> ApiKey:
    """What operators may do: what administrators' keys may."""
    return ApiKey(session.id, "operator's pages", (ADMIN,), 0)


class BridgePolicy:
    """Implements `vox.http.dispatch.Policy` for the bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._refused = RefusedTokens(_REFUSALS, _REFUSALS_PERIOD_S)

    async def admit(
        self, route: BridgeRoute, scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> BridgeCall:
        """Checks the key, its scope, the session of an operator, or the worker's secret.

        Raises:
            UsageError: unauthorized, forbidden, or rate_limited after too many wrong keys.
        """
        del headers
        call = BridgeCall(scope, receive, values, None)
        access = route.access
        if access.is_worker:
            secret = self._bridge.settings.worker_secret.get_secret_value()
            given = call.header(b"x-voxcore-secret")
            if not secret or not is_equal(secret, given):
                raise UsageError(
                    "The worker's secret is missing or wrong.",
                    code="forbidden",
                    hint="" if secret else "set VOXCORE_SECRET at the bridge and at its workers",
                )
        elif access.scope:
            if not call.header(b"authorization") and (token := session_token(call.header(b"cookie"))):
                session = await self._session(call, token)
                return BridgeCall(scope, receive, values, _key_of(session), session)
            key = await self._key(call)
            if not key.allows(access.scope):
                raise UsageError(f"This key is not allowed {access.scope}.", code="forbidden")
            return BridgeCall(scope, receive, values, key)
        return call

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Paths without a route are not limited."""

    async def recheck(self, call: BridgeCall) -> None:
        """A key that is revoked while a body arrives has this one request left."""

    def max_body_bytes(self, route: BridgeRoute) -> int:
        """The longest body."""
        del route
        return MAX_BODY_BYTES

    def bind(self, call: BridgeCall, *, query: Any = None, body: Any = None) -> None:
        """Gives the call its decoded query or body."""
        if query is not None:
            call.query = query
        if body is not None:
            call.body = body

    def decode(self, route: BridgeRoute, call: BridgeCall, raw: bytes) -> Any:
        """The JSON body; raw routes get their bytes.

        Raises:
            UsageError: validation_error, naming the field.
        """
        if route.is_raw or route.decode_body is None:
            return raw
        try:
            return route.decode_body(raw)
        except msgspec.ValidationError as error:
            raise UsageError(str(error), code="validation_error") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UsageError("The body is not JSON.", code="validation_error") from None

    def encode(self, call: BridgeCall, route: BridgeRoute, result: object) -> Answer:
        """A result as JSON."""
        del call
        if result is None:
            return 204, b"", []
        return route.status, msgspec.json.encode(result), _JSON

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """An error in the bridge's wire format."""
        del scope
        status, body, named = wire_form(error)
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in named.items()]
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", error.allow.encode()))
        if error.code == "unauthorized":
            headers.append((b"www-authenticate", b"Bearer"))
        return status, body, headers

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """The answer to an error of the server itself."""
        del error, scope
        return 500, b'{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}', _JSON

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """Refuses an upgrade on a path without a socket."""
        del error
        await websocket.close()

    async def _session(self, call: BridgeCall, token: str) -> OperatorSession:
        if call.method not in SAFE_METHODS and not is_from_own_page(call.headers):
            raise UsageError("The request does not come from the bridge's own pages.", code="forbidden")
        session = await self._bridge.operator_sessions.find(token)
        if session is None:
            raise UsageError(
                "The session is over.", code="unauthorized", hint="`vox bridge login` prints a link for a new one"
            )
        return session

    async def _key(self, call: BridgeCall) -> ApiKey:
        address, now = network_key(call.client), self._bridge.clock.now()
        if wait_s := self._refused.wait_s(address, now):
            raise UsageError("Too many wrong keys.", code="rate_limited", retryable=True, retry_after_s=wait_s)
        text = bearer_token(call.header(b"authorization"))
        key = await self._bridge.api_keys.find(text) if text else None
        if key is None:
            if text:
                self._refused.add(address, now)
            raise UsageError(
                "The API key is missing or wrong.", code="unauthorized", hint="send Authorization: Bearer vbk_…"
            )
        return key
