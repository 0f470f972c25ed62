"""The JSON envelopes of the agent's HTTP API: `data` and `meta`, or `error` with a code from a short list."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from vox.http.edge import error_envelope, request_id


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON body with a trailing newline."""
    return Response(msgspec.json.encode(body) + b"\n", status, media_type="application/json")


def success(request: HTTPConnection, data: Mapping[str, Any], *, status: str = "") -> Response:
    """`data` and `meta`; `status` stands at the top too, where documented probes look for it."""
    top = {"status": status} if status else {}
    return json_response({**top, "data": data, "meta": {"requestId": request_id(request.scope)}})


def error(
    request: HTTPConnection,
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error envelope; `details` name the fields at fault."""
    body = error_envelope(code, message, request_id(request.scope), details)
    return Response(body, status, headers, media_type="application/json")
