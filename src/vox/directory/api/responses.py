"""Answers as the directory gives them: bare objects, the original's way, without an envelope."""

from collections.abc import Mapping
from typing import Any

import msgspec

from vox.errors import UsageError, VoxError
from vox.http.routing import Reply

NOT_KEPT = {"cache-control": "no-store"}


def json_reply(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON object."""
    return Reply(status, msgspec.json.encode(body), {**(headers or NOT_KEPT), "content-type": "application/json"})


def not_found() -> Reply:
    """No such route or file."""
    return json_reply({"error": "Not found", "code": "NOT_FOUND"}, 404)


def bad_id() -> VoxError:
    """An id that no relay can have."""
    return UsageError("Relay ids are 1 to 64 letters, digits, dots, dashes and underscores", code="validation_error")
