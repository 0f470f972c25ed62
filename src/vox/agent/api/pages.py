"""What routes have in common that pages of other origins call: CORS, the key, and refusals that Pipecat's clients can read.

A route says so by its access (`Access.cors_methods`); `AgentPolicy` then does the rest for every answer on it, refusals and
failures included, because a page cannot read an error without these headers.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.types import Scope

from vox.agent.api.responses import JSON
from vox.errors import UsageError
from vox.http.call import ROUTE, HttpCall
from vox.http.edge import request_id
from vox.http.routing import Reply

ALLOWED_HEADERS: Final = b"authorization, content-type, x-api-key, idempotency-key, x-request-id"
EXPOSED_HEADERS: Final = b"retry-after, x-request-id"
PREFLIGHT_SECONDS: Final = b"600"


class Refusal(UsageError):  # noqa: N818  an answer to the client, not a failure of the server
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        code: of the error envelope, such as BAD_REQUEST.
        message: says what is wrong and what to do, in the second person.
        details: objects with `field` and `message`.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code="request_refused")
        self.status = status
        self.api_code = code
        self.details = details
        self.headers = headers or {}


def cors_headers(origin: str, *, is_allowed: bool) -> list[tuple[bytes, bytes]]:
    """The headers of every answer on such a route; a page that may not call gets none that would let it read the answer."""
    found = [(b"cache-control", b"no-store"), (b"vary", b"origin")]
    if origin and is_allowed:
        found += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        ]
    return found


def preflight_headers(methods: str) -> list[tuple[bytes, bytes]]:
    """What the answer to a preflight says beside those."""
    return [
        (b"access-control-allow-methods", methods.encode()),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    ]


async def preflight(call: HttpCall) -> Reply:
    """Answers what a browser asks before it calls from a page of another origin; the policy adds the headers."""
    del call
    return Reply(204)


def refusal_reply(scope: Scope, refusal: Refusal) -> Reply:
    """The error envelope; on routes that pages call, with the message once more where Pipecat's clients read it (`detail`)."""
    error: dict[str, object] = {"code": refusal.api_code, "message": str(refusal), "requestId": request_id(scope)}
    if refusal.details:
        error["details"] = refusal.details
    route = scope.get(ROUTE)
    more = {"detail": str(refusal)} if route is not None and route.access.cors_methods else {}
    return Reply(refusal.status, msgspec.json.encode({"error": error, **more}) + b"\n", {**refusal.headers, **JSON})
