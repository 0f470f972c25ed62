"""The simulator's HTTP: the carriers' REST APIs under their own paths and in their own errors, and the control API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope
from starlette.websockets import WebSocket

from vox.clients.carrier_simulator.dialect import Refusal, RequestRefused
from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.dispatch import Answer, RawHeaders
from vox.http.routing import MethodNotAllowed, Reply, Route

MAX_BODY_BYTES: Final = 1 << 20
_STATUS: Final = {
    "body_too_large": 413,
    "browser_request_refused": 403,
    "route_not_found": 404,
    "simulated_call_not_found": 404,
    "too_many_simulated_calls": 503,
}


@dataclass(frozen=True, slots=True)
class Access:
    """Whose credentials a route asks for; no carrier for the control API, which asks for none."""

    carrier: str = ""

    @property
    def text(self) -> str:
        """In words."""
        return f"the {self.carrier} account's credentials" if self.carrier else "anyone on this machine"

    @property
    def is_public(self) -> bool:
        """Whether no credentials are needed."""
        return not self.carrier

    @property
    def security(self) -> Sequence[Mapping[str, Sequence[str]]]:
        """As OpenAPI names them."""
        return [{self.carrier: ()}] if self.carrier else ()


CONTROL: Final = Access()


class ApiCall(HttpCall):
    """One request; `body` are its bytes."""

    __slots__ = ("body",)

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        super().__init__(scope, receive, path)
        self.body = b""

    def form(self) -> list[tuple[str, str]]:
        """The fields of a form body, in order."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)

    def query(self) -> dict[str, str]:
        """The fields of the query."""
        return dict(self.query_params)

    def json_object(self) -> dict[str, Any]:
        """The JSON object of the body; empty where there is none.

        Raises:
            UsageError: `bad_simulator_request`.
        """
        if not self.body.strip():
            return {}
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise UsageError(f"The body is not a JSON object: {error}", code="bad_simulator_request") from None


class SimulatorPolicy:
    """Implements `vox.http.dispatch.Policy`: each carrier's credentials, and errors as it words them."""

    def __init__(self, dialects: Mapping[str, Any]) -> None:
        self._dialects = dialects

    async def admit(
        self, route: Route[Access], scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> ApiCall:
        """Checks the carrier's credentials.

        Raises:
            RequestRefused: they are missing or wrong.
        """
        del headers
        call = ApiCall(scope, receive, values)
        if not route.access.carrier and call.header(b"origin"):
            raise UsageError("The control API is not for web pages.", code="browser_request_refused")
        if route.access.carrier:
            dialect = self._dialects[route.access.carrier]
            if not dialect.is_authorised(call.header(b"authorization")):
                raise RequestRefused(dialect.unauthorised())
        return call

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """Unknown paths are answered by `refused`."""

    async def recheck(self, call: ApiCall) -> None:
        """Nothing changes while a body is read."""

    def max_body_bytes(self, route: Route[Access]) -> int:
        """The longest body."""
        del route
        return MAX_BODY_BYTES

    def bind(self, call: ApiCall, *, query: Any = None, body: Any = None) -> None:
        """Gives the call the bytes of its body."""
        del query
        call.body = body or b""

    def decode(self, route: Route[Access], call: ApiCall, raw: bytes) -> Any:
        """The bytes as they came: forms and JSON are read by the endpoints."""
        del route, call
        return raw

    def encode(self, call: ApiCall, route: Route[Access], result: object) -> Answer:
        """A JSON value, or nothing."""
        del call
        if result is None:
            return 204, b"", []
        return answer(route.status, result)

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """In the words of the carrier whose path this is, else as a plain object."""
        if isinstance(error, RequestRefused):
            return answer(error.refusal.status, error.refusal.body)
        dialect = self._dialects.get(carrier_of(scope["path"]))
        if error.code == "route_not_found" and dialect is not None:
            refusal: Refusal = dialect.not_found()
            return answer(refusal.status, refusal.body)
        if isinstance(error, MethodNotAllowed):
            return answer(405, {"error": str(error)})
        status = _STATUS.get(error.code, 400)
        return answer(status, {"error": {"code": error.code, "message": str(error)}})

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """A fault of the simulator itself."""
        del error, scope
        return answer(500, {"error": {"code": "internal_error", "message": "The simulator failed; see its log."}})

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """The simulator has no sockets."""
        del error
        await websocket.close()


def carrier_of(path: str) -> str:
    """The carrier that a path of the REST APIs belongs to; empty for none."""
    for prefix, carrier in (
        ("/2010-04-01/", "twilio"),
        ("/v2/", "telnyx"),
        ("/v1/Account/", "plivo"),
        ("/v1/Accounts/", "exotel"),
    ):
        if path.startswith(prefix):
            return carrier
    return ""


def answer(status: int, body: object) -> Answer:
    """A JSON answer."""
    return status, msgspec.json.encode(body), [(b"content-type", b"application/json")]


def reply(status: int, body: object) -> Reply:
    """A JSON answer of an endpoint that chooses its status."""
    return Reply(status, msgspec.json.encode(body), {"content-type": "application/json"})
