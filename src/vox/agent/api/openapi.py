"""What the agent server's API description says beside its routes."""

from typing import Any, Final

from vox.http.openapi import ApiDescription

_REQUEST_ID: Final = {"type": "object", "required": ["requestId"], "properties": {"requestId": {"type": "string"}}}


def envelope(data: dict[str, Any], **top: Any) -> dict[str, Any]:
    """The schema of `data` and `meta`, and of what else stands beside them."""
    properties = {**top, "data": data, "meta": _REQUEST_ID}
    return {"type": "object", "required": list(properties), "properties": properties}


_OK: Final = {"type": "string", "enum": ["ok"]}
WELL: Final = envelope({"type": "object", "required": ["status"], "properties": {"status": _OK}}, status=_OK)
"""What the probes answer."""
ANY_DATA: Final = envelope({"type": "object"})
AGENT: Final = [{"name": "agent", "in": "query", "required": False, "schema": {"type": "string"}}]
"""The query parameter that names an agent."""

API: Final = ApiDescription(
    title="Vox agent",
    description="HTTP API of the Vox agent server. Audio travels over the WebSockets.",
    error={
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "requestId"],
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "requestId": {"type": "string"},
                    "details": {"type": "array", "items": {"type": "object"}},
                },
            }
        },
    },
    security_schemes={
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "signature": {"type": "apiKey", "in": "header", "name": "X-Twilio-Signature"},
    },
    raw={},
    page_note="Sockets: <code>/ws</code>, <code>/telephony/ws</code>.",
)
