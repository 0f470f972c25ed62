"""The JSON envelopes of the agent's HTTP API: `data` and `meta`, or `error` with a code from a short list."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from vox.runtime.clock import new_id

MAX_REQUEST_ID = 128


def json_response(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON body with a trailing newline."""
    encoded = msgspec.json.encode(body) + b"\n"
    return Response(encoded, status, headers, media_type="application/json")


def success(request: HTTPConnection, data: Mapping[str, Any], *, status_field: str | None = None) -> Response:
    """`data` and `meta`; `status_field` repeats the status at the top, where documented probes look for it."""
    top = {"status": status_field} if status_field else {}
    return json_response({**top, "data": data, "meta": {"requestId": request_id(request)}})


def error(
    request: HTTPConnection,
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[Mapping[str, str | None]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error envelope; `details` name the fields at fault."""
    body: dict[str, Any] = {"code": code, "message": message, "requestId": request_id(request)}
    if details:
        body["details"] = details
    return json_response({"error": body}, status, headers)


def request_id(request: HTTPConnection) -> str:
    """The caller's X-Request-ID, else a fresh UUID."""
    given = request.headers.get("x-request-id", "").strip()
    if given and len(given) <= MAX_REQUEST_ID and given.isprintable():
        return given
    return str(UUID(hex=new_id("r").removeprefix("r_").ljust(32, "0"), version=4))
