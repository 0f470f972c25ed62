"""Requests to a carrier simulator as a customer's program makes them, with the accounts' credentials."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2

from tests.fakes.carrier_customer import Customer
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.server import Accounts, CarrierSimulator

ACCOUNTS = Accounts()
TO, FROM = "+15551234567", "+15557654321"
TWILIO = f"/2010-04-01/Accounts/{ACCOUNTS.twilio_account_sid}"
PLIVO = f"/v1/Account/{ACCOUNTS.plivo_auth_id}"
EXOTEL = f"/v1/Accounts/{ACCOUNTS.exotel_account_sid}"
EVENTS = ("initiated", "ringing", "answered", "completed")
_BASIC = {
    "/2010": (ACCOUNTS.twilio_account_sid, ACCOUNTS.twilio_auth_token),
    "/v1/Account/": (ACCOUNTS.plivo_auth_id, ACCOUNTS.plivo_auth_token),
    "/v1/Accounts/": (ACCOUNTS.exotel_api_key, ACCOUNTS.exotel_api_token),
}


async def ask(
    simulator: CarrierSimulator,
    method: str,
    path: str,
    *,
    form: Iterable[tuple[str, str]] | None = None,
    json: Mapping[str, Any] | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> httpx2.Response:
    """One request, with the credentials of the account whose path it is."""
    extra = dict(headers or {})
    auth = next((pair for prefix, pair in _BASIC.items() if path.startswith(prefix)), None)
    if path.startswith("/v2/"):
        extra.setdefault("authorization", f"Bearer {ACCOUNTS.telnyx_api_key}")
    if form is not None:
        content = urlencode([*form]).encode()
        extra["content-type"] = "application/x-www-form-urlencoded"
    async with httpx2.AsyncClient(timeout=timeout_s) as http:
        return await http.request(
            method, f"{simulator.url}{path}", content=content, json=json, headers=extra, auth=auth
        )


async def create(simulator: CarrierSimulator, shop: Customer, to: str = TO, **more: str) -> dict[str, Any]:
    """Places a call at the Twilio-shaped API that reports every step to `/status/call`; the answer's JSON."""
    form = {"To": to, "From": FROM, "Url": f"{shop.url}/answer/call", "StatusCallback": f"{shop.url}/status/call"}
    fields = [*(form | more).items(), *(("StatusCallbackEvent", event) for event in EVENTS)]
    answer = await ask(simulator, "POST", f"{TWILIO}/Calls.json", form=fields)
    return {"http_status": answer.status_code, **answer.json()}


async def update(simulator: CarrierSimulator, sid: str, **fields: str) -> dict[str, Any]:
    """Changes a call at the Twilio-shaped API."""
    answer = await ask(simulator, "POST", f"{TWILIO}/Calls/{sid}.json", form=fields.items())
    return {"http_status": answer.status_code, **answer.json()}


def stream_to(shop: Customer, name: str, rest: str = "") -> str:
    """TwiML that connects the call to a stream, and what follows."""
    parameter = '<Parameter name="token" value="once"/>'
    return f'<Response><Connect><Stream url="{shop.media}/{name}">{parameter}</Stream></Connect>{rest}</Response>'


async def finished(simulator: CarrierSimulator, call_id: str) -> SimulatedCarrierCall:
    """A call once its last callback is out."""
    call = simulator.calls.find(call_id)
    await simulator.wait_for(lambda one: one is call and one.is_finished.is_set())
    return call
