"""The bridge's probes and metrics."""

from typing import Final

import msgspec

from vox.fleet.bridge.api.policy import PUBLIC, Access, BridgeCall
from vox.fleet.bridge.server import Bridge
from vox.http.probes import Readiness, ReadinessProbe, ready_endpoint
from vox.http.routing import Reply, RouteTable
from vox.runtime.metrics import CONTENT_TYPE

_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}


def probe_routes(bridge: Bridge, probe: ReadinessProbe) -> RouteTable[Access]:
    """`/health`, `/ready` and `/metrics`."""
    table = RouteTable[Access]()

    @table.get("/health", access=PUBLIC, returns=dict[str, str], label="health")
    async def health(_call: BridgeCall) -> dict[str, str]:
        """Whether the process is alive; touches nothing else."""
        return {"status": "ok", "state": bridge.lifecycle.state.value}

    @table.get("/metrics", access=PUBLIC, returns=bytes, label="metrics", is_documented=False)
    async def metrics(_call: BridgeCall) -> Reply:
        """Prometheus' text format."""
        return Reply(200, bridge.metrics.render(), {"content-type": CONTENT_TYPE})

    table.get("/ready", access=PUBLIC, returns=bytes, label="ready", also=(503,))(ready_endpoint(probe, _readiness))
    del health, metrics
    return table.grouped("probes")


def _readiness(_call: BridgeCall, readiness: Readiness) -> Reply:
    checks = {name: why or "ok" for name, why in readiness.checks.items()}
    body = msgspec.json.encode({"ready": readiness.is_ready, "state": readiness.state.value, "checks": checks})
    headers = dict(_JSON)
    if readiness.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(readiness.retry_after_s)))
    return Reply(200 if readiness.is_ready else 503, body, headers)
