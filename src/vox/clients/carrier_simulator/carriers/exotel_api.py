"""Exotel's REST API: connect a number to a flow, and look a call up."""

from typing import Any, Final

from vox.clients.carrier_simulator.api import Access, ApiCall
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.carriers.exotel import Exotel
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.http.routing import RouteTable

ACCESS: Final = Access("exotel")


def exotel_routes(calls: Calls, exotel: Exotel) -> RouteTable[Access]:
    """The routes; answers are JSON under either name."""
    api = _Api(calls, exotel)
    table = RouteTable[Access]("/v1/Accounts/{account}")
    for path in ("/Calls/connect", "/Calls/connect.json"):
        table.post(path, access=ACCESS, body=bytes, is_raw=True, returns=dict)(api.connect)
    table.get("/Calls/{name}", access=ACCESS, returns=dict)(api.get)
    return table


class _Api:
    def __init__(self, calls: Calls, exotel: Exotel) -> None:
        self._calls = calls
        self._exotel = exotel

    async def connect(self, call: ApiCall) -> dict[str, Any]:
        """Calls a number and connects it to a flow."""
        self._check_account(call)
        order = self._exotel.order(call.form())
        placed = await self._calls.place(self._exotel, order, account=self._exotel.account_sid)
        return self._exotel.resource(placed.record)

    async def get(self, call: ApiCall) -> dict[str, Any]:
        """One call."""
        self._check_account(call)
        found = self._calls.get("exotel", call.text("name").removesuffix(".json"), self._exotel)
        return self._exotel.resource(found.record)

    def _check_account(self, call: ApiCall) -> None:
        if call.text("account") != self._exotel.account_sid:
            raise RequestRefused(self._exotel.not_found())
