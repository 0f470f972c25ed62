"""The JSON envelopes of the agent's HTTP API: `data` and `meta`, or `error` with a code from a short list."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.types import Scope

from vox.http.edge import error_envelope, request_id
from vox.http.routing import Reply

JSON = {"content-type": "application/json"}


def json_reply(body: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON body with a trailing newline."""
    return Reply(status, msgspec.json.encode(body) + b"\n", JSON)


def success(scope: Scope, data: Mapping[str, Any], *, status: str = "") -> Reply:
    """`data` and `meta`; `status` stands at the top too, where documented probes look for it."""
    top = {"status": status} if status else {}
    return json_reply({**top, "data": data, "meta": {"requestId": request_id(scope)}})


def error(
    scope: Scope,
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The error envelope; `details` name the fields at fault."""
    body = error_envelope(code, message, request_id(scope), details)
    return Reply(status, body, {**(headers or {}), **JSON})
