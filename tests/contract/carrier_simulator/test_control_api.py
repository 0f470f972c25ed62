"""The simulator's own API: what happened, how calls go from now on, calls that come in, and a hand on the callee's phone."""

import wave
from io import BytesIO

from tests.contract.carrier_simulator.harness import FROM, TO, ask, create, finished, stream_to
from tests.fakes.carrier_customer import customer
from vox.clients.carrier_simulator.server import CarrierSimulator, seeded_bits


async def test_calls_events_and_audio_can_be_looked_at():
    async with CarrierSimulator(speed=50, random_bits=seeded_bits(7)) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one", "<Redirect>/answer/call</Redirect>")
        about = (await ask(simulator, "GET", "/simulator")).json()
        assert about["carriers"]["telnyx"]["public_key"] == simulator.telnyx.key.public_key
        placed = await create(simulator, shop)
        await shop.until(lambda: shop.talks and len(shop.talks[0].heard) > 4000)
        await ask(simulator, "POST", f"/simulator/calls/{placed['sid']}/cut")
        await shop.until(lambda: len(shop.talks) > 1 and len(shop.talks[1].heard) > 1600)
        shown = (await ask(simulator, "GET", f"/simulator/calls/{placed['sid']}")).json()
        audio = await ask(simulator, "GET", f"/simulator/calls/{placed['sid']}/audio.wav")
        assert [one["end"] for one in shown["streams"]] == ["lost", None]
        assert len(shown["gaps"]) == 1
        assert shown["gaps"][0]["without_stream_s"] > 0
        assert shown["heard"]["has_answered"]
        await ask(simulator, "POST", f"/simulator/calls/{placed['sid']}/hang_up")
        await finished(simulator, placed["sid"])
        listed = (await ask(simulator, "GET", f"/simulator/calls?carrier=twilio&to=%2B{TO[1:]}")).json()
        events = (await ask(simulator, "GET", f"/simulator/events?kind=completed&call={placed['sid']}")).json()
        later = (await ask(simulator, "GET", f"/simulator/events?after={events['last'] + 100}&wait=0.05")).json()
    with wave.open(BytesIO(audio.content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        assert file.getnframes() > 4000
    assert listed["total"] == 1
    assert listed["calls"][0]["ending"]["ended_by"] == "callee"
    assert [one["status"] for one in events["events"]] == ["completed"]
    assert later["events"] == []


async def test_rules_and_scenarios_change_the_calls_that_follow():
    async with CarrierSimulator(speed=50) as simulator, customer() as shop:
        rule = b'{"to": "+1555*", "outcome": "busy"}'
        assert (await ask(simulator, "POST", "/simulator/rules", content=rule)).status_code == 204
        busy = await finished(simulator, (await create(simulator, shop))["sid"])
        assert (
            await ask(simulator, "PUT", "/simulator/scenario", content=b"default: {outcome: fail}")
        ).status_code == 204
        failed = await finished(simulator, (await create(simulator, shop))["sid"])
        wrong = await ask(simulator, "PUT", "/simulator/scenario", content=b"default: {outcome: fial}")
    assert (busy.record.status, failed.record.status) == ("busy", "failed")
    assert wrong.status_code == 400
    assert "line 1: 'fial' is none of" in wrong.json()["error"]["message"]


async def test_a_call_comes_in_by_request():
    async with CarrierSimulator(speed=50) as simulator, customer() as shop:
        shop.documents["in"] = stream_to(shop, "in")
        body = {"carrier": "twilio", "url": f"{shop.url}/answer/in", "from": FROM, "to": TO}
        placed = await ask(simulator, "POST", "/simulator/calls", json=body)
        assert (placed.status_code, placed.json()["direction"]) == (201, "inbound")
        await shop.until(lambda: shop.talks and shop.talks[0].started)


async def test_what_is_wrong_is_refused_and_web_pages_are_too():
    async with CarrierSimulator(speed=50) as simulator:
        inbound = {"carrier": "twilio", "url": "http://127.0.0.1:1/x", "from": FROM, "to": TO}
        answers = [
            await ask(simulator, "POST", "/simulator/calls", json={**inbound, "carrier": "acme"}),
            await ask(simulator, "POST", "/simulator/calls", json={**inbound, "tp": "1"}),
            await ask(simulator, "POST", "/simulator/calls", json={**inbound, "to": ""}),
            await ask(simulator, "POST", "/simulator/calls", content=b"[1]"),
            await ask(simulator, "GET", "/simulator/events?after=now"),
            await ask(simulator, "GET", "/simulator/calls/none"),
            await ask(simulator, "GET", "/simulator/nothing"),
            await ask(simulator, "DELETE", "/simulator"),
            await ask(simulator, "POST", "/simulator/calls", json=inbound, headers={"origin": "http://evil.example"}),
        ]
        assert not list(simulator.calls)
    assert [one.status_code for one in answers] == [400, 400, 400, 400, 400, 404, 404, 405, 403]
