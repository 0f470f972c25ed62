"""What holds of every route of the chat server alike, and what is not part of its API."""

import re
from typing import Any

from tests.e2e.wire_recording.chat_world import API, ORIGIN, Person
from tests.e2e.wire_recording.openapi_shape import routes, shape
from tests.e2e.wire_recording.recording import Recording

MAX_BODY_BYTES = 73_728
"""What the recorded server takes; its limit is set to this."""
UNKNOWN = {"target_type": "role", "emoji": "x", "code": "unknown", "file_id": "unknown"}
"""Values of path parameters that are no numbers."""


def refusals(recording: Recording, document: dict[str, Any], ada: Person, ben: Person) -> None:
    """Every documented route, refused in each way that it can be: `ada` is administrator, `ben` has no permission."""
    for route in routes(document):
        method, _, template = route.partition(" ")
        operation = document["paths"][template][method.lower()]
        path = _filled(template, "1")
        recording.ask(f"{method} {path}", "no token")
        if "parameters" in operation and "_id}" in template:
            recording.ask(f"{method} {_filled(template, 'x')}", "no number", token=ada.token, body=b"{}")
            unknown = _filled(template, "987654321")
            recording.ask(f"{method} {unknown}", "unknown", token=ada.token, body=b"{}")
        if method != "GET" and "security" in operation and "/auth/" not in path and "/users/" not in path:
            recording.ask(f"{method} {path}", "a member", token=ben.token, body=b"no JSON")
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            for note, body in (("no JSON", b"{"), ("a list", b"[]"), ("no UTF-8", b"\xff")):
                recording.ask(f"{method} {path}", note, token=ada.token, body=body)
        for verb in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {one.upper() for one in document["paths"][template]}:
            if method.lower() == next(iter(document["paths"][template])):
                recording.ask(f"{verb} {path}", "another method", token=ada.token)


def edge(recording: Recording, document: dict[str, Any], ben: Person) -> None:
    """Probes, documents, unknown paths, methods, origins, large bodies, request ids."""
    recording.add("GET /openapi.json [shape]", {"openapi": shape(document, with_schemas=True)})
    for path in ("/health", "/ready", "/metrics", "/docs", "/redoc"):
        for method in ("GET", "HEAD"):
            recording.ask(f"{method} {path}")
        recording.ask(f"POST {path}", "another method")
    recording.ask("HEAD /openapi.json")
    for path in (
        "/",
        "/nothing",
        "/api",
        f"{API}",
        f"{API}/",
        f"{API}/nothing",
        f"{API}/server/",
        "/api/v2/server",
        "/gateway",
    ):
        recording.ask(f"GET {path}", "unknown")
    recording.ask(f"GET {API}/feeds//messages", "an empty part", token=ben.token)
    recording.ask(f"GET {API}/invites/a%2Fb", "an encoded slash")
    recording.ask(f"OPTIONS {API}/server", "no preflight")
    recording.ask(f"BREW {API}/server", "an invented method")
    preflight = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    for note, origin in (("allowed", ORIGIN), ("in capitals", ORIGIN.upper()), ("refused", "https://evil.example")):
        recording.ask(f"OPTIONS {API}/server", f"preflight, {note}", headers={"Origin": origin, **preflight})
        recording.ask(f"GET {API}/gateway", f"an origin, {note}", headers={"Origin": origin})
        recording.ask("GET /health", f"an origin, {note}", headers={"Origin": origin})
    recording.ask(f"OPTIONS {API}/server", "preflight, no origin", headers=preflight)
    recording.ask(f"POST {API}/auth/login", "a large body", body=b" " * (MAX_BODY_BYTES + 1))
    recording.ask(f"POST {API}/auth/login", "deeply nested", body=b"[" * 4000)
    recording.ask(f"GET {API}/server", "a request id", token=ben.token, headers={"X-Request-Id": "mine-7"})
    recording.ask(f"GET {API}/nothing", "a request id", headers={"X-Request-Id": "mine-7"})
    recording.ask(f"GET {API}/messages/search?query=%ff", "no ASCII in the query", token=ben.token)
    recording.ask(f"GET {API}/roles?limit=1&limit=2&unknown=3", "repeated and unknown", token=ben.token)
    for note, headers in (
        ("no origin", {}),
        ("allowed", {"Origin": ORIGIN}),
        ("refused", {"Origin": "https://evil.example"}),
    ):
        recording.upgrade("/gateway", note, headers)
    recording.upgrade("/nothing", "unknown")


def _filled(template: str, number: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: UNKNOWN.get(found[1], number), template)
