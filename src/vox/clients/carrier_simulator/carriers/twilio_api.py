"""Twilio's REST API: create, get, list and change calls."""

from datetime import datetime
from typing import Any

from vox.clients.carrier_simulator.api import Access, ApiCall, reply
from vox.clients.carrier_simulator.call_events import HangUpAsked, RedirectAsked
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.carriers.twilio import API_VERSION, Twilio, error
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.http.routing import Reply, RouteTable

ACCESS = Access("twilio")


def twilio_routes(calls: Calls, twilio: Twilio) -> RouteTable[Access]:
    """The routes."""
    api = _Api(calls, twilio)
    table = RouteTable[Access](f"/{API_VERSION}/Accounts/{{account}}")
    table.post("/Calls.json", access=ACCESS, body=bytes, is_raw=True, status=201, returns=dict)(api.create)
    table.get("/Calls.json", access=ACCESS, returns=dict)(api.list)
    table.get("/Calls/{name}", access=ACCESS, returns=dict)(api.get)
    table.post("/Calls/{name}", access=ACCESS, body=bytes, is_raw=True, returns=dict)(api.update)
    table.delete("/Calls/{name}", access=ACCESS)(api.delete)
    return table


class _Api:
    def __init__(self, calls: Calls, twilio: Twilio) -> None:
        self._calls = calls
        self._twilio = twilio

    async def create(self, call: ApiCall) -> Reply:
        """Places a call."""
        self._check_account(call)
        placed = await self._calls.place(
            self._twilio, self._twilio.order(call.form()), account=self._twilio.account_sid
        )
        return reply(201, self._twilio.resource(placed.record))

    async def get(self, call: ApiCall) -> dict[str, Any]:
        """One call."""
        self._check_account(call)
        return self._twilio.resource(self._calls.get("twilio", _sid(call), self._twilio).record)

    async def update(self, call: ApiCall) -> dict[str, Any]:
        """Ends a call, or gives it another document."""
        self._check_account(call)
        found = self._calls.get("twilio", _sid(call), self._twilio)
        fields = dict(call.form())
        status = fields.get("Status", "")
        if status not in {"", "canceled", "completed"}:
            raise RequestRefused(error(400, 21218, f"Invalid Status {status}: use canceled or completed"))
        if found.record.status.is_final:
            if not status:
                raise RequestRefused(error(400, 21220, "Call is not in-progress. Cannot redirect."))
        elif status:
            if status == "completed" or found.record.answered is None:
                await found.apply(HangUpAsked())
        elif found.record.answered is None:
            raise RequestRefused(error(400, 21220, "Call is not in-progress. Cannot redirect."))
        else:
            await found.apply(RedirectAsked(self._twilio.source(fields)))
        return self._twilio.resource(found.record)

    async def delete(self, call: ApiCall) -> None:
        """Forgets a call that is over."""
        self._check_account(call)
        found = self._calls.get("twilio", _sid(call), self._twilio)
        if not found.record.status.is_final:
            raise RequestRefused(error(409, 20009, "A call in progress cannot be deleted"))
        self._calls.forget(found)

    async def list(self, call: ApiCall) -> dict[str, Any]:
        """Calls, newest first."""
        self._check_account(call)
        query = call.query()
        size = _count(query.get("PageSize", ""), 50)
        page = _count(query.get("Page", ""), 0)
        found = [
            self._twilio.resource(one.record)
            for one in self._calls.of("twilio")
            if query.get("To", one.record.order.to) == one.record.order.to
            and query.get("From", one.record.order.from_) == one.record.order.from_
            and query.get("Status", one.record.status) == one.record.status
            and _is_between(one.record.answered or one.record.created, query)
        ]
        uri = f"/{API_VERSION}/Accounts/{self._twilio.account_sid}/Calls.json"
        chosen = found[page * size : (page + 1) * size]
        has_more = len(found) > (page + 1) * size
        return {
            "calls": chosen,
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(0, len(chosen) - 1),
            "uri": f"{uri}?PageSize={size}&Page={page}",
            "first_page_uri": f"{uri}?PageSize={size}&Page=0",
            "previous_page_uri": f"{uri}?PageSize={size}&Page={page - 1}" if page else None,
            "next_page_uri": f"{uri}?PageSize={size}&Page={page + 1}" if has_more else None,
        }

    def _check_account(self, call: ApiCall) -> None:
        if call.text("account") != self._twilio.account_sid:
            raise RequestRefused(self._twilio.not_found())


def _sid(call: ApiCall) -> str:
    return call.text("name").removesuffix(".json")


def _count(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else default  # noqa: PLR2004  1000 at most at Twilio


def _is_between(when: datetime, query: dict[str, str]) -> bool:
    day = when.date().isoformat()
    moment = when.strftime("%Y-%m-%dT%H:%M:%SZ")

    def shown(limit: str) -> str:
        return moment if "T" in limit else day

    exact, after, before = query.get("StartTime", ""), query.get("StartTime>", ""), query.get("StartTime<", "")
    return not (
        (exact and shown(exact) != exact) or (after and shown(after) < after) or (before and shown(before) > before)
    )
