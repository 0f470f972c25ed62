"""What the chat server's API description says beside its routes."""

from typing import Any, Final

from vox.chat.errors import STATUS
from vox.http.openapi import ApiDescription, Schema
from vox.http.routing import Route


def _parameter(name: str) -> Schema:
    is_number = (name.endswith("_id") and name != "file_id") or name == "target"
    return {"type": "integer", "minimum": 0} if is_number else {"type": "string"}


def _tag(route: Route[Any]) -> str:
    """The first segment after the prefix: feeds, messages, auth."""
    return route.template.split("/")[3]


def _error() -> Schema:
    fields = {
        "code": {"type": "string", "examples": sorted(STATUS)},
        "message": {"type": "string"},
        "retry_after_ms": {"type": "integer"},
        "missing_permission": {"type": "string"},
    }
    inner = {"type": "object", "required": ["code", "message"], "properties": fields}
    return {"type": "object", "required": ["error"], "properties": {"error": inner}}


API: Final = ApiDescription(
    title="Vox chat",
    description="REST API of the Vox community server.",
    error=_error(),
    security_schemes={"token": {"type": "http", "scheme": "bearer"}},
    parameter=_parameter,
    tag=_tag,
    page_note="Events: <code>/gateway</code>.",
)
