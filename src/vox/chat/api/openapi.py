"""What the chat server's API description says beside its routes."""

from typing import Any, Final

from vox.chat.api.fields import MAX_ID
from vox.chat.errors import OURS, STATUS
from vox.chat.events.permissions import P
from vox.http.openapi import ApiDescription, Schema
from vox.http.routing import Route

_TEXT_IDS: Final = {"file_id", "device_id", "pair_id"}


def _parameter(name: str) -> Schema:
    is_number = (name.endswith("_id") and name not in _TEXT_IDS) or name == "target"
    return {"type": "integer", "minimum": 0} if is_number else {"type": "string"}


def _tag(route: Route[Any]) -> str:
    """The first segment after the prefix: feeds, messages, auth."""
    return route.template.split("/")[3]


def _error() -> Schema:
    fields = {
        "code": {
            "type": "string",
            "examples": sorted(STATUS),
            "description": f"The original's clients do not know {', '.join(sorted(OURS))}: show the message.",
        },
        "message": {"type": "string"},
        "retry_after_ms": {"type": "integer"},
        "missing_permission": {"type": "string"},
    }
    inner = {"type": "object", "required": ["code", "message"], "properties": fields}
    return {"type": "object", "required": ["error"], "properties": {"error": inner}}


def permission_bits() -> dict[str, int]:
    """The value of each permission by its name."""
    return {permission.name or "": int(permission) for permission in P}


def _permissions() -> Schema:
    rows = ", ".join(f"{name} {value} (bit {value.bit_length() - 1})" for name, value in permission_bits().items())
    return {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_ID,
        "description": f"A set of permissions: the sum of their values. {rows}. ADMINISTRATOR holds everything.",
        "x-enum": permission_bits(),
    }


_IDS: Final = (
    "Ids and permission masks have up to 63 bits, and JavaScript's numbers are exact up to 2^53 only: send the header "
    "`X-Vox-Ids: string` to get them as texts, and the gateway capability `string_ids` for events."
)

API: Final = ApiDescription(
    title="Vox chat",
    description=f"REST API of the Vox community server. {_IDS}",
    schemas={"Permissions": _permissions()},
    error=_error(),
    security_schemes={"token": {"type": "http", "scheme": "bearer"}},
    parameter=_parameter,
    tag=_tag,
    page_note="Events: <code>/gateway</code>. For JavaScript: <code>X-Vox-Ids: string</code> gives ids as texts.",
)
