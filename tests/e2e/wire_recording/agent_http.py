"""The agent's HTTP: probes, the talk page, refusals before an upgrade, and the end of the process."""

import contextlib
import re
from collections.abc import Generator

from tests.e2e.wire_recording.http_client import WebSocket, request, websocket
from tests.e2e.wire_recording.processes import Running, wait_until
from tests.e2e.wire_recording.recording import Recording

KEY = "a-key-of-the-wire-recording"
ALLOWED_ORIGIN = "https://shop.example"
MAX_BODY_BYTES = 2000
MAX_CALLS = 2
ASSETS = (
    "capture-worklet.js", "connection.js", "playback-worklet.js", "protobuf.js", "resampler.js", "sound.js", "style.css",
    "talk.js", "transcript.js",
)  # fmt: skip
_CALLS = re.compile(rb"^vox_agent_calls_active [^0]", re.MULTILINE)
OPEN = {"X-API-Key": KEY}


def pages(recording: Recording) -> None:
    """Every route by GET, HEAD and a method that it has not."""
    paths = (
        "/health",
        "/ready",
        "/api/v1/health",
        "/api/v1/ready",
        "/metrics",
        "/",
        "/talk",
        "/page/talk.js",
        "/ws",
        "/telephony/ws",
    )
    for path in paths:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            recording.ask(f"{method} {path}")
    for name in ASSETS:
        recording.ask(f"GET /page/{name}", "asset")
    recording.ask("GET /page/talk.js", "a range", headers={"Range": "bytes=0-9"})
    recording.ask("GET /page/talk.js", "an origin", headers={"Origin": "https://evil.example"})
    for path in ("/nothing", "/page/index.html", "/page/nothing", "/page/..%2Fapp.py", "/health/", "/api/v1/", "/telephony/unknown",
                 "/telephony/sales", "/telephony/ws/sales"):  # fmt: skip
        recording.ask(f"GET {path}", "unknown")
    recording.ask("POST /telephony/sales", "no carrier")
    recording.ask("POST /nothing", "unknown")
    recording.ask("GET /health", "a request id", headers={"X-Request-ID": "mine-7"})
    recording.ask("GET /nothing", "a request id", headers={"X-Request-ID": "mine-7"})
    recording.ask("GET /health", "a request id that is too long", headers={"X-Request-ID": "x" * 129})
    recording.ask("GET /", "another host", headers={"Host": "vox.example"})


def doors(recording: Recording) -> None:
    """Who may come in: keys, origins, agents, sample rates. What GET says is what an upgrade would be told."""
    cases: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("no key", "", {}),
        ("a wrong key", "", {"X-API-Key": "guess"}),
        ("another scheme", "", {"Authorization": f"Basic {KEY}"}),
        ("a wrong key in the address", "?api_key=guess", {}),
        ("the key", "", OPEN),
        ("the key as bearer", "", {"Authorization": f"bearer  {KEY} "}),
        ("the key as api_key", f"?api_key={KEY}", {}),
        ("the key as token", f"?token={KEY}", {}),
        ("the key, a refused origin", "", {**OPEN, "Origin": "https://evil.example"}),
        ("the key, an origin that is none", "", {**OPEN, "Origin": "null"}),
        ("the key, an allowed origin", "", {**OPEN, "Origin": ALLOWED_ORIGIN}),
        ("the key, localhost", "", {**OPEN, "Origin": "http://localhost:5173"}),
        ("the key, an unknown agent", "?agent=unknown", OPEN),
        ("the key, an agent", "?agent=support", OPEN),
        ("the key, a sample rate", "?sample_rate=16000", OPEN),
        ("the key, an odd sample rate", "?sample_rate=12345", OPEN),
    )
    for note, query, headers in cases:
        recording.upgrade(f"/ws{query}", note, headers)
        wait_until_idle(recording)
        recording.ask(f"GET /ws{query}", note, headers=headers)
    for path in ("/telephony/ws", "/telephony/ws/unknown", "/telephony/ws/sales", "/telephony/ws?agent=unknown"):
        recording.upgrade(path, "no key")
        recording.upgrade(path, "the key", OPEN)
        wait_until_idle(recording)
    recording.upgrade("/nothing", "unknown", OPEN)


def full_and_draining(recording: Recording, running: Running) -> None:
    """The answers of a server that holds as many calls as it may, then of one that stops."""
    wait_until_idle(recording)
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CALLS):
            _, call = stack.enter_context(websocket(recording.port, "/ws", OPEN))
            call.receive()
        recording.upgrade("/ws", "full", OPEN)
        recording.upgrade("/telephony/ws", "full", OPEN)
        for path in ("/ws", "/telephony/ws", "/ready", "/health"):
            recording.ask(f"GET {path}", "full", headers=OPEN)
        recording.metrics()
        running.terminate()
        wait_until(lambda: request(recording.port, "GET", "/ready").status != 200)
        for path in ("/ready", "/api/v1/ready", "/health", "/ws", "/telephony/ws"):
            recording.ask(f"GET {path}", "draining", headers=OPEN, volatile=("retry-after",))
        recording.ask("HEAD /ready", "draining", volatile=("retry-after",))
        recording.upgrade("/ws", "draining", OPEN, volatile=("retry-after",))


@contextlib.contextmanager
def call(recording: Recording, path: str) -> Generator[WebSocket]:
    """A call with the right key, once the server holds no other."""
    wait_until_idle(recording)
    with websocket(recording.port, path, OPEN) as (_, socket):
        yield socket


def wait_until_idle(recording: Recording) -> None:
    """Waits until the server has noticed that its calls are over, so that the next one finds a place."""
    wait_until(lambda: _CALLS.search(request(recording.port, "GET", "/metrics").body) is None)
