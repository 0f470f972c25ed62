"""Plivo's REST API: create, get, list, transfer and end calls, and their media streams."""

from typing import Any, Final

from vox.clients.carrier_simulator.api import Access, ApiCall, reply
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.call_events import (
    CallStatus,
    DocumentSource,
    HangUpAsked,
    RedirectAsked,
    SpeakAsked,
    StreamAsked,
    StreamStopAsked,
)
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.carriers.plivo import Plivo, refused
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.http.routing import Reply, RouteTable

ACCESS: Final = Access("plivo")
MAX_NUMBERS: Final = 1000
_API_ID: Final = {"api_id": "simulated"}


def plivo_routes(calls: Calls, plivo: Plivo) -> RouteTable[Access]:
    """The routes."""
    api = _Api(calls, plivo)
    with_body: dict[str, Any] = {"access": ACCESS, "body": bytes, "is_raw": True, "returns": dict}
    table = RouteTable[Access]("/v1/Account/{account}")
    table.post("/Call/", **with_body)(api.create)
    table.get("/Call/", access=ACCESS, returns=dict)(api.list)
    table.get("/Call/{id}/", access=ACCESS, returns=dict)(api.get)
    table.post("/Call/{id}/", **with_body)(api.transfer)
    table.delete("/Call/{id}/", access=ACCESS)(api.hang_up)
    table.delete("/Request/{id}/", access=ACCESS)(api.cancel)
    table.post("/Call/{id}/Speak/", **with_body)(api.speak)
    table.post("/Call/{id}/Stream/", **with_body)(api.start_stream)
    table.delete("/Call/{id}/Stream/", access=ACCESS)(api.stop_stream)
    table.delete("/Call/{id}/Stream/{stream}/", access=ACCESS)(api.stop_stream)
    return table


class _Api:
    def __init__(self, calls: Calls, plivo: Plivo) -> None:
        self._calls = calls
        self._plivo = plivo

    async def create(self, call: ApiCall) -> Reply:
        """Places one call for each number."""
        self._check_account(call)
        orders = self._plivo.orders(call.json_object())
        if len(orders) > MAX_NUMBERS:
            raise refused(f"to parameter has more than {MAX_NUMBERS} numbers")
        ids = [
            (await self._calls.place(self._plivo, order, account=self._plivo.auth_id)).record.call_id
            for order in orders
        ]
        many = len(ids) > 1
        return reply(
            201,
            {**_API_ID, "message": "calls fired" if many else "call fired", "request_uuid": ids if many else ids[0]},
        )

    async def get(self, call: ApiCall) -> dict[str, Any]:
        """One call: live or queued where the query says so, else the detail record of one that is over."""
        found = self._found(call).record
        status = call.query().get("status", "")
        if status in {"live", "queued"}:
            is_queued = found.status is CallStatus.QUEUED
            if found.status.is_final or is_queued is not (status == "queued"):
                raise RequestRefused(self._plivo.not_found())
            return {**_API_ID, **self._plivo.live_resource(found)}
        if not found.status.is_final:
            raise RequestRefused(self._plivo.not_found())  # the record is written when the call is over
        return {**_API_ID, **self._plivo.resource(found)}

    async def list(self, call: ApiCall) -> dict[str, Any]:
        """Detail records, newest first; or the ids of live or queued calls."""
        self._check_account(call)
        query = call.query()
        found = [one.record for one in self._calls.of("plivo")]
        status = query.get("status", "")
        if status in {"live", "queued"}:
            ids = [
                one.call_id
                for one in found
                if not one.status.is_final and (one.status is CallStatus.QUEUED) is (status == "queued")
            ]
            return {**_API_ID, "calls": ids}
        chosen = [
            self._plivo.resource(one)
            for one in found
            if one.status.is_final
            and query.get("to_number", one.order.to).lstrip("+") == one.order.to.lstrip("+")
            and query.get("from_number", one.order.from_).lstrip("+") == one.order.from_.lstrip("+")
        ]
        limit, offset = _count(query.get("limit", ""), 20), _count(query.get("offset", ""), 0)
        meta = {"limit": limit, "offset": offset, "total_count": len(chosen), "next": None, "previous": None}
        return {**_API_ID, "meta": meta, "objects": chosen[offset : offset + limit]}

    async def transfer(self, call: ApiCall) -> Reply:
        """Gives a call another document."""
        found, body = self._answered(call), call.json_object()
        url = str(body.get("aleg_url", ""))
        if not url.startswith(("http://", "https://")):
            raise refused("aleg_url parameter is not a valid URL")
        await found.apply(RedirectAsked(DocumentSource(url, str(body.get("aleg_method", "POST")))))
        return reply(202, {**_API_ID, "message": "transfer executed", "call_uuids": [found.record.call_id]})

    async def hang_up(self, call: ApiCall) -> None:
        """Ends a call."""
        found = self._found(call)
        if found.record.status.is_final:
            raise RequestRefused(self._plivo.not_found())
        await found.apply(HangUpAsked())

    async def cancel(self, call: ApiCall) -> None:
        """Cancels a call that has not been answered."""
        found = self._found(call)
        if found.record.status.is_final or found.record.answered is not None:
            raise RequestRefused(self._plivo.not_found())
        await found.apply(HangUpAsked())

    async def speak(self, call: ApiCall) -> Reply:
        """The carrier speaks."""
        found = self._answered(call)
        await found.apply(SpeakAsked(str(call.json_object().get("text", ""))))
        return reply(202, {**_API_ID, "message": "speak started"})

    async def start_stream(self, call: ApiCall) -> Reply:
        """Starts a media stream."""
        found = self._answered(call)
        await found.apply(StreamAsked(self._plivo.stream(call.json_object())))
        return reply(202, {**_API_ID, "message": "audio streaming started", "stream_id": found.record.call_id})

    async def stop_stream(self, call: ApiCall) -> None:
        """Ends the media stream."""
        await self._answered(call).apply(StreamStopAsked())

    def _found(self, call: ApiCall) -> SimulatedCarrierCall:
        self._check_account(call)
        return self._calls.get("plivo", call.text("id"), self._plivo)

    def _answered(self, call: ApiCall) -> SimulatedCarrierCall:
        found = self._found(call)
        if found.record.status is not CallStatus.IN_PROGRESS:
            raise RequestRefused(self._plivo.not_found())
        return found

    def _check_account(self, call: ApiCall) -> None:
        if call.text("account") != self._plivo.auth_id:
            raise RequestRefused(self._plivo.not_found())


def _count(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else default  # noqa: PLR2004  digits
