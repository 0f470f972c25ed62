"""What the agent server's API description says beside its routes."""

from typing import Final

from vox.http.openapi import ApiDescription

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
    page_note="Sockets: <code>/ws</code>, <code>/telephony/ws</code>.",
)
