"""A directory that is open to its private network: lists, choices, reports, streams, and changes of relays."""

import itertools
import json
import threading
from typing import Any

from tests.e2e.wire_recording.directory_world import ADMIN, registration
from tests.e2e.wire_recording.http_client import Reply, event_stream, request
from tests.e2e.wire_recording.openapi_shape import shape
from tests.e2e.wire_recording.processes import wait_until
from tests.e2e.wire_recording.recording import Recording

MAX_BODY_BYTES = 16_384
UNKNOWN = "00000000-0000-4000-8000-000000000000"
ASSETS = ("relays.js", "style.css", "world.json")


def pages(recording: Recording) -> None:
    """Probes, the page, the document, unknown paths and methods."""
    recording.add("GET /openapi.json [shape]", {"openapi": shape(recording.learn_routes(), with_schemas=False)})
    paths = ("/_health", "/ready", "/metrics", "/", "/page/relays.js", "/openapi.json", "/v1/relays", "/v1/directory")
    for path in paths:
        recording.ask(f"HEAD {path}")
        for method in ("POST", "OPTIONS"):
            recording.ask(f"{method} {path}", "another method")
    for path in ("/_health", "/ready", "/metrics", "/"):
        recording.ask(f"GET {path}")
    for name in ASSETS:
        recording.ask(f"GET /page/{name}", "asset")
    for path in (
        "/health",
        "/nothing",
        "/page/index.html",
        "/page/nothing",
        "/_health/",
        "/v1/relays/",
        "/v2/relays",
        "/v1/relays/lon",
    ):
        recording.ask(f"GET {path}", "unknown")
    recording.ask("PUT /v1/relays/register", "another method")
    recording.ask("GET /v1/relays/lon/drain", "another method")
    recording.ask("GET /_health", "a request id", headers={"X-Request-Id": "mine-7"})
    recording.ask("GET /nothing", "a request id", headers={"X-Request-Id": "mine-7"})
    recording.upgrade("/v1/events", "a WebSocket")


def lists(recording: Recording) -> None:
    """What clients ask: lists, one relay, choices, plans, the signed list."""
    recording.ask("GET /v1/relays?lat=50&lon=0")
    recording.ask("GET /v1/relays", change=_by_id)
    recording.ask("GET /v1/relays?lat=40.7128&lon=-74.0060&limit=1", "limited")
    recording.ask("GET /v1/relays?unknown=1", "an unknown field", change=_by_id)
    for query in ("lat=NaN&lon=0", "lat=north&lon=0", "lat=90.1&lon=0", "lat=0&lon=180.5", "lat=0&lon=", "lat=0", "lon=0",
                  "limit=0", "limit=101", "limit=ten", "limit=1&limit=2", "wait=x", "wait=61s", "wait=1s&index=x", "lat=%ff",
                  "x=" + "y" * 4100):  # fmt: skip
        recording.ask(f"GET /v1/relays?{query}", "refused")
    tag = request(recording.port, "GET", "/v1/relays?lat=50&lon=0").header("etag")
    recording.ask("GET /v1/relays?lat=50&lon=0", "unchanged", headers={"If-None-Match": f'"other", {tag}'})
    recording.ask("GET /v1/relays?lat=50&lon=0", "changed", headers={"If-None-Match": '"other"'})
    recording.ask("GET /v1/relays?lat=50&lon=0&wait=1ms&index=0", "a list of another index")
    recording.ask("GET /v1/relays/lon/status")
    recording.ask(f"GET /v1/relays/{UNKNOWN}/status", "unknown")
    recording.ask("GET /v1/relays/not%20an%20id/status", "no id")
    _choices(recording)
    _signed_list(recording)


def _choices(recording: Recording) -> None:
    for path in ("/v1/relays/select", "/api/relay/select"):
        recording.ask(f"GET {path}?lat=51&lon=0")
    for query in ("lat=51&lon=0&policy=distance", "lat=51&lon=0&policy=load_aware&key=one", "lat=51&lon=0&region=us-west",
                  "lat=51&lon=0&rtt=nyc:5,lon:80"):  # fmt: skip
        recording.ask(f"GET /v1/relays/select?{query}")
    recording.ask("GET /v1/relays/select?lat=51&lon=0&explain=1", change=_without_scores)
    for query in ("policy=best", "lat=1", "rtt=nyc", "rtt=nyc:-1", "features=unheard-of"):
        recording.ask(f"GET /v1/relays/select?{query}", "refused")
    recording.ask("GET /v1/relays/probe-plan?lat=51&lon=0&home=nyc")
    recording.ask("GET /v1/relays/probe-plan?lat=x&lon=0", "refused")
    recording.ask(
        "POST /v1/rtt-reports",
        json_body={"rtts": [{"relay_id": "nyc", "rtt_ms": 12.5}, {"relay_id": "x", "rtt_ms": 1}]},
    )
    for note, body in (
        ("negative", {"rtts": [{"relay_id": "nyc", "rtt_ms": -1}]}),
        ("none", {"rtts": []}),
        ("no list", {}),
    ):
        recording.ask("POST /v1/rtt-reports", note, json_body=body)
    recording.ask("POST /v1/session-reports", json_body={"sessions": [{"relay_id": "nyc", "failed": False}]})
    recording.ask(
        "POST /v1/session-reports", "no truth value", json_body={"sessions": [{"relay_id": "nyc", "failed": "no"}]}
    )
    recording.ask("POST /v1/session-reports", "no JSON", body=b"{")


def _signed_list(recording: Recording) -> None:
    signed = request(recording.port, "GET", "/v1/directory").json()
    recording.values.learn("public key", signed["public_key"])
    recording.values.learn("key id", signed["key_id"])
    reply = recording.ask("GET /v1/directory", change=_read)
    recording.ask("GET /v1/directory", "unchanged", headers={"If-None-Match": reply.header("etag")})
    recording.ask("GET /v1/directory?wait=1ms&index=0", "a list of another index", change=_read)
    recording.ask("GET /v1/directory?wait=soon", "refused")


class _Clients:
    """Asks from another private address each time, because changes of one address are limited.

    Args:
        recording: where the answers are kept.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._numbers = itertools.count(1)

    def ask(self, line: str, note: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> Reply:
        """Asks and records."""
        address = {"X-Forwarded-For": f"10.0.0.{next(self._numbers)}"}
        return self.recording.ask(line, note, headers={**address, **(headers or {})}, **more)


def changes(recording: Recording) -> None:
    """What relays and operators ask: registration, heartbeats, draining, another key, the end."""
    clients = _Clients(recording)
    made = clients.ask("POST /v1/relays/register", "made", json_body=registration(1))
    relay = made.json()["id"]
    clients.ask("POST /v1/relays/register", "renewed", json_body=registration(1, name="Again", features=["video"]))
    for note, body in (
        ("nothing", {}),
        (
            "wrong in every field",
            registration(2, name="", url="no url", latitude=91, longitude="x", capacity=0, public_key=1),
        ),
        ("a private address", registration(2, url="wss://10.0.0.1", longitude=115.86)),
        ("a signing key that is none", registration(2, signing_key="no key")),
        ("control characters", registration(2, name="a\nb")),
    ):
        clients.ask("POST /v1/relays/register", note, json_body=body)
    clients.ask("POST /v1/relays/register", "no JSON", body=b"{")
    clients.ask("POST /v1/relays/register", "too large", body=b"x" * (MAX_BODY_BYTES + 1))
    body = json.dumps(registration(3)).encode()
    clients.ask("POST /v1/relays/register", "a page", headers={"Origin": "https://evil.example"}, body=body)
    clients.ask("POST /v1/relays/register", "from outside", headers={"X-Forwarded-For": "192.0.2.1"}, body=body)
    path = f"/v1/relays/{relay}"
    clients.ask(f"POST {path}/heartbeat", "empty")
    beat = {
        "current_connections": 3,
        "capacity": 50,
        "stress": 0.1,
        "draining": False,
        "version": "1",
        "interval_ms": 20_000,
    }
    clients.ask(f"POST {path}/heartbeat", "with load", json_body=beat)
    clients.ask(f"POST {path}/heartbeat", "wrong", json_body={"stress": 2, "capacity": "x"})
    clients.ask(f"POST /v1/relays/{UNKNOWN}/heartbeat", "unknown")
    clients.ask("POST /v1/relays/not%20an%20id/heartbeat", "no id")
    _draining(clients)
    clients.ask(f"POST {path}/key", "no key", json_body={"signing_key": "no key", "proof": "none"})
    clients.ask(f"POST {path}/key", "nothing", json_body={})
    clients.ask(f"DELETE {path}", "connections on it")
    clients.ask(f"DELETE {path}?force=1", "forced")
    clients.ask(f"DELETE {path}", "again")
    for line in (
        "GET /v1/join-tokens",
        "POST /v1/join-tokens",
        "GET /v1/relays/waiting",
        f"POST {path}/approve",
        f"POST {path}/refuse",
    ):
        clients.ask(line, "no key")
    clients.ask("GET /v1/join-tokens", "an unknown key", headers={"X-API-Key": "unknown"})
    clients.ask("GET /v1/join-tokens", "an administrator", headers=ADMIN)
    clients.ask(f"POST /v1/relays/{UNKNOWN}/approve", "an administrator, unknown", headers=ADMIN)
    clients.ask("POST /v1/relays/lon/refuse", "an administrator, does not wait", headers=ADMIN)
    _rates(recording)


def _draining(clients: "_Clients") -> None:
    recording = clients.recording
    maintenance = {"maintenance": True, "reason": "disks", "until": "2099-01-01T00:00:00Z"}
    with event_stream(recording.port, "/v1/events") as stream:
        recording.keep("GET", "/v1/events", "", stream.head)
        events = [stream.next()]
        clients.ask("POST /v1/relays/lon/drain", "maintenance", json_body=maintenance)
        events += [stream.next(), stream.next()]
        shown = [{"event": name, "data": recording.values.value(data)} for name, data in events]
        recording.add("GET /v1/events [events]", {"frames": shown})
    clients.ask("GET /v1/relays/lon/status", "draining")
    clients.ask("GET /v1/relays?lat=51&lon=0", "one drains")
    clients.ask("POST /v1/relays/lon/heartbeat", "draining")
    clients.ask(
        "POST /v1/relays/lon/drain", "until a time that has passed", json_body={"until": "2001-01-01T00:00:00Z"}
    )
    clients.ask("POST /v1/relays/lon/drain", "until a time without zone", json_body={"until": "2099-01-01T00:00:00"})
    clients.ask(f"POST /v1/relays/{UNKNOWN}/drain", "unknown")
    index = request(recording.port, "GET", "/v1/relays?wait=1ms&index=0").header("vox-directory-index")
    answers: list[Reply] = []
    path = f"/v1/relays?lat=51&lon=0&wait=30s&index={index}"
    waiting = threading.Thread(target=lambda: answers.append(request(recording.port, "GET", path)))
    waiting.start()
    clients.ask("POST /v1/relays/lon/drain", "over", json_body={"draining": False})
    waiting.join(30)
    recording.keep("GET", path, "a change while it waited", answers[0])


def _rates(recording: Recording) -> None:
    """So many changes a minute of one relay by one address; others are not held up by it."""
    client, wrong, line = {"X-Forwarded-For": "10.1.1.1"}, b'{"stress": 2}', "POST /v1/relays/nyc/heartbeat"
    path = "/v1/relays/nyc/heartbeat"
    wait_until(lambda: request(recording.port, "POST", path, headers=client, body=wrong).status == 429)
    recording.ask(line, "too often", headers=client, body=wrong, volatile=("retry-after",))
    recording.ask(line, "another address", headers={"X-Forwarded-For": "10.1.1.2"})
    recording.ask("GET /v1/relays/nyc/status", "no limit", headers=client)


def _by_id(page: Any) -> Any:
    """A list without coordinates comes in a fresh random order."""
    return {**page, "relays": sorted(page["relays"], key=lambda one: one["id"])}


def _without_scores(choice: Any) -> Any:
    """Scores fall as the clients that were sent to a relay are forgotten."""
    for relay in (choice["relay"], *choice["fallbacks"]):
        relay["explain"] = dict.fromkeys(relay["explain"], "<ms>")
    return choice


def _read(answer: Any) -> Any:
    """The text that is signed, as what it says."""
    return {**answer, "signed": json.loads(answer["signed"]), "signature": "<signature>"}
