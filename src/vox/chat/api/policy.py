"""What the chat server decides about every request: its rate limit, whose token came, who may, and how answers look."""

import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.chat.api.json_ids import encode, encode_with_string_ids
from vox.chat.api.rate_categories import CATEGORIES, OURS, opted_in
from vox.chat.api.request import AnyCall, Call, Route, bearer_token
from vox.chat.api.step_up import assert_fresh_login
from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, missing_token, rate_limited, refuse, wire_form
from vox.errors import UsageError, VoxError
from vox.http.call import client_address
from vox.http.dispatch import Answer, RawHeaders, route_name
from vox.http.edge import request_id
from vox.http.rate_limits import RateCategory, RateDecision
from vox.http.routing import MethodNotAllowed
from vox.runtime.logging import get_logger
from vox.security.addresses import network_key
from vox.security.tokens import digest
from vox.stores.disk_errors import disk_failure

JSON: Final = (b"content-type", b"application/json")
PRIVATE: Final = (b"cache-control", b"private, no-store")
NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")

_BAD_REQUESTS: Final = {"query_invalid", "value_not_storable", "body_timeout", "body_incomplete"}

_log = get_logger(__name__)


class ChatPolicy:
    """Implements `vox.http.dispatch.Policy` for the chat server.

    Args:
        chat: the parts of the server.
        opened: opens the server, where no lifespan did before the first request; None where it is open.
    """

    def __init__(self, chat: ChatContext, opened: Callable[[], Awaitable[None] | None]) -> None:
        self._chat = chat
        self._opened = opened
        self._is_open = False
        scale = chat.settings.rate_limit_scale or 1
        self._bursts = {each.name: b"%d" % max(1, int(each.burst * scale)) for each in (*CATEGORIES.values(), *OURS)}

    async def admit(
        self, route: Route, scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> AnyCall:
        """Limits, authenticates and authorises a request; routes without a rate limit are open to all.

        Routes that use no login count by address, whatever token comes: otherwise each new account would bring a fresh bucket
        for the next registration.

        Raises:
            Refusal: RATE_LIMITED, what is wrong with the token, or what the access demands.
        """
        chat = self._chat
        call: AnyCall = Call(chat, scope, receive, None, values)
        category = route.category
        if category is None:
            return call
        if not self._is_open:
            await self._ensure_open()
        if scope["query_string"] and route.method == "GET":
            category = opted_in(category, scope["query_string"])
        refused: Refusal | None = None
        access = route.access
        authorization, call.has_string_ids = _credentials(scope)
        if authorization is not None and (access.takes_login or not access.is_public):
            try:
                call.token = bearer_token(authorization)
                call.login = await chat.logins.authenticate_member(call.token, client_address(scope))
                if route.body is not None:
                    call.seen = chat.logins.revocations, chat.community.version
            except Refusal as error:
                refused = error
        await self._limit(call, category, headers, values[access.limited_by] if access.limited_by else "")
        if not access.is_public and call.login is None:
            raise refused or missing_token()
        if call.login is not None:
            if category.name == "auth" and call.login.is_bot:
                raise refuse("FORBIDDEN", "A bot has no logins of its own; its owner manages its token under /bots.")
            access.check(chat.community, call.login.user_id, values)
            if access.needs_fresh_login:
                await assert_fresh_login(chat, call.login)
        return call

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Counts a request for a path that is not routed, like any other.

        Raises:
            Refusal: RATE_LIMITED.
        """
        del error
        chat = self._chat
        if not self._is_open:
            await self._ensure_open()
        call: AnyCall = Call(chat, scope, _no_body, None, {})
        authorization, _ = _credentials(scope)
        if authorization is not None:
            with contextlib.suppress(Refusal):  # a request without a login is counted by its address
                call.login = await chat.logins.authenticate_member(bearer_token(authorization), call.client)
        await self._limit(call, CATEGORIES["server"], headers)

    async def recheck(self, call: AnyCall) -> None:
        """Asks again after a body, which may take half a minute: a login may have ended, a role may be gone.

        Raises:
            Refusal: what holds no longer.
        """
        chat, login = self._chat, call.login
        if login is not None and call.token and call.seen != (chat.logins.revocations, chat.community.version):
            await chat.logins.authenticate_member(call.token, call.client)
            route: Route = call.route
            route.access.check(chat.community, login.user_id, call.path)

    def max_body_bytes(self, route: Route) -> int:
        """The longest JSON body."""
        del route
        return self._chat.config.limit("max_request_body")

    def bind(self, call: AnyCall, *, query: Any = None, body: Any = None) -> None:
        """Gives the call its decoded query or body."""
        if query is not None:
            call.query = query
        if body is not None:
            call.body = body

    def decode(self, route: Route, call: AnyCall, raw: bytes) -> Any:
        """The body as its type; a DELETE may come without.

        Raises:
            Refusal: VALIDATION_ERROR, naming the field.
        """
        if route.is_raw:
            return raw
        decode = route.decode_loose if call.has_string_ids else route.decode_body
        if decode is None or (not raw and route.method == "DELETE"):
            return raw if route.is_raw else None
        try:
            return decode(raw)
        except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, not the type, or nested too deeply
            raise refuse("VALIDATION_ERROR", f"body: {error}") from None

    def encode(self, call: AnyCall, route: Route, result: object) -> Answer:
        """A result as JSON; 204 for None."""
        if result is None:
            return 204, b"", [PRIVATE]
        body = encode_with_string_ids(result) if call.has_string_ids else encode(result)
        return route.status, body, [JSON, PRIVATE]

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """An error as the wire has it; what is no refusal is logged and named by its kind only."""
        refusal = _as_refusal(error)
        status, body, headers = wire_form(refusal)
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        if not isinstance(refusal, Refusal):
            request = request_id(scope)
            _log.warning("request failed", route=route_name(scope), code=error.code, status=status, request_id=request)
            raw.append((b"x-request-id", request.encode("latin-1")))
        raw.append(PRIVATE)
        return status, body, raw

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """The answer to an error of the server itself; an error of the disk is one of the machine, which may pass."""
        if isinstance(error, OSError):
            return self.refused(disk_failure(error, "The request failed"), scope)
        body = b'{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}'
        return 500, body, [JSON, (b"x-request-id", request_id(scope).encode("latin-1")), PRIVATE]

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """Closes an upgrade on a path without a socket."""
        del error
        await websocket.close(1008)

    async def _ensure_open(self) -> None:
        if (opening := self._opened()) is not None:
            await opening
        self._is_open = True

    def _key_of_secret(self, secret: str, address: str) -> str:
        """A bucket for each secret, so that others can neither use one up nor guess at will: unknown ones count for their address.

        Raises:
            Refusal: RATE_LIMITED for an address that has sent too many unknown ones.
        """
        refused = self._chat.logins.refused
        if refused is not None and (wait_s := refused.wait_s(network_key(address), self._chat.clock.now())):
            raise rate_limited(wait_s, "Too many unknown tokens")
        return f"secret:{digest(secret)}"

    async def _limit(self, call: AnyCall, category: RateCategory, headers: RawHeaders, secret: str = "") -> None:
        chat, login = self._chat, call.login
        if login is not None:
            key = f"user:{login.user_id}"
        elif secret:
            key = self._key_of_secret(secret, client_address(call.scope))
        else:
            key = f"ip:{network_key(client_address(call.scope))}"
        decision = chat.limits.take(key, category, chat.clock.now())
        if not isinstance(decision, RateDecision):
            decision = await decision
        wait_s = decision.full_in_s if decision.retry_after_s is None else decision.retry_after_s
        reset = math.ceil(chat.clock.unix() + wait_s)
        headers += (
            (b"x-ratelimit-limit", self._bursts[category.name]),
            (b"x-ratelimit-remaining", b"%d" % decision.remaining),
            (b"x-ratelimit-reset", b"%d" % reset),
        )
        if decision.retry_after_s is not None:
            prefix = "AUTH_" if category.name == "auth" else ""
            raise rate_limited(decision.retry_after_s, "Too many requests", f"{prefix}RATE_LIMITED")


def _credentials(scope: Scope) -> tuple[str | None, bool]:
    """The Authorization header, and whether ids are to be written as strings."""
    authorization, has_string_ids = None, False
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"x-vox-ids":
            has_string_ids = value == b"string"
    return authorization, has_string_ids


def _as_refusal(error: VoxError) -> VoxError:
    """The front door's own refusals, by the codes of this API."""
    if isinstance(error, MethodNotAllowed):
        return refuse("UNKNOWN", "Method Not Allowed", status=405, allow=error.allow)
    if error.code == "route_not_found":
        return refuse("UNKNOWN", "Not Found")
    if error.code == "body_too_large":
        return refuse("PAYLOAD_TOO_LARGE", "The request body is too large.")
    if error.code in _BAD_REQUESTS:
        return refuse("VALIDATION_ERROR", str(error.args[0]))
    return error


async def _no_body() -> Any:
    return {"type": "http.disconnect"}
