"""Every example of the directory's documentation, asked of a real process over HTTP: status, fields, types, values.

One row of EXAMPLES is one example; `of` says where it stands: a heading of the user's document (`user: …`) or a section of
the observed behaviour (`2.1` to `2.7`). The process runs with the documented configuration, names and values as printed.
"""

import re
import sqlite3
from dataclasses import dataclass, field
from math import atan2, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from tests.e2e.directories import directory

BOOTSTRAP: list[dict[str, Any]] = [
    {
        "id": "relay-us-east-1",
        "url": "wss://relay-us-east-1.fluxer.app",
        "lat": 40.7128,
        "lon": -74.0060,
        "region": "us-east",
        "capacity": 10000,
        "public_key": "base64_encoded_key",
    },
    {
        "id": "relay-eu-west-1",
        "url": "wss://relay-eu-west-1.fluxer.app",
        "lat": 51.5074,
        "lon": -0.1278,
        "region": "eu-west",
        "capacity": 10000,
        "public_key": "base64_encoded_key",
    },
]
THRESHOLDS = {"interval_ms": 30000, "timeout_ms": 5000, "failure_threshold": 3, "removal_threshold": 10}
SCHEMA = """
CREATE TABLE relays (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  region TEXT NOT NULL,
  capacity INTEGER NOT NULL,
  current_connections INTEGER NOT NULL DEFAULT 0,
  public_key TEXT NOT NULL DEFAULT '',
  registered_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  healthy INTEGER NOT NULL DEFAULT 1,
  failed_checks INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX idx_relays_healthy ON relays(healthy);
CREATE INDEX idx_relays_region ON relays(region);
"""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RELAY: dict[str, Any] = {
    "id": str,
    "name": str,
    "url": str,
    "latitude": float,
    "longitude": float,
    "region": str,
    "capacity": int,
    "current_connections": int,
    "public_key": str,
    "registered_at": TIME,
    "last_seen_at": TIME,
    "healthy": bool,
    "failed_checks": int,
}
"""RelayInfo of the user's document, field by field."""
ADDED = {"state": str, "draining": bool}
"""What we say beyond that."""
STATUS: dict[str, Any] = {
    "id": str,
    "name": str,
    "url": str,
    "region": str,
    "healthy": bool,
    "current_connections": int,
    "capacity": int,
    "last_seen_at": TIME,
    **ADDED,
}
NOT_FOUND = {"error": "Relay not found", "code": "RELAY_NOT_FOUND"}
SYDNEY = {
    "name": "Sydney",
    "url": "wss://sydney.example.com",
    "latitude": -33.8688,
    "longitude": 151.2093,
    "public_key": "c3lkbmV5",
}
NOBODY = "00000000-0000-4000-8000-000000000000"


def bootstrap(index: int, **change: Any) -> dict[str, Any]:
    """How a bootstrap relay of the example is listed: its name is its id."""
    one = BOOTSTRAP[index]
    return {
        **RELAY,
        "id": one["id"],
        "name": one["id"],
        "url": one["url"],
        "latitude": one["lat"],
        "longitude": one["lon"],
        "region": one["region"],
        "capacity": one["capacity"],
        "public_key": one["public_key"],
        "healthy": True,
        "current_connections": 0,
        "failed_checks": 0,
        **change,
    }


def wrong(*paths: str, code: Any = str) -> dict[str, Any]:
    """The 400 of the original's validator."""
    problems = [{"path": path, "message": str, "code": code} for path in paths]
    return {"error": "Validation failed", "code": "VALIDATION_ERROR", "errors": problems}


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and the answer as documented; `{id}` in a path is the relay that was registered last."""

    of: str
    method: str
    path: str
    status: int
    answer: Any
    body: Any = None
    headers: dict[str, Any] = field(default_factory=dict[str, Any])


REGISTERED = {**RELAY, **ADDED, **SYDNEY, "id": UUID4, "region": "unknown", "capacity": 1000, "current_connections": 0, "failed_checks": 0}  # fmt: skip

EXAMPLES = [
    Example("user: Health Check Endpoint", "GET", "/_health", 200, {"status": "ok", "timestamp": TIME}),
    Example("2.1", "GET", "/_health", 200, {"status": "ok", "timestamp": TIME}, None, {"content-type": "application/json"}),
    # --- lists
    Example("user: Bootstrap Relays", "GET", "/v1/relays?lat=40&lon=-74", 200, {
        "relays": [bootstrap(0, distance_km=float), bootstrap(1, distance_km=float)], "count": 2}),
    Example("user: Geographic Routing", "GET", "/v1/relays?lat=40.7128&lon=-74.0060&limit=3", 200, {
        "relays": [bootstrap(0, distance_km=0.0), bootstrap(1, distance_km=float)], "count": 2}),
    Example("2.2", "GET", "/v1/relays?lat=51.5074&lon=-0.1278&limit=1", 200, {
        "relays": [bootstrap(1, distance_km=0.0)], "count": 1}),
    Example("2.2", "GET", "/v1/relays", 200, {"relays": [RELAY, RELAY], "count": 2}),
    Example("user: Public Endpoints", "GET", "/v1/relays", 200, {"relays": [RELAY, RELAY], "count": 2}),
    *(Example("2.2", "GET", f"/v1/relays?{query}", 400, wrong(path)) for query, path in (
        ("lat=NaN&lon=0", "lat"), ("lat=Infinity&lon=0", "lat"), ("lat=north&lon=0", "lat"), ("lat=90.1&lon=0", "lat"),
        ("lat=0&lon=180.5", "lon"), ("lat=0&lon=", "lon"), ("lat=0", "lon"), ("lon=0", "lat"),
        ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=101", "limit"), ("limit=ten", "limit"))),
    Example("2.2", "GET", "/v1/relays?limit=100", 200, {"relays": [RELAY, RELAY], "count": 2}),
    # --- status
    Example("2.3", "GET", "/v1/relays/relay-us-east-1/status", 200, {
        **STATUS, "id": "relay-us-east-1", "url": BOOTSTRAP[0]["url"], "region": "us-east", "capacity": 10000}),
    Example("user: Public Endpoints", "GET", "/v1/relays/relay-eu-west-1/status", 200, {
        **STATUS, "healthy": True, "current_connections": 0}),
    Example("2.3", "GET", f"/v1/relays/{NOBODY}/status", 404, NOT_FOUND),
    Example("2.3", "GET", "/v1/relays/not%20an%20id/status", 400, {"error": str, "code": "VALIDATION_ERROR"}),
    # --- registration
    Example("user: Administrative Endpoints", "POST", "/v1/relays/register", 201, REGISTERED, SYDNEY),
    Example("2.4", "POST", "/v1/relays/register", 200, {**REGISTERED, "name": "Again"}, {**SYDNEY, "name": "Again"}),
    Example("2.4", "POST", "/v1/relays/register", 201, {
        **REGISTERED, "url": "wss://whole.example.com/base", "region": "ap-south", "capacity": 7, "latitude": 0, "longitude": 0},
        {**SYDNEY, "url": "wss://whole.example.com/base", "region": "ap-south", "capacity": 7, "latitude": 0, "longitude": 0}),
    *(Example("2.4", "POST", "/v1/relays/register", 400, wrong(path, code=code), {**SYDNEY, path: value})
      for path, value, code in (
        ("name", "", "too_small"), ("name", "x" * 101, "too_big"), ("name", 1, "invalid_type"),
        ("url", "no url", "invalid_format"), ("url", "", "too_small"), ("latitude", 90.5, "too_big"),
        ("latitude", -91, "too_small"), ("latitude", "0", "invalid_type"), ("longitude", 181, "too_big"),
        ("longitude", None, "invalid_type"), ("public_key", "", "too_small"), ("region", "", "too_small"),
        ("region", "x" * 51, "too_big"), ("capacity", 0, "too_small"), ("capacity", 1.5, "invalid_type"))),
    Example("2.4", "POST", "/v1/relays/register", 400,
            wrong("name", "url", "latitude", "longitude", "public_key", code="invalid_type"), {}),
    # --- heartbeat
    Example("user: Best Practices", "POST", "/v1/relays/{id}/heartbeat", 200, {
        "status": "ok", "ttl_ms": int, "next_heartbeat_ms": int, "directory_revision": int}),
    Example("2.5", "POST", "/v1/relays/relay-us-east-1/heartbeat", 200, {
        "status": "ok", "ttl_ms": 90000, "next_heartbeat_ms": 15000, "directory_revision": int}),
    Example("user: Best Practices", "POST", "/v1/relays/{id}/heartbeat", 200, {
        "status": "ok", "ttl_ms": 60000, "next_heartbeat_ms": 20000, "directory_revision": int},
        {"current_connections": 3, "capacity": 50, "cpu": 0.5, "egress_bps": 1e6, "stress": 0.1, "draining": False,
         "version": "1.0", "seq": 1, "interval_ms": 20000}),
    Example("user: Best Practices", "GET", "/v1/relays/{id}/status", 200, {**STATUS, "current_connections": 3, "capacity": 50}),
    Example("2.5", "POST", f"/v1/relays/{NOBODY}/heartbeat", 404, NOT_FOUND),
    # --- deletion
    Example("2.6", "DELETE", "/v1/relays/{id}", 409, {"error": str, "code": "RELAY_BUSY"}),
    Example("2.6", "DELETE", "/v1/relays/{id}?force=1", 200, {"status": "deleted"}),
    Example("2.6", "DELETE", "/v1/relays/{id}", 404, NOT_FOUND),
    Example("user: Administrative Endpoints", "DELETE", f"/v1/relays/{NOBODY}", 404, NOT_FOUND),
    # --- what all have in common
    *(Example("2.7", "GET", path, 404, {"error": str, "code": "NOT_FOUND"}) for path in (
        "/v1/relays/", "/_health/", "/v1/relays/relay-us-east-1/status/", "/v2/relays")),
    Example("2.7", "PUT", "/v1/relays/register", 405, {"error": str, "code": "METHOD_NOT_ALLOWED"}),
    # --- what the original's own web client asks
    Example("D12", "GET", "/api/relay/select?lat=51&lon=0", 200, {
        "relay": {**RELAY, "id": "relay-eu-west-1", "latency": float, "distance_km": float}, "fallbacks": list,
        "policy": str, "relaxed": "no", "expires_in_ms": 300000, "directory_revision": int}),
    Example("7.5", "GET", "/v1/relays/select", 200, {
        "relay": {**RELAY, "latency": float}, "fallbacks": list,
        "policy": str, "relaxed": "no", "expires_in_ms": 300000, "directory_revision": int}),
    # --- measuring, and operators
    Example("7.6", "GET", "/v1/relays/probe-plan?lat=51&lon=0&home=relay-us-east-1", 200, {
        "relays": [
            {"id": "relay-us-east-1", "url": str, "probe_url": "https://relay-us-east-1.fluxer.app/_health", "why": "home"},
            {"id": "relay-eu-west-1", "url": str, "probe_url": str, "why": "near"},
            {"id": UUID4, "url": "wss://sydney.example.com", "probe_url": str, "why": "near"}],
        "probes_each": 3, "budget_ms": 800, "move": {"at_most_share": float, "at_least_ms": 10.0},
        "report_to": "/v1/rtt-reports"}),
    Example("7.6", "POST", "/v1/rtt-reports", 200, {"status": "ok", "accepted": 1},
            {"rtts": [{"relay_id": "relay-us-east-1", "rtt_ms": 12.5}, {"relay_id": "nobody", "rtt_ms": 1}]}),
    Example("7.6", "POST", "/v1/rtt-reports", 400, wrong("rtts.0.rtt_ms", code="too_small"),
            {"rtts": [{"relay_id": "relay-us-east-1", "rtt_ms": -1}]}),
    Example("7.5", "GET", "/v1/relays/select?policy=best", 400, wrong("policy", code="invalid_enum_value")),
    Example("7.5", "GET", "/v1/relays/select?features=nobody-has-it", 503, {"error": str, "code": "NO_RELAY_AVAILABLE"},
            None, {"retry-after": "5"}),
    Example("7.9", "POST", "/v1/relays/relay-eu-west-1/drain", 200, {
        **STATUS, "draining": True,
        "drain": {"by": "operator", "reason": "disks", "until": "2099-01-01T00:00:00.000Z", "maintenance": True}},
        {"maintenance": True, "reason": "disks", "until": "2099-01-01T00:00:00Z"}),
    Example("7.9", "GET", "/v1/relays/relay-eu-west-1/status", 200, {**STATUS, "draining": True, "drain": {
        "by": "operator", "reason": "disks", "until": TIME, "maintenance": True}}),
    Example("7.4", "POST", "/v1/relays/relay-eu-west-1/heartbeat", 200, {
        "status": "ok", "ttl_ms": int, "next_heartbeat_ms": int, "directory_revision": int, "command": "drain"}),
    Example("7.9", "POST", "/v1/relays/relay-eu-west-1/drain", 200, {**STATUS, "draining": False}, {"draining": False}),
    Example("7.1", "POST", "/v1/relays/relay-eu-west-1/key", 400, {"error": str, "code": "INVALID_PUBLIC_KEY"},
            {"signing_key": "no key", "proof": "none"}),
    Example("7.7", "GET", "/v1/directory", 200, {"signed": str, "signature": str, "public_key": str, "key_id": str}),
    # --- metrics
    Example("user: Metrics", "GET", "/metrics", 200, re.compile(
        r"(?s)(?=.*vox_directory_relays\{state=\"healthy\"\})(?=.*vox_directory_relays_listed)"
        r"(?=.*vox_directory_changes_total).*")),
]  # fmt: skip
SECTIONS = {
    *(f"2.{number}" for number in range(1, 8)),
    *(f"user: {heading}" for heading in (
        "Public Endpoints", "Administrative Endpoints", "Geographic Routing", "Bootstrap Relays", "Best Practices",
        "Metrics", "Health Check Endpoint")),
}  # fmt: skip
"""What has examples of requests; the configuration, the schema, the formula and the health check have tests of their own."""


def problems(expected: Any, found: Any, where: str = "") -> list[str]:
    """How an answer differs from its documentation; no field may be missing, and none be there in excess."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{where}: {found!r} is no object"]
        shape, given = cast("dict[str, Any]", expected), cast("dict[str, Any]", found)
        missing = [f"{where}.{name} {what}" for names, what in (
            (shape.keys() - given.keys(), "is missing"), (given.keys() - shape.keys(), "is not documented")) for name in sorted(names)]  # fmt: skip
        return missing + [
            one for name in shape.keys() & given.keys() for one in problems(shape[name], given[name], f"{where}.{name}")
        ]
    if isinstance(expected, list):
        items, there = cast("list[Any]", expected), cast("list[Any]", found)
        if not isinstance(found, list) or len(items) != len(there):
            return [f"{where}: {found!r} has not {len(items)} items"]
        return [
            one
            for place, (shape, given) in enumerate(zip(items, there, strict=True))
            for one in problems(shape, given, f"{where}[{place}]")
        ]
    if isinstance(expected, re.Pattern):
        is_right = isinstance(found, str) and expected.fullmatch(found) is not None
    elif isinstance(expected, type):
        kinds = (int, float) if expected is float else expected
        is_right = isinstance(found, kinds) and (expected is bool or not isinstance(found, bool))
    else:
        is_right = found == expected
    return [] if is_right else [f"{where} is {found!r}, not {expected!r}"]


async def asked(http: httpx2.AsyncClient, example: Example, relay_id: str) -> tuple[list[str], Any]:
    body = {} if example.body is None else {"json": example.body}
    answer = await http.request(example.method, example.path.replace("{id}", relay_id), **body)
    found: Any = answer.text if isinstance(example.answer, re.Pattern) else answer.json()
    differences = problems(example.answer, found)
    if answer.status_code != example.status:
        differences.append(f"status {answer.status_code}, not {example.status}: {answer.text[:300]}")
    differences += [
        f"{name}: {answer.headers.get(name)!r}"
        for name, value in example.headers.items()
        if answer.headers.get(name) != value
    ]
    return differences, found


@pytest.fixture
def config() -> dict[str, Any]:
    return {"health_check": {"enabled": False, **THRESHOLDS}, "bootstrap_relays": BOOTSTRAP}


async def test_every_documented_example_holds(tmp_path: Path, config: dict[str, Any]):
    differences: list[str] = []
    relay_id = ""
    async with directory(tmp_path, **config) as (_, http):
        for example in EXAMPLES:
            found_wrong, found = await asked(http, example, relay_id)
            differences += [f"{example.of} {example.method} {example.path}: {one}" for one in found_wrong]
            if example.status in {200, 201} and example.path == "/v1/relays/register":
                relay_id = found["id"]
    assert differences == []
    assert {example.of for example in EXAMPLES} >= SECTIONS


async def test_the_documented_formula_gives_the_distances(tmp_path: Path, config: dict[str, Any]):
    def distance(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
        d_lat, d_lon = radians(lat2 - lat1), radians(lon2 - lon1)
        a = sin(d_lat / 2) * sin(d_lat / 2) + cos(radians(lat1)) * cos(radians(lat2)) * sin(d_lon / 2) * sin(d_lon / 2)
        return 6371 * 2 * atan2(sqrt(a), sqrt(1 - a))

    async with directory(tmp_path, **config) as (_, http):
        for lat, lon in (
            (40.7128, -74.0060),
            (0.0, 0.0),
            (-33.87, 151.21),
            (89.9, 180.0),
            (-89.9, -180.0),
            (10.0, 179.9),
        ):
            relays = (await http.get(f"/v1/relays?lat={lat}&lon={lon}")).json()["relays"]
            away = [distance(lat, lon, one["latitude"], one["longitude"]) for one in relays]
            assert [one["distance_km"] for one in relays] == pytest.approx(away, abs=0.001)
            assert away == sorted(away)


async def test_the_database_has_the_documented_schema(tmp_path: Path, config: dict[str, Any]):
    async with directory(tmp_path, **config):
        pass
    documented = sqlite3.connect(":memory:")
    documented.executescript(SCHEMA)
    real = sqlite3.connect(tmp_path / "data" / "relays.db")
    for question in (
        "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('relays')",
        (
            "SELECT l.name, i.name FROM pragma_index_list('relays') AS l, pragma_index_info(l.name) AS i"
            " WHERE l.origin = 'c' ORDER BY l.name"
        ),
    ):
        assert real.execute(question).fetchall() == documented.execute(question).fetchall()
    assert real.execute("SELECT id, healthy, failed_checks FROM relays ORDER BY id").fetchall() == [
        ("relay-eu-west-1", 1, 0),
        ("relay-us-east-1", 1, 0),
    ]
    real.close()
    documented.close()
