"""The routes of the fleet: where workers connect, and what is known of them."""

from typing import Annotated, Any, Final

import msgspec

from vox.errors import DependencyError, UsageError
from vox.fleet.bridge.api.policy import PUBLIC, Access, BridgeCall, key_with
from vox.fleet.bridge.server import Bridge
from vox.fleet.dispatch.fleet_status import DEFAULT_BUFFER, health_fleet
from vox.http.routing import Reply, RouteTable
from vox.protocols.fleet import CONNECT_PATH, HEARTBEAT_S

READ: Final = key_with("fleet:read")
_OBJECT: Final = {"type": "object", "additionalProperties": True}
_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}
MAX_DRAIN_S: Final = 7 * 86_400.0


def fleet_routes(bridge: Bridge) -> RouteTable[Access]:
    """`WS /v1/fleet/connect`, `/v1/fleet`, `/health/fleet`."""
    table, routes = RouteTable[Access](), _Fleet(bridge)
    table.websocket(CONNECT_PATH, access=PUBLIC, label="fleet_connect")(bridge.worker_endpoint)
    table.get("/health/fleet", access=PUBLIC, returns=_OBJECT, label="health_fleet")(routes.health)
    table.get("/v1/fleet", access=READ, returns=_OBJECT, label="fleet")(routes.get_fleet)
    table.get("/v1/fleet/autoscale", access=READ, query=AutoscaleQuery, returns=_OBJECT, label="fleet")(
        routes.get_autoscale
    )
    table.post("/v1/fleet/{id}/drain", access=key_with("admin"), body=DrainRequest, returns=None, label="fleet")(
        routes.drain_worker
    )
    return table.grouped("fleet")


class DrainRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/fleet/{id}/drain`."""

    deadline_s: float = 3600.0


class AutoscaleQuery(msgspec.Struct):
    """The query of `GET /v1/fleet/autoscale`."""

    buffer: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = DEFAULT_BUFFER


class _Fleet:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def health(self, _call: BridgeCall) -> Reply:
        """The fleet's numbers in the shape that VoxCore's clients know."""
        body = msgspec.json.encode(health_fleet(self._bridge.dispatcher.fleet()))
        return Reply(200, body, _JSON)

    async def get_fleet(self, _call: BridgeCall) -> dict[str, Any]:
        """All workers and their totals."""
        return msgspec.to_builtins(self._bridge.dispatcher.fleet())

    async def get_autoscale(self, call: BridgeCall) -> dict[str, Any]:
        """The slots that the fleet should have; 503 while that is not known, because a scaler that reads 0 takes workers away."""
        slots = await self._bridge.autoscale_slots(call.query.buffer)
        if slots is None:
            raise DependencyError(
                "Not every worker has been heard, so the fleet's calls are not known.",
                code="fleet_unknown",
                retryable=True,
                retry_after_s=HEARTBEAT_S,
            )
        return {"slots": slots}

    async def drain_worker(self, call: BridgeCall) -> None:
        """Has a worker take no further calls."""
        body: DrainRequest = call.body
        if not 0 <= body.deadline_s <= MAX_DRAIN_S:
            raise UsageError("deadline_s is not between 0 and 604800.", code="validation_error")
        await self._bridge.dispatcher.drain(call.text("id"), body.deadline_s)
