"""The relay's health, readiness and metrics.

`/_health` is what the directory probes: `OK` in text for every client, and for a directory that sends a challenge a JSON object
with the proof that this relay owns its address. It fails in a drain, so that probes take the relay out of lists even where the
directory could not be told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from vox.http.probes import Readiness, ReadinessProbe, ready_endpoint
from vox.http.routing import Reply, RouteTable
from vox.protocols.relay_directory import CHALLENGE_HEADER
from vox.relay.policy import PUBLIC, Access, RelayCall
from vox.relay.service.load import Load
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import CONTENT_TYPE, Metrics

MAX_CHALLENGE_CHARS: Final = 256
_TEXT: Final = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probes look at.

    Args:
        lifecycle: says whether work is accepted.
        readiness: named checks.
        metrics: rendered.
        measure: sets the gauges before they are read.
        answer_challenge: proves the ownership of the address; empty without a directory.
    """

    lifecycle: Lifecycle
    readiness: ReadinessProbe
    metrics: Metrics
    measure: Callable[[], Load]
    answer_challenge: Callable[[str], str]


def probe_routes(probed: Probed) -> RouteTable[Access]:
    """`/`, `/_health`, `/health`, `/ready` and `/metrics`."""
    table = RouteTable[Access]()

    @table.get("/", access=PUBLIC, returns=str, label="root")
    async def root(call: RelayCall) -> Reply:
        """The same as `/_health`, for programs that ask there."""
        return health_reply(probed, call)

    @table.get("/_health", access=PUBLIC, returns=str, label="_health", also=(503,))
    async def relay_health(call: RelayCall) -> Reply:
        """Whether clients may be sent here."""
        return health_reply(probed, call)

    @table.get("/health", access=PUBLIC, returns=dict[str, str], label="health")
    async def health(_call: RelayCall) -> dict[str, str]:
        """Whether the process is alive; touches nothing else."""
        return {"status": "ok", "state": probed.lifecycle.state.value}

    @table.get("/metrics", access=PUBLIC, returns=bytes, label="metrics", is_documented=False)
    async def metrics(_call: RelayCall) -> Reply:
        """Prometheus' text format."""
        probed.measure()
        return Reply(200, probed.metrics.render(), {"content-type": CONTENT_TYPE})

    table.get("/ready", access=PUBLIC, returns=bytes, label="ready", also=(503,))(
        ready_endpoint(probed.readiness, _readiness)
    )
    del root, relay_health, health, metrics
    return table.grouped("probes")


def health_reply(probed: Probed, call: RelayCall) -> Reply:
    """The answer to the directory's probe."""
    if not probed.lifecycle.is_accepting:
        headers = {**_TEXT, "retry-after": f"{probed.lifecycle.retry_after_s:.0f}"}
        return Reply(503, probed.lifecycle.state.value.encode(), headers)
    challenge = call.header(CHALLENGE_HEADER.encode())
    proof = probed.answer_challenge(challenge) if 0 < len(challenge) <= MAX_CHALLENGE_CHARS else ""
    if not proof:
        return Reply(200, b"OK", _TEXT)
    return Reply(200, msgspec.json.encode({"status": "ok", "challenge_signature": proof}), _JSON)


def _readiness(_call: RelayCall, readiness: Readiness) -> Reply:
    checks = {name: why or "ok" for name, why in readiness.checks.items()}
    body = msgspec.json.encode({"ready": readiness.is_ready, "state": readiness.state.value, "checks": checks})
    headers = dict(_JSON)
    if readiness.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(readiness.retry_after_s)))
    return Reply(200 if readiness.is_ready else 503, body, headers)
