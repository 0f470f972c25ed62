"""Calls at the APIs of Telnyx, Plivo and Exotel over real sockets, in both directions."""

import json
from typing import Any

import pytest

from tests.contract.carrier_simulator.harness import ACCOUNTS, EXOTEL, FROM, PLIVO, TO, ask, finished
from tests.fakes.carrier_customer import Customer, customer
from vox.clients.carrier_simulator.carriers.exotel import Flow
from vox.clients.carrier_simulator.scenario import Scenario
from vox.clients.carrier_simulator.server import CarrierSimulator
from vox.providers.carriers import exotel, plivo, telnyx


def events(shop: Customer) -> list[dict[str, Any]]:
    """Telnyx's webhooks so far."""
    return [json.loads(one.hook.body)["data"] for one in shop.received if one.path == "/status/telnyx"]


async def telnyx_command(simulator: CarrierSimulator, call_id: str, action: str, **body: Any) -> int:
    answer = await ask(simulator, "POST", f"/v2/calls/{call_id}/actions/{action}", json=body)
    return answer.status_code


async def test_telnyx_dials_once_for_a_command_id_and_moves_the_stream_by_stop_and_start():
    async with CarrierSimulator(speed=20) as simulator, customer("telnyx") as shop:
        order = {
            "to": TO,
            "from": FROM,
            "connection_id": "42",
            "webhook_url": f"{shop.url}/status/telnyx",
            "stream_url": f"{shop.media}/one",
            "custom_parameters": [{"name": "token", "value": "t1"}],
            "command_id": "only-once",
            "client_state": "aGk=",
        }
        first = (await ask(simulator, "POST", "/v2/calls", json=order)).json()["data"]
        again = (await ask(simulator, "POST", "/v2/calls", json=order)).json()["data"]
        assert again["call_control_id"] == first["call_control_id"]
        call_id = first["call_control_id"]
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
        active = (await ask(simulator, "GET", "/v2/connections/42/active_calls")).json()["data"]
        assert [one["client_state"] for one in active] == ["aGk="]
        assert await telnyx_command(simulator, call_id, "streaming_stop") == 200
        await shop.until(lambda: shop.talks[0].closed)
        assert await telnyx_command(simulator, call_id, "streaming_start", stream_url=f"{shop.media}/two") == 200
        await shop.until(lambda: len(shop.talks) > 1 and len(shop.talks[1].heard) > 800)
        assert await telnyx_command(simulator, call_id, "nonsense") == 404
        assert await telnyx_command(simulator, call_id, "hangup") == 200
        call = await finished(simulator, call_id)
        assert await telnyx_command(simulator, call_id, "hangup") == 422
        assert len(list(simulator.calls)) == 1
    assert [one["event_type"] for one in events(shop)] == [
        "call.initiated",
        "call.answered",
        "streaming.started",
        "streaming.stopped",
        "streaming.started",
        "streaming.stopped",
        "call.hangup",
    ]
    assert events(shop)[-1]["payload"]["hangup_cause"] == "normal_clearing"
    now = simulator.clock.wall().timestamp()
    for received in shop.received:
        telnyx.verify(received.hook, simulator.telnyx.key.public_key, now=now)
    assert shop.talks[0].started is not None
    assert dict(shop.talks[0].started.parameters) == {"token": "t1"}
    assert call.leg is not None
    assert len(call.leg.gaps()) == 1


async def test_a_telnyx_call_comes_in_and_is_answered_transferred_and_spoken_to_by_commands():
    async with CarrierSimulator(speed=20) as simulator, customer("telnyx") as shop:
        call = simulator.call_in("telnyx", url=f"{shop.url}/status/telnyx", from_=FROM, to=TO, uses_commands=True)
        call_id = call.record.call_id
        await shop.until(lambda: events(shop))
        assert await telnyx_command(simulator, call_id, "speak", payload="hi") == 422
        assert await telnyx_command(simulator, call_id, "answer", stream_url=f"{shop.media}/in") == 200
        await shop.until(lambda: shop.talks and shop.talks[0].started)
        assert await telnyx_command(simulator, call_id, "speak", payload="hello") == 200
        assert await telnyx_command(simulator, call_id, "client_state_update", client_state="b2s=") == 200
        assert await telnyx_command(simulator, call_id, "transfer", to="nowhere") == 422
        assert await telnyx_command(simulator, call_id, "transfer", to="+15550001111") == 200
        await shop.until(lambda: any(one["event_type"] == "call.bridged" for one in events(shop)))
        await telnyx_command(simulator, call_id, "hangup")
        await finished(simulator, call_id)
    assert events(shop)[0]["payload"]["direction"] == "incoming"
    assert events(shop)[-1]["payload"]["client_state"] == "b2s="


async def test_plivo_fetches_its_xml_streams_and_reports_ringing_and_hangup_signed():
    async with CarrierSimulator(speed=20) as simulator, customer("plivo") as shop:
        shop.documents["call"] = (
            '<Response><Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'
            f' extraHeaders="token=t1">{shop.media}/one</Stream></Response>'
        )
        body = {
            "to": TO.lstrip("+"),
            "from": FROM.lstrip("+"),
            "answer_url": f"{shop.url}/answer/call",
            "ring_url": f"{shop.url}/status/plivo",
            "hangup_url": f"{shop.url}/status/plivo",
        }
        placed = (await ask(simulator, "POST", f"{PLIVO}/Call/", json=body)).json()
        call_id = placed["request_uuid"]
        assert placed["message"] == "call fired"
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
        live = (await ask(simulator, "GET", f"{PLIVO}/Call/{call_id}/?status=live")).json()
        listed = (await ask(simulator, "GET", f"{PLIVO}/Call/?status=live")).json()
        assert (live["call_status"], listed["calls"]) == ("in-progress", [call_id])
        assert (await ask(simulator, "GET", f"{PLIVO}/Call/{call_id}/")).status_code == 404
        spoken = await ask(simulator, "POST", f"{PLIVO}/Call/{call_id}/Speak/", json={"text": "hello"})
        assert spoken.status_code == 202
        assert (await ask(simulator, "DELETE", f"{PLIVO}/Call/{call_id}/")).status_code == 204
        await finished(simulator, call_id)
        record = (await ask(simulator, "GET", f"{PLIVO}/Call/{call_id}/")).json()
        total = (await ask(simulator, "GET", f"{PLIVO}/Call/")).json()["meta"]["total_count"]
    assert (record["hangup_cause_name"], record["hangup_source"], total) == ("Normal Hangup", "API Request", 1)
    assert shop.statuses("Event") == ["Ring", "Hangup"]
    for received in (*shop.received, shop.talks[0]):
        plivo.verify(received.hook, ACCOUNTS.plivo_auth_token, now=0.0)
    assert shop.talks[0].started is not None
    assert dict(shop.talks[0].started.parameters) == {"token": "t1"}


async def test_plivo_calls_many_numbers_transfers_and_cancels():
    async with CarrierSimulator(speed=2) as simulator, customer("plivo") as shop:
        shop.documents["call"] = "<Response><Wait length='60'/></Response>"
        shop.documents["other"] = f'<Response><Stream keepCallAlive="true">{shop.media}/two</Stream></Response>'
        body = {"to": "15550000001<15550000002", "from": FROM, "answer_url": f"{shop.url}/answer/call"}
        first, second = (await ask(simulator, "POST", f"{PLIVO}/Call/", json=body)).json()["request_uuid"]
        assert (await ask(simulator, "DELETE", f"{PLIVO}/Request/{second}/")).status_code == 204
        await simulator.wait_for_event("document", call_id=first)
        moved = await ask(simulator, "POST", f"{PLIVO}/Call/{first}/", json={"aleg_url": f"{shop.url}/answer/other"})
        assert moved.status_code == 202
        await shop.until(lambda: shop.talks and shop.talks[0].started)
        assert (await ask(simulator, "DELETE", f"{PLIVO}/Call/{first}/Stream/")).status_code == 204
        started = await ask(
            simulator, "POST", f"{PLIVO}/Call/{first}/Stream/", json={"service_url": f"{shop.media}/three"}
        )
        assert started.status_code == 202
        await shop.until(lambda: len(shop.talks) > 1)
        await ask(simulator, "DELETE", f"{PLIVO}/Call/{first}/")
        await finished(simulator, first)
        cancelled = (await ask(simulator, "GET", f"{PLIVO}/Call/{second}/")).json()
    assert cancelled["call_state"] == "CANCEL"


async def test_exotel_runs_a_flow_that_leads_back_to_its_applet():
    async with customer("exotel") as shop:
        scenario = Scenario(exotel_flows={"7": Flow(f"{shop.url}/answer/applet", loops=True)})
        async with CarrierSimulator(scenario, speed=20) as simulator:
            shop.documents["applet"] = json.dumps({"url": f"{shop.media}/voicebot"})
            form = {
                "From": TO,
                "CallerId": "08000000001",
                "Url": "http://my.exotel.com/acme/exoml/start_voice/7",
                "StatusCallback": f"{shop.url}/status/exotel",
                "StatusCallbackEvents[0]": "terminal",
                "StatusCallbackEvents[1]": "answered",
                "StatusCallbackContentType": "application/json",
                "CustomField": "tag-1",
            }
            placed = (await ask(simulator, "POST", f"{EXOTEL}/Calls/connect.json", form=form.items())).json()["Call"]
            await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
            assert shop.talks[0].socket is not None
            shop.talks[0].socket.close(1000, "handing over")
            await shop.until(lambda: len(shop.talks) > 1 and len(shop.talks[1].heard) > 1600)
            await ask(simulator, "POST", f"/simulator/calls/{placed['Sid']}/hang_up")
            await finished(simulator, placed["Sid"])
            shown = (await ask(simulator, "GET", f"{EXOTEL}/Calls/{placed['Sid']}.json")).json()["Call"]
            unknown = await ask(simulator, "GET", f"{EXOTEL}/Calls/none.json")
    reported = [json.loads(one.hook.body) for one in shop.received if one.path == "/status/exotel"]
    assert [(one["EventType"], one["Status"], one["CustomField"]) for one in reported] == [
        ("answered", "in-progress", "tag-1"),
        ("terminal", "completed", "tag-1"),
    ]
    assert (shown["Status"], unknown.json()["RestException"]["Status"]) == ("completed", 404)
    asked = next(one for one in shop.received if one.path == "/answer/applet")
    assert (asked.hook.method, asked.hook.fields()["customfield"]) == ("GET", "tag-1")


@pytest.mark.parametrize("carrier", ["telnyx", "plivo", "exotel"])
async def test_a_call_comes_in_at_each_carrier_and_streams_as_its_answer_says(carrier):
    driver = {"telnyx": telnyx, "plivo": plivo, "exotel": exotel}[carrier]
    async with CarrierSimulator(speed=20) as simulator, customer(carrier) as shop:
        shop.documents["in"] = driver.answer(f"{shop.media}/in", parameters={"agent": "front"}).body.decode()
        call = simulator.call_in(carrier, url=f"{shop.url}/answer/in", from_=FROM, to=TO)
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
        await simulator.wait_for(lambda one: one.leg is not None and one.leg.report().has_answered)
        assert shop.talks[0].socket is not None
        shop.talks[0].socket.close(1000, "goodbye")
        await finished(simulator, call.record.call_id)
    assert call.record.status == "completed"
