"""Answers as the directory gives them: bare objects, the original's way, without an envelope."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from vox.directory.errors import wire_form
from vox.errors import UsageError, VoxError

PUBLIC = {"access-control-allow-origin": "*"}
"""On what anybody may read: clients in browsers live on other origins than their directory."""
NOT_KEPT = {"cache-control": "no-store"}


def json_response(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON object."""
    return Response(msgspec.json.encode(body), status, headers or NOT_KEPT, media_type="application/json")


def error_response(error: VoxError) -> Response:
    """An error as it stands on the wire."""
    status, body, headers = wire_form(error)
    return Response(body, status, {**headers, **NOT_KEPT, **PUBLIC})


def nothing_here(_request: Request, _error: Exception) -> Response:
    """No such route."""
    return json_response({"error": "Not found", "code": "NOT_FOUND"}, 404)


def wrong_method(_request: Request, _error: Exception) -> Response:
    """The route exists, the method does not."""
    return json_response({"error": "Method not allowed", "code": "METHOD_NOT_ALLOWED"}, 405)


def bad_id() -> VoxError:
    """An id that no relay can have."""
    return UsageError("Relay ids are 1 to 64 letters, digits, dots, dashes and underscores", code="validation_error")
