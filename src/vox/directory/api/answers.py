"""The answers, parameters and errors of the directory's routes as JSON schemas, for its API description."""

from typing import Any, Final

from vox.directory.schemas import DEFAULT_LIMIT, MAX_LIMIT, POLICIES
from vox.http.openapi import ApiDescription, Schema

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
    "description": "While the relay is being drained: who began it, why, until when",
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


def _parameter(name: str) -> Schema:
    return {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"} if name == "id" else _TEXT


def _tokens() -> dict[str, Any]:
    return {"join_tokens": {"type": "array", "items": _object(_TOKEN)}, "count": _COUNT}


def _waiting() -> dict[str, Any]:
    relay = _object({**_RELAY, **_STATE, "key_id": _TEXT, "reachable": _TRUTH})
    return {"relays": {"type": "array", "items": relay}, "count": _COUNT}


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


HEALTH: Final = _object({"status": _TEXT, "timestamp": _TIME})
RELAY_LIST: Final = _object(_list())
SELECTION: Final = _object(_selection())
PLAN: Final = _object(_plan())
ACCEPTED: Final = _object({"status": _TEXT, "accepted": _COUNT})
SNAPSHOT: Final = _object(dict.fromkeys(("signed", "signature", "public_key", "key_id"), _TEXT))
REGISTERED: Final = _object({**_RELAY, **_STATE})
STATUS: Final = _object(_status())
HEARD: Final = _object(_heard())
APPROVED: Final = _object({**_STATUS, **_STATE})
DONE: Final = _object({"status": _TEXT})
WAITING: Final = _object(_waiting())
TOKENS: Final = _object(_tokens())
NEW_TOKEN: Final = _object({**_TOKEN, "token": _TEXT})

LIST_QUERY: Final = [*_PLACE, _LIMIT, *_WAIT]
SELECTION_QUERY: Final = [*_PLACE, *_WISHES]
PLAN_QUERY: Final = [*_PLACE, _HOME]
WAIT_QUERY: Final = _WAIT

CHANGE_ERRORS: Final = _CHANGE_ERRORS
ADMIN_ERRORS: Final = (401, 403, 429)

API: Final = ApiDescription(
    title="Vox relay directory",
    error=_object({"error": _TEXT, "code": _TEXT}),
    security_schemes={
        "key": {"type": "http", "scheme": "bearer"},
        "signature": {"type": "apiKey", "in": "header", "name": "Signature-Input"},
    },
    schemas={"Relay": _object(_RELAY)},
    parameter=_parameter,
    has_default_error=False,
)
