"""The directory's API as an OpenAPI 3.1 document; the bodies come from the models that check them."""

from typing import Any

from pydantic import BaseModel

from vox.directory.schemas import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    POLICIES,
    Draining,
    Heartbeat,
    KeyChange,
    NewJoinToken,
    Refusal,
    Registration,
    RttReports,
    SessionReportList,
)

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_TRUTH: dict[str, Any] = {"type": "boolean"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}

_STATUS = {
    "id": _TEXT,
    "name": _TEXT,
    "url": {"type": "string", "format": "uri"},
    "region": _TEXT,
    "healthy": _TRUTH,
    "current_connections": _COUNT,
    "capacity": _COUNT,
    "last_seen_at": _TIME,
}
_STATE = {
    "state": {"type": "string", "enum": ["pending", "healthy", "suspect", "unhealthy"]},
    "draining": _TRUTH,
    "approval": {"type": "string", "enum": ["waiting"]},
}
_TOKEN = {"id": _TEXT, "note": _TEXT, "created_by": _TEXT, "created_at": _TIME, "expires_at": _TIME}
_DRAIN: dict[str, Any] = {
    "type": "object",
    "description": "While the relay is being drained: by whom, why, until when",
    "properties": {
        "by": {"type": "string", "enum": ["relay", "operator"]},
        "reason": _TEXT,
        "until": {"type": ["string", "null"], "format": "date-time"},
        "maintenance": _TRUTH,
    },
}
_RELAY = {
    **_STATUS,
    "latitude": _NUMBER,
    "longitude": _NUMBER,
    "public_key": _TEXT,
    "registered_at": _TIME,
    "failed_checks": _COUNT,
}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}}
_HOME = {"name": "home", "in": "query", "schema": _TEXT, "description": "The id of the relay in use"}
_CHANGE_ERRORS = (400, 401, 403, 404, 413, 429, 503)
_SOMETIMES = {"drain", "command", "distance_km", "explain", "approval", "held_until"}
"""Fields that are there only where there is something to say."""
_PLACE = [
    {"name": "lat", "in": "query", "schema": {"type": "number", "minimum": -90, "maximum": 90}},
    {"name": "lon", "in": "query", "schema": {"type": "number", "minimum": -180, "maximum": 180}},
]
_LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
}
_WAIT: list[dict[str, Any]] = [
    {
        "name": "wait",
        "in": "query",
        "schema": {"type": "string", "pattern": "^[0-9]{1,6}(ms|s)$"},
        "description": "Answer once the list is another one than `index`, after this time (60s at most) in any case",
    },
    {
        "name": "index",
        "in": "query",
        "schema": {"type": "integer", "minimum": 0},
        "description": "Vox-Directory-Index of the list that is known; 0 for none",
    },
]
_WISHES = [
    {"name": "region", "in": "query", "schema": _TEXT},
    {"name": "features", "in": "query", "schema": _TEXT, "description": "Names separated by commas"},
    {"name": "key", "in": "query", "schema": _TEXT, "description": "Clients with one key get one relay among equals"},
    {"name": "rtt", "in": "query", "schema": _TEXT, "description": "Own measurements: id:milliseconds,…"},
    {
        "name": "policy",
        "description": "measured unless asked otherwise",
        "in": "query",
        "schema": {"type": "string", "enum": list(POLICIES)},
    },
    {"name": "explain", "in": "query", "schema": {"type": "string", "enum": ["1"]}},
]


def describe_api() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vox relay directory", "version": "1"},
        "paths": {
            "/_health": {
                "get": _operation("health", "Whether the directory lives", {"status": _TEXT, "timestamp": _TIME})
            },
            "/v1/relays": {
                "get": _operation(
                    "listRelays", "Healthy relays, nearest first", _list(), [*_PLACE, _LIMIT, *_WAIT], 400, 503
                )
            },
            "/v1/relays/select": {
                "get": _operation(
                    "selectRelay", "One relay and two to fall back on", _selection(), [*_PLACE, *_WISHES], 400, 503
                )
            },
            "/v1/relays/probe-plan": {
                "get": _operation("probePlan", "Which relays a client should measure", _plan(), [*_PLACE, _HOME], 400)
            },
            "/v1/rtt-reports": {
                "post": _change(
                    "reportRtts",
                    "Round trips that a client measured",
                    {"status": _TEXT, "accepted": _COUNT},
                    RttReports,
                    400,
                    429,
                )
            },
            "/v1/session-reports": {
                "post": _change(
                    "reportSessions",
                    "Sessions that a client had on relays, or failed to have",
                    {"status": _TEXT, "accepted": _COUNT},
                    SessionReportList,
                    400,
                    429,
                )
            },
            "/v1/directory": {
                "get": _operation(
                    "snapshot",
                    "The signed list",
                    dict.fromkeys(("signed", "signature", "public_key", "key_id"), _TEXT),
                    _WAIT,
                    400,
                    503,
                )
            },
            "/v1/relays/register": {
                "post": _change(
                    "registerRelay",
                    "Add or renew a relay",
                    {**_RELAY, **_STATE},
                    Registration,
                    *_CHANGE_ERRORS,
                    is_new=True,
                )
            },
            "/v1/relays/{id}/status": {"get": _operation("relayStatus", "One relay", _status(), [_ID], 400, 404)},
            "/v1/relays/{id}/heartbeat": {
                "post": _change("heartbeat", "A sign of life, with load", _heard(), Heartbeat, *_CHANGE_ERRORS)
            },
            "/v1/relays/{id}/drain": {
                "post": _change(
                    "drainRelay", "Take a relay out of lists, or put it back", _status(), Draining, *_CHANGE_ERRORS
                )
            },
            "/v1/relays/{id}/key": {
                "post": _change(
                    "changeKey",
                    "Pin another key, in the name of the old one",
                    {**_RELAY, **_STATE},
                    KeyChange,
                    *_CHANGE_ERRORS,
                )
            },
            "/v1/relays/waiting": {
                "get": _administered(_operation("waitingRelays", "Relays that wait for approval", _waiting()))
            },
            "/v1/relays/{id}/approve": {
                "post": _administered(
                    _change("approveRelay", "Let a relay join", {**_STATUS, **_STATE}, None, *_CHANGE_ERRORS)
                )
            },
            "/v1/relays/{id}/refuse": {
                "post": _administered(
                    _change(
                        "refuseRelay", "Remove a relay that waits", {"status": _TEXT}, Refusal, *_CHANGE_ERRORS, 409
                    )
                )
            },
            "/v1/join-tokens": {
                "get": _administered(_operation("joinTokens", "Join tokens that nobody has used", _tokens())),
                "post": _administered(_new_token()),
            },
            "/v1/join-tokens/{token_id}": {"delete": _administered(_token_deletion())},
            "/v1/relays/{id}": {
                "delete": _change("unregisterRelay", "Forget a relay", {"status": _TEXT}, None, *_CHANGE_ERRORS, 409)
            },
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "header", "name": "Signature-Input"},
            },
            "schemas": {
                "Relay": _object(_RELAY),
                "Error": _object({"error": _TEXT, "code": _TEXT}),
            },
        },
    }


def _operation(
    name: str, summary: str, answer: dict[str, Any], parameters: list[dict[str, Any]] | None = None, *errors: int
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": _json("Done", _object(answer))}
    for status in errors:
        responses[str(status)] = _json("Refused", {"$ref": "#/components/schemas/Error"})
    return {"operationId": name, "summary": summary, "parameters": parameters or [], "responses": responses}


def _change(
    name: str, summary: str, answer: dict[str, Any], body: type[BaseModel] | None, *errors: int, is_new: bool = False
) -> dict[str, Any]:
    parameters = [_ID] if 404 in errors else []  # noqa: PLR2004  only what has an id can be missing
    operation = _operation(name, summary, answer, parameters, *errors)
    operation["security"] = [{}, {"key": []}, {"signature": []}]
    if is_new:
        operation["responses"]["201"] = _json("Added", _object(answer))
    if body is not None:
        schema = body.model_json_schema()
        required = bool(schema.get("required"))
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _administered(operation: dict[str, Any]) -> dict[str, Any]:
    refusals = {str(status): _json("Refused", {"$ref": "#/components/schemas/Error"}) for status in (401, 403, 429)}
    return {**operation, "security": [{"key": []}], "responses": refusals | operation["responses"]}


def _new_token() -> dict[str, Any]:
    operation = _change("createJoinToken", "A token with which one relay may join", {}, NewJoinToken, 400, 409)
    operation["responses"]["201"] = _json("Made", _object({**_TOKEN, "token": _TEXT}))
    del operation["responses"]["200"]
    return operation


def _token_deletion() -> dict[str, Any]:
    which = {"name": "token_id", "in": "path", "required": True, "schema": _TEXT}
    return _operation("deleteJoinToken", "Make a join token useless", {"status": _TEXT}, [which], 404)


def _tokens() -> dict[str, Any]:
    return {"join_tokens": {"type": "array", "items": _object(_TOKEN)}, "count": _COUNT}


def _waiting() -> dict[str, Any]:
    relay = _object({**_RELAY, **_STATE, "key_id": _TEXT, "reachable": _TRUTH})
    return {"relays": {"type": "array", "items": relay}, "count": _COUNT}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in properties if name not in _SOMETIMES]
    return {"type": "object", "properties": properties, "required": required}


def _list() -> dict[str, Any]:
    relay = _object({**_RELAY, "distance_km": {"type": "number", "minimum": 0}})
    return {"relays": {"type": "array", "items": relay}, "count": _COUNT}


def _status() -> dict[str, Any]:
    return {**_STATUS, **_STATE, "drain": _DRAIN, "held_until": _TIME}


def _heard() -> dict[str, Any]:
    times = {"ttl_ms": _COUNT, "next_heartbeat_ms": _COUNT, "directory_revision": _COUNT}
    return {"status": _TEXT, **times, "command": {"type": "string", "enum": ["drain"]}}


def _plan() -> dict[str, Any]:
    relay = _object({"id": _TEXT, "url": _TEXT, "probe_url": _TEXT, "why": {"enum": ["home", "near", "explore"]}})
    move = _object({"at_most_share": _NUMBER, "at_least_ms": _NUMBER})
    counts = {"probes_each": _COUNT, "budget_ms": _COUNT}
    return {"relays": {"type": "array", "items": relay}, **counts, "move": move, "report_to": _TEXT}


def _selection() -> dict[str, Any]:
    relay = _object({**_RELAY, "distance_km": _NUMBER, "latency": _NUMBER, "explain": {"type": "object"}})
    texts = {"policy": _TEXT, "relaxed": {"type": "string", "enum": ["no", "group", "region"]}}
    fallbacks = {"type": "array", "items": relay}
    return {"relay": relay, "fallbacks": fallbacks, **texts, "expires_in_ms": _COUNT, "directory_revision": _COUNT}
