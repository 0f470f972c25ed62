"""The routes that show what goes on at this moment: calls with a carrier or at a worker, and what is said in one."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from vox.fleet.bridge.api.policy import Access, BridgeCall, key_with
from vox.fleet.bridge.server import Bridge
from vox.fleet.calls import queries
from vox.fleet.calls.journal import record_of, view_of
from vox.fleet.dispatch.contract import HangUp
from vox.http.routing import RouteTable
from vox.stores.sql import Connection

MAX_SHOWN: Final = 200
_OBJECT: Final = {"type": "object", "additionalProperties": True}
_OBJECTS: Final = {"type": "array", "items": _OBJECT}
_NUMBER: Final = {"type": "integer"}
_LIVE: Final = {
    "type": "object",
    "properties": {
        "now_ms": {"type": "integer", "description": "The bridge's clock, in Unix milliseconds"},
        "counts": {"type": "object", "additionalProperties": _NUMBER},
        "calls": _OBJECTS,
        "inbound": _OBJECTS,
        "inbound_total": _NUMBER,
    },
    "required": ["now_ms", "counts", "calls", "inbound", "inbound_total"],
}
_LINE: Final = {
    "type": "object",
    "properties": {
        "at_ms": _NUMBER,
        "role": {"type": "string", "enum": ["user", "assistant"]},
        "text": {"type": "string"},
    },
}
_TRANSCRIPT: Final = {
    "type": "object",
    "properties": {
        "source": {"type": "string", "enum": ["live", "not_running", "unreachable"]},
        "lines": {"type": "array", "items": _LINE},
    },
    "required": ["source", "lines"],
}


class TranscriptQuery(msgspec.Struct):
    """The query of `GET /v1/calls/{id}/transcript`."""

    after_ms: Annotated[int, Meta(ge=0, le=1 << 53)] = 0


def live_call_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/v1/calls/live`, the words of a call, and the end of one that the bridge has not placed."""
    table, routes = RouteTable[Access](), _LiveCalls(bridge)
    reading = key_with("calls:read")
    table.get("/v1/calls/live", access=reading, returns=_LIVE, label="live")(routes.list_live)
    table.get(
        "/v1/calls/{id}/transcript", access=reading, query=TranscriptQuery, returns=_TRANSCRIPT, label="transcript"
    )(routes.get_transcript)
    table.post("/v1/fleet/calls/{id}/hang_up", access=key_with("calls:write"), returns=None, label="fleet")(
        routes.hang_up
    )
    return table.grouped("live")


class _LiveCalls:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def list_live(self, _call: BridgeCall) -> dict[str, Any]:
        """The calls that are with a carrier, the inbound ones that workers tell of, and how many are in each status that is not final."""

        def unit(connection: Connection) -> tuple[dict[str, int], list[dict[str, Any]]]:
            rows = queries.live(connection, MAX_SHOWN)
            return queries.counts_by_status(connection), [view_of(record_of(row)) for row in rows]

        bridge = self._bridge
        counts, calls = await bridge.database.read(unit)
        inbound = [one for one in bridge.dispatcher.calls() if one.call_class == "inbound"]
        inbound.sort(key=lambda one: -one.since_ms)
        return {
            "now_ms": bridge.clock.unix_ms(),
            "counts": counts,
            "calls": calls,
            "inbound": [
                {"id": one.call_id, "since_ms": one.since_ms, "worker_id": one.worker_id} for one in inbound[:MAX_SHOWN]
            ],
            "inbound_total": len(inbound),
        }

    async def get_transcript(self, call: BridgeCall) -> dict[str, Any]:
        """What is said in a call, as it comes: ask again with the `at_ms` of the last line. Of a call that is over its results have it."""
        query: TranscriptQuery = call.query
        source, lines = await self._bridge.live_transcripts.lines(call.text("id"), query.after_ms)
        return {"source": source, "lines": msgspec.to_builtins(lines)}

    async def hang_up(self, call: BridgeCall) -> None:
        """Has the worker end a call, also one that came in."""
        await self._bridge.dispatcher.command(call.text("id"), HangUp())
