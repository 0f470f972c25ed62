"""What the chat server does with a request besides finding its route and writing its response, for every peer alike.

Login, rate limit, access, query, endpoint, JSON, errors and metrics are the chat server's own code, called in the order of its
own dispatch. A framework is left with what it is there for: the route, the request object and the response.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from vox.chat.api.json_ids import encode, encode_with_string_ids
from vox.chat.api.rate_categories import CATEGORIES
from vox.chat.api.request import Call, Route, bearer_token
from vox.chat.api.request_metrics import RequestMetrics
from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, refuse, wire_form
from vox.chat.identity.logins import Login
from vox.errors import UsageError
from vox.http.call import client_address
from vox.http.rate_limits import RateCategory, RateDecision
from vox.http.routing import decode_query
from vox.security.addresses import network_key

Text = TypeVar("Text", str, bytes)

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class Checks(Generic[Text]):
    """The chat server behind a framework.

    Args:
        chat: the parts of an open server.
        routes: its whole table.
        write: makes a header's text; `str`, or what encodes it for frameworks that take bytes.
    """

    def __init__(self, chat: ChatContext, routes: Iterable[Route], write: Callable[[str], Text]) -> None:
        self.chat = chat
        self.routes = list(routes)
        self.templates: dict[str, dict[str, Route]] = {}
        """The routes by template and method; literal segments stand before parameters."""
        for route in sorted(self.routes, key=lambda one: [part.startswith("{") for part in one.template.split("/")]):
            self.templates.setdefault(route.template, {})[route.method] = route
        self._allowed = {
            template: ", ".join(sorted([*taken, *(["HEAD"] if "GET" in taken else [])]))
            for template, taken in self.templates.items()
        }
        self._write = write
        self._number: Callable[[int], Text] = str if write is str else lambda number: b"%d" % number
        self.json = write("application/json")
        self._limit_name = write("x-ratelimit-limit")
        self._remaining_name = write("x-ratelimit-remaining")
        self._reset_name = write("x-ratelimit-reset")
        self._no_sniff = (write("x-content-type-options"), write("nosniff"))
        self.private = (write("cache-control"), write("private, no-store"))
        scale = chat.settings.rate_limit_scale or 1
        self._bursts = {name: write(str(max(1, int(each.burst * scale)))) for name, each in CATEGORIES.items()}
        self._counting = RequestMetrics(chat.metrics)

    async def answer(
        self, scope: Any, route: Route | None, values: Mapping[str, str], allow: str = ""
    ) -> tuple[int, bytes, list[tuple[Text, Text]], Text]:
        """Status, body, headers and content type; the last two apart, since some frameworks want it so.

        Args:
            scope: the ASGI scope.
            route: what the framework found; None for nothing.
            values: the path's parameters, decoded.
            allow: the methods of a path that was asked with another one.
        """
        began_s, status = self.chat.clock.now(), 500
        headers: list[tuple[Text, Text]] = []
        try:
            login, wants_string_ids = await self.admitted(scope, route, headers, allow)
            assert route is not None
            body = await self.result(scope, route, values, login, wants_string_ids=wants_string_ids)
            headers.append(self.private)
            status = route.status
        except Refusal as error:
            status, body = self.refused(error, headers)
        finally:
            self.finished(route, status, began_s)
        return status, body, headers, self.json

    async def admitted(
        self, scope: Any, route: Route | None, headers: list[tuple[Text, Text]], allow: str = ""
    ) -> tuple[Login | None, bool]:
        """The login of a request within its limits, and whether it wants ids as texts; adds the headers of every answer.

        Raises:
            Refusal: there is no such route, the limit is reached, or the login is missing or unknown.
        """
        chat = self.chat
        headers.append(self._no_sniff)
        authorization, wants_string_ids = None, False
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == b"x-vox-ids":
                wants_string_ids = value == b"string"
        login, login_error = None, None
        if authorization is not None:
            try:
                login = await chat.logins.authenticate_member(bearer_token(authorization), client_address(scope))
            except Refusal as error:
                login_error = error
        category = route.category if route is not None else CATEGORIES["server"]
        key = f"user:{login.user_id}" if login is not None else f"ip:{network_key(client_address(scope))}"
        self._limit(key, category, headers)
        if route is None:
            raise (
                refuse("UNKNOWN", "Method Not Allowed", status=405, allow=allow)
                if allow
                else refuse("UNKNOWN", "Not Found")
            )
        if route.access.kind != "nobody" and login is None:
            raise login_error or refuse("VALIDATION_ERROR", "header authorization: field required")
        return login, wants_string_ids

    async def result(
        self, scope: Any, route: Route, values: Mapping[str, str], login: Login | None, *, wants_string_ids: bool
    ) -> bytes:
        """What the endpoint answers to a caller who may ask, as JSON.

        Raises:
            Refusal: the caller may not, or the query or the endpoint's own demands are not met.
        """
        call: Call[Any, Any] = Call(self.chat, scope, _no_body, login, values)
        if login is not None:
            route.access.check(self.chat.community, login.user_id, values)
        if route.query is not None:
            try:
                call.query = decode_query(scope["query_string"], route.query)
            except UsageError as error:
                raise refuse("VALIDATION_ERROR", str(error.args[0])) from None
        result = await route.endpoint(call)
        return encode_with_string_ids(result) if wants_string_ids else encode(result)

    def refused(self, error: Refusal, headers: list[tuple[Text, Text]]) -> tuple[int, bytes]:
        """Status and body of a refusal; adds its headers."""
        status, body, raw = wire_form(error)
        headers += [(self._write(name), self._write(value)) for name, value in raw.items() if name != "content-type"]
        headers.append(self.private)
        return status, body

    def finished(self, route: Route | None, status: int, began_s: float) -> None:
        """Counts a request."""
        self._counting.finished(route, {}, status, self.chat.clock.now() - began_s)

    def allowed(self, template: str) -> str:
        """The methods of a template, as its Allow header says."""
        return self._allowed[template]

    def _limit(self, key: str, category: RateCategory, headers: list[tuple[Text, Text]]) -> None:
        chat = self.chat
        verdict = chat.limits.take(key, category, chat.clock.now())
        assert isinstance(verdict, RateDecision)
        reset = int(chat.clock.wall().timestamp() + verdict.full_in_s) + 1
        headers += (
            (self._limit_name, self._bursts[category.name]),
            (self._remaining_name, self._number(verdict.remaining)),
            (self._reset_name, self._number(reset)),
        )
        if verdict.retry_after_s is not None:
            after_ms = max(1, int(verdict.retry_after_s * 1000))
            raise refuse(
                "RATE_LIMITED", f"Too many requests: try again in {-(-after_ms // 1000)} s.", retry_after_ms=after_ms
            )


async def _no_body() -> Any:
    raise RuntimeError("the peers answer requests without a body only")
