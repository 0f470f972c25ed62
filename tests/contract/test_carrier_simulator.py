"""Calls through the carrier simulator over real sockets: its REST API, its callbacks, its media streams."""

from typing import Any
from urllib.parse import urlencode

import httpx2

from tests.fakes.carrier_customer import Customer, customer
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.server import Accounts, CarrierSimulator
from vox.providers.carriers import twilio as twilio_driver

ACCOUNTS = Accounts()
EVENTS = ("initiated", "ringing", "answered", "completed")


async def create(simulator: CarrierSimulator, shop: Customer, to: str = "+15551234567", **more: str) -> dict[str, Any]:
    """Places a call at the Twilio-shaped API; the answer's JSON."""
    form = {"To": to, "From": "+15557654321", "Url": f"{shop.url}/answer/call", **more}
    events = [("StatusCallback", f"{shop.url}/status/call"), *(("StatusCallbackEvent", event) for event in EVENTS)]
    return await post(simulator, "Calls.json", [*form.items(), *events])


async def post(simulator: CarrierSimulator, path: str, fields: list[tuple[str, str]]) -> dict[str, Any]:
    url = f"{simulator.url}/2010-04-01/Accounts/{ACCOUNTS.twilio_account_sid}/{path}"
    auth = (ACCOUNTS.twilio_account_sid, ACCOUNTS.twilio_auth_token)
    body = urlencode(fields).encode()
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            url, content=body, headers={"content-type": "application/x-www-form-urlencoded"}, auth=auth
        )
    return {"http_status": answer.status_code, **answer.json()}


def stream_to(shop: Customer, name: str, rest: str = "") -> str:
    parameter = '<Parameter name="token" value="once"/>'
    return f'<Response><Connect><Stream url="{shop.media}/{name}">{parameter}</Stream></Connect>{rest}</Response>'


async def test_a_call_is_answered_streams_both_ways_and_reports_each_step_in_order_signed():
    async with CarrierSimulator(speed=20) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one")
        placed = await create(simulator, shop)
        assert (placed["http_status"], placed["status"]) == (201, "queued")
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
        await post(simulator, f"Calls/{placed['sid']}.json", [("Status", "completed")])
        await shop.until(lambda: "completed" in shop.statuses())
        call = simulator.calls.find(placed["sid"])
        async with time_limit():
            await call.is_finished.wait()
    assert shop.statuses() == ["initiated", "ringing", "in-progress", "completed"]
    assert shop.statuses("SequenceNumber") == ["0", "1", "2", "3"]
    for received in (*shop.received, shop.talks[0]):
        twilio_driver.verify(received.hook, ACCOUNTS.twilio_auth_token, now=0.0)
    talk = shop.talks[0]
    assert talk.started is not None
    assert (talk.started.call_id, dict(talk.started.parameters)) == (placed["sid"], {"token": "once"})
    assert talk.stopped is not None
    assert call.leg is not None
    assert call.leg.report().has_answered


async def test_when_the_server_closes_the_stream_the_document_goes_on_and_the_gap_is_measured():
    async with CarrierSimulator(speed=20) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one", f"<Redirect>{shop.url}/answer/next</Redirect>")
        shop.documents["next"] = stream_to(shop, "two")
        placed = await create(simulator, shop)
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
        assert shop.talks[0].socket is not None
        shop.talks[0].socket.close(1000, "handing over")
        await shop.until(lambda: len(shop.talks) > 1 and len(shop.talks[1].heard) > 1600)
        call = simulator.calls.find(placed["sid"])
        assert call.leg is not None
        gaps = call.leg.gaps()
    assert len(gaps) == 1
    assert 0 < gaps[0].without_stream_s <= (gaps[0].until_audio_s or 0.0)
    assert shop.talks[0].stopped is None
