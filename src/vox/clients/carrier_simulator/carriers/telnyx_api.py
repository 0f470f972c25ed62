"""Telnyx's REST API: dial, the commands for a call, and the calls of a connection."""

from typing import Any, Final

from vox.clients.carrier_simulator.api import Access, ApiCall
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.call_events import (
    AnswerAsked,
    HangUpAsked,
    SpeakAsked,
    StreamAsked,
    StreamStopAsked,
    TransferAsked,
)
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.carriers.telnyx import Telnyx, check_client_state, refused
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.clients.carrier_simulator.numbers import is_number
from vox.http.routing import RouteTable

ACCESS: Final = Access("telnyx")
MAX_COMMANDS: Final = 10_000
_OK: Final[dict[str, Any]] = {"data": {"result": "ok"}}


def telnyx_routes(calls: Calls, telnyx: Telnyx) -> RouteTable[Access]:
    """The routes."""
    api = _Api(calls, telnyx)
    table = RouteTable[Access]("/v2")
    table.post("/calls", access=ACCESS, body=bytes, is_raw=True, returns=dict)(api.dial)
    table.get("/calls/{id}", access=ACCESS, returns=dict)(api.get)
    table.get("/connections/{connection}/active_calls", access=ACCESS, returns=dict)(api.active)
    table.post("/calls/{id}/actions/{action}", access=ACCESS, body=bytes, is_raw=True, returns=dict)(api.command)
    return table


class _Api:
    def __init__(self, calls: Calls, telnyx: Telnyx) -> None:
        self._calls = calls
        self._telnyx = telnyx
        self._seen: dict[str, SimulatedCarrierCall] = {}  # by command id, oldest first

    async def dial(self, call: ApiCall) -> dict[str, Any]:
        """Places a call; a `command_id` that was seen before places no second one."""
        body = call.json_object()
        command = str(body.get("command_id", ""))
        if command and (before := self._seen.get(command)) is not None:
            return {"data": self._telnyx.resource(before.record)}
        order, state = self._telnyx.order(body), check_client_state(body)

        def started(placed: SimulatedCarrierCall) -> None:
            placed.record.client_state = state
            self._remember(command, placed)

        placed = await self._calls.place(
            self._telnyx, order, account=str(body.get("connection_id", "")), on_start=started
        )
        return {"data": self._telnyx.resource(placed.record)}

    async def get(self, call: ApiCall) -> dict[str, Any]:
        """One call."""
        return {"data": self._telnyx.resource(self._found(call).record)}

    async def active(self, call: ApiCall) -> dict[str, Any]:
        """The calls of a connection that are alive."""
        found = [
            self._telnyx.resource(one.record)
            for one in self._calls.of("telnyx")
            if one.record.account == call.text("connection") and not one.record.status.is_final
        ]
        return {"data": found, "meta": {"total_items": len(found), "cursors": {"after": None, "before": None}}}

    async def command(self, call: ApiCall) -> dict[str, Any]:
        """A command for a call; one whose `command_id` was seen before does nothing."""
        found, body = self._found(call), call.json_object()
        if found.record.status.is_final:
            raise RequestRefused(self._telnyx.ended())
        command = str(body.get("command_id", ""))
        if command and command in self._seen:
            return _OK
        if state := check_client_state(body):
            found.record.client_state = state
        await self._obey(found, call.text("action"), body)
        self._remember(command, found)
        return _OK

    async def _obey(self, found: SimulatedCarrierCall, action: str, body: dict[str, Any]) -> None:
        is_answered = found.record.answered is not None
        match action:
            case "answer" if found.record.is_inbound and not is_answered:
                stream = self._telnyx.stream(body) if body.get("stream_url") else None
                await found.apply(AnswerAsked())
                if stream is not None:
                    await found.apply(StreamAsked(stream))
            case "hangup" | "reject":
                await found.apply(HangUpAsked())
            case "streaming_start" if is_answered:
                await found.apply(StreamAsked(self._telnyx.stream(body)))
            case "streaming_stop" if is_answered:
                await found.apply(StreamStopAsked())
            case "speak" if is_answered:
                await found.apply(SpeakAsked(str(body.get("payload", ""))))
            case "transfer" if is_answered:
                number = str(body.get("to", ""))
                if not (is_number(number) or number.startswith("sip:")):
                    raise refused(422, "10016", "Phone number must be in +E164 format", "/to")
                await found.apply(TransferAsked(number))
            case "client_state_update":
                pass
            case "answer" | "streaming_start" | "streaming_stop" | "speak" | "transfer":
                raise refused(422, "90034", "Call not answered yet, or answered already", "/call_control_id")
            case _:
                raise RequestRefused(self._telnyx.not_found())

    def _found(self, call: ApiCall) -> SimulatedCarrierCall:
        return self._calls.get("telnyx", call.text("id"), self._telnyx)

    def _remember(self, command: str, call: SimulatedCarrierCall) -> None:
        if command:
            self._seen[command] = call
            if len(self._seen) > MAX_COMMANDS:
                del self._seen[next(iter(self._seen))]
