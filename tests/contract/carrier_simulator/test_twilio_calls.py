"""Calls at the Twilio-shaped API over real sockets: documents, streams both ways, callbacks in order, hand-over, commands."""

import ssl
from pathlib import Path

import httpx2

from tests.contract.carrier_simulator.harness import (
    ACCOUNTS,
    EXOTEL,
    FROM,
    PLIVO,
    TO,
    TWILIO,
    ask,
    create,
    finished,
    stream_to,
    update,
)
from tests.e2e.certificates import certificate
from tests.fakes.carrier_customer import customer
from vox.clients.carrier_simulator.behaviour import AnsweredBy, Behaviour, Outcome, PressKeys, Silence
from vox.clients.carrier_simulator.call_events import CallStatus
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.server import CarrierSimulator
from vox.providers.carriers import twilio as twilio_driver


async def test_a_call_is_answered_streams_both_ways_and_reports_each_step_in_order_signed():
    async with CarrierSimulator(speed=20) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one")
        placed = await create(simulator, shop)
        assert (placed["http_status"], placed["status"]) == (201, "queued")
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 1600)
        assert (await update(simulator, placed["sid"], Status="completed"))["status"] == "completed"
        call = await finished(simulator, placed["sid"])
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
        shop.documents["call"] = stream_to(shop, "one", "<Redirect>/answer/next</Redirect>")
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
    assert gaps[0].silence_s is not None
    assert shop.talks[0].stopped is None


async def test_a_call_in_progress_takes_another_document_and_its_old_stream_ends_in_order():
    async with CarrierSimulator(speed=20) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one")
        shop.documents["other"] = stream_to(shop, "two")
        placed = await create(simulator, shop)
        await shop.until(lambda: shop.talks and shop.talks[0].started)
        await update(simulator, placed["sid"], Url=f"{shop.url}/answer/other")
        await shop.until(lambda: len(shop.talks) > 1 and shop.talks[1].started)
        await shop.until(lambda: shop.talks[0].closed)
        assert shop.talks[0].stopped is not None
        assert (await update(simulator, placed["sid"], Twiml="<Response><Hangup/></Response>"))["status"] == "completed"
        assert (await update(simulator, placed["sid"], Twiml="<Response/>"))["code"] == 21220
        await finished(simulator, placed["sid"])


async def test_the_outcomes_of_a_scenario_reach_the_callback_and_the_list():
    rules = [
        Rule("+15550000001", Behaviour(Outcome.BUSY)),
        Rule("+15550000002", Behaviour(Outcome.NO_ANSWER)),
        Rule("+15550000003", Behaviour(Outcome.FAIL)),
    ]
    async with CarrierSimulator(Scenario(rules), speed=100) as simulator, customer() as shop:
        for rule in rules:
            placed = await create(simulator, shop, rule.to, Timeout="20")
            await finished(simulator, placed["sid"])
        found = (await ask(simulator, "GET", f"{TWILIO}/Calls.json?From=%2B15557654321&PageSize=2")).json()
        busy = (await ask(simulator, "GET", f"{TWILIO}/Calls.json?Status=busy&StartTime%3E=2020-01-01")).json()
        rest = (await ask(simulator, "GET", found["next_page_uri"])).json()
        older = (await ask(simulator, "GET", f"{TWILIO}/Calls.json?StartTime%3C=2020-01-01")).json()
    assert [one for one in shop.statuses() if one not in {"initiated", "ringing"}] == ["busy", "no-answer", "failed"]
    assert [one["status"] for one in (*found["calls"], *rest["calls"])] == ["failed", "no-answer", "busy"]
    assert [one["to"] for one in busy["calls"]] == ["+15550000001"]
    assert older["calls"] == []


async def test_a_machine_is_detected_and_keys_are_gathered():
    machine = Behaviour(answered_by=AnsweredBy.MACHINE, detection_s=0.05, callee=[Silence(0.2), PressKeys("42")] * 20)
    async with CarrierSimulator(Scenario(default=machine), speed=100) as simulator, customer() as shop:
        shop.documents["call"] = '<Response><Gather numDigits="2" action="/answer/keys" timeout="30"/></Response>'
        shop.documents["keys"] = "<Response><Hangup/></Response>"
        placed = await create(
            simulator,
            shop,
            MachineDetection="Enable",
            AsyncAmd="true",
            AsyncAmdStatusCallback=f"{shop.url}/status/amd",
        )
        call = await finished(simulator, placed["sid"])
    keys = [one.form for one in shop.received if one.path == "/answer/keys"]
    assert [one["Digits"] for one in keys] == ["42"]
    assert shop.statuses("AnsweredBy", "amd") == ["machine_start"]
    assert call.record.status is CallStatus.COMPLETED


async def test_a_call_comes_in_asks_the_webhook_and_streams():
    async with CarrierSimulator(speed=20) as simulator, customer() as shop:
        shop.documents["in"] = stream_to(shop, "in")
        status_url = f"{shop.url}/status/in"
        call = simulator.call_in("twilio", url=f"{shop.url}/answer/in", from_=FROM, to=TO, status_url=status_url)
        await shop.until(lambda: shop.talks and shop.talks[0].started)
        assert shop.talks[0].socket is not None
        shop.talks[0].socket.close(1000, "goodbye")
        await finished(simulator, call.record.call_id)
    assert (shop.received[0].form["Direction"], shop.received[0].form["CallStatus"]) == ("inbound", "ringing")
    assert shop.statuses(path="in") == ["completed"]
    assert call.record.status is CallStatus.COMPLETED


async def test_wrong_credentials_accounts_and_orders_are_refused_as_twilio_refuses_them():
    async with CarrierSimulator() as simulator, customer() as shop:
        wrong = await ask(simulator, "GET", "/2010-04-01/Accounts/AC1/Calls.json")
        nothing = await ask(simulator, "GET", "/2010-04-01/Unknown.json")
        missing = await ask(simulator, "GET", f"{TWILIO}/Calls/CA0.json")
        invalid = await create(simulator, shop, "12")
        async with httpx2.AsyncClient() as http:
            refused = [
                await http.get(f"{simulator.url}{TWILIO}/Calls.json", auth=(ACCOUNTS.twilio_account_sid, "wrong")),
                await http.post(f"{simulator.url}{TWILIO}/Calls.json", data={"To": TO}),
                await http.post(f"{simulator.url}/v2/calls", json={"to": TO}),
                await http.post(f"{simulator.url}{PLIVO}/Call/", json={"to": TO}),
                await http.post(f"{simulator.url}{EXOTEL}/Calls/connect", data={"From": TO}),
            ]
        assert not list(simulator.calls)
    assert [one.json()["code"] for one in (wrong, nothing, missing)] == [20404, 20404, 20404]
    assert (invalid["http_status"], invalid["code"]) == (400, 21211)
    assert [one.status_code for one in refused] == [401] * 5


async def test_a_certificate_of_ones_own_is_trusted_on_order(tmp_path: Path):
    pair = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=pair.cert)
    async with CarrierSimulator(speed=20, tls=trust) as simulator, customer(tls=(pair.cert, pair.key)) as shop:
        assert shop.media.startswith("wss://localhost:")
        shop.documents["call"] = stream_to(shop, "one")
        placed = await create(simulator, shop)
        await shop.until(lambda: shop.talks and shop.talks[0].started)
        await update(simulator, placed["sid"], Status="completed")
        await finished(simulator, placed["sid"])
    assert shop.statuses()[-1] == "completed"
