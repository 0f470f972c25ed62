"""What goes wrong at carriers, on order: requests that fail, callbacks out of order, streams that break or are refused."""

import asyncio

import httpx2
import numpy as np
import pytest

from tests.contract.carrier_simulator.harness import EXOTEL, TO, TWILIO, ask, create, finished, stream_to, update
from tests.fakes.carrier_customer import customer
from vox.clients.audio_files import Recording
from vox.clients.carrier_simulator.behaviour import (
    AfterStream,
    ApiFault,
    Beep,
    Behaviour,
    CallbackFaults,
    EndCall,
    SayText,
    StreamFaults,
)
from vox.clients.carrier_simulator.scenario import Scenario
from vox.clients.carrier_simulator.server import CarrierSimulator
from vox.clients.carrier_simulator.voices import beep
from vox.errors import UsageError
from vox.http.picows_socket import PicowsSocket
from vox.media.g711 import mulaw_decode


def simulator_with(behaviour: Behaviour) -> CarrierSimulator:
    return CarrierSimulator(Scenario(default=behaviour), speed=50)


@pytest.mark.parametrize(
    ("fault", "status", "calls"),
    [
        (ApiFault.RATE_LIMIT, 429, 0),
        (ApiFault.SERVER_ERROR, 500, 0),
        (ApiFault.ERROR_AFTER_DIALLING, 500, 1),
    ],
)
async def test_a_request_fails_with_or_without_dialling(fault, status, calls):
    async with simulator_with(Behaviour(api=fault)) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one")
        assert (await create(simulator, shop))["http_status"] == status
        assert len(list(simulator.calls)) == calls


@pytest.mark.parametrize(
    ("fault", "calls"), [(ApiFault.TIMEOUT_AFTER_DIALLING, 1), (ApiFault.TIMEOUT_BEFORE_DIALLING, 0)]
)
async def test_a_request_times_out_and_the_list_says_whether_it_was_dialled(fault, calls):
    async with simulator_with(Behaviour(api=fault)) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one")
        form = {"To": TO, "From": "+15557654321", "Url": f"{shop.url}/answer/call"}
        with pytest.raises(httpx2.TimeoutException):
            await ask(simulator, "POST", f"{TWILIO}/Calls.json", form=form.items(), timeout_s=0.2)
        found = (await ask(simulator, "GET", f"{TWILIO}/Calls.json?To=%2B15551234567")).json()["calls"]
        assert len(found) == calls
        if calls:
            await shop.until(lambda: shop.talks)


async def test_callbacks_are_doubled_reversed_lost_or_sent_again():
    async def statuses(faults: CallbackFaults, status: int = 200) -> list[str]:
        async with simulator_with(Behaviour(callbacks=faults, hangs_up_after_s=0.05)) as simulator, customer() as shop:
            shop.documents["call"] = stream_to(shop, "one")
            shop.status = status
            placed = await create(simulator, shop)
            await finished(simulator, placed["sid"])
            return shop.statuses()

    assert await statuses(CallbackFaults(copies=2)) == [
        *("initiated", "initiated", "ringing", "ringing"),
        *("in-progress", "in-progress", "completed", "completed"),
    ]
    assert await statuses(CallbackFaults(is_reversed=True, delay_s=0.01)) == [
        "completed",
        "in-progress",
        "ringing",
        "initiated",
    ]
    assert await statuses(CallbackFaults(copies=0)) == []
    assert (await statuses(CallbackFaults(retries=1, retry_s=0.01), status=500))[:2] == ["initiated", "initiated"]


async def test_calls_above_the_rate_wait_in_the_queue_or_are_refused():
    async with (
        CarrierSimulator(Scenario(calls_per_second={"twilio": 0.001}), speed=50) as simulator,
        customer() as shop,
    ):
        shop.documents["call"] = stream_to(shop, "one")
        await create(simulator, shop, "+15550000001")
        waiting = await create(simulator, shop, "+15550000002")
        await shop.until(lambda: shop.talks)
        canceled = await update(simulator, waiting["sid"], Status="canceled")
        assert (canceled["status"], simulator.calls.find(waiting["sid"]).record.begun) == ("canceled", None)
        await simulator.set_scenario(Scenario(calls_per_minute={"exotel": 1}))
        form = {"From": TO, "CallerId": "08000000001", "StreamUrl": f"{shop.media}/x"}
        answers = [await ask(simulator, "POST", f"{EXOTEL}/Calls/connect", form=form.items()) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 429]


@pytest.mark.parametrize("after", [AfterStream.CONTINUE, AfterStream.END])
async def test_after_a_refused_upgrade_the_document_goes_on_or_the_call_ends(after):
    behaviour = Behaviour(stream=StreamFaults(after_refused=after))
    async with simulator_with(behaviour) as simulator, customer() as shop:
        shop.refusals["one"] = 503
        shop.documents["call"] = stream_to(shop, "one", "<Redirect>/answer/next</Redirect>")
        shop.documents["next"] = "<Response><Hangup/></Response>"
        placed = await create(simulator, shop)
        call = await finished(simulator, placed["sid"])
    assert ("/answer/next" in [one.path for one in shop.received]) is (after is AfterStream.CONTINUE)
    failed = next(one for one in call.record.events if one.kind == "stream_failed")
    assert failed.details["detail"] == "503"


async def test_a_stream_is_lost_on_either_side_without_a_close_frame():
    behaviour = Behaviour(stream=StreamFaults(cut_after_s=0.2))
    async with simulator_with(behaviour) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one", "<Redirect>/answer/next</Redirect>")
        shop.documents["next"] = stream_to(shop, "two", "<Redirect>/answer/last</Redirect>")
        shop.documents["last"] = stream_to(shop, "three")
        placed = await create(simulator, shop)
        await shop.until(lambda: len(shop.talks) > 1 and shop.talks[1].started)
        assert shop.talks[0].closed is not None
        assert shop.talks[0].closed[0] == 1006
        assert isinstance(shop.talks[1].socket, PicowsSocket)
        shop.talks[1].socket.abort()
        await shop.until(lambda: len(shop.talks) > 2 and shop.talks[2].started)
        call = simulator.calls.find(placed["sid"])
        assert call.record.kinds().count("stream_failed") == 2
        assert call.leg is not None
        assert [one.end for one in call.leg.streams] == ["lost", "lost", None]


async def test_voicemail_is_heard_with_its_greeting_and_beep_and_then_hangs_up():
    async def speaker(text: str) -> Recording:
        return Recording(beep(0.2).pcm, 8000) if text else Recording(b"", 8000)

    voicemail = Behaviour(callee=[SayText("please leave a message"), Beep(0.3), EndCall()])
    async with (
        CarrierSimulator(Scenario(default=voicemail), speed=50, speaker=speaker) as simulator,
        customer() as shop,
    ):
        shop.documents["call"] = stream_to(shop, "one")
        placed = await create(simulator, shop)
        call = await finished(simulator, placed["sid"])
    heard = np.frombuffer(mulaw_decode(bytes(shop.talks[0].heard)), "<i2")
    assert np.abs(heard).max() > 7000
    assert shop.talks[0].stopped is not None
    assert call.record.machine.ending is not None
    assert call.record.machine.ending.reason == "the callee hung up"


async def test_a_scenario_that_speaks_needs_a_voice():
    with pytest.raises(UsageError, match="nothing here can say"):
        async with simulator_with(Behaviour(callee=[SayText("hello")])):
            pass


async def test_nothing_is_sent_to_other_machines():
    async with simulator_with(Behaviour()) as simulator, customer() as shop:
        placed = await create(
            simulator, shop, Url="http://192.0.2.1/answer", StatusCallback="http://vox.invalid/status"
        )
        call = await finished(simulator, placed["sid"])
        shop.documents["call"] = '<Response><Connect><Stream url="wss://192.0.2.1/media"/></Connect></Response>'
        streamed = await finished(simulator, (await create(simulator, shop))["sid"])
    [failed] = [one for one in call.record.events if one.kind == "document_failed"]
    assert "does not send to 192.0.2.1" in failed.details["error"]
    assert "callback_failed" in call.record.kinds()
    [lost] = [one for one in streamed.record.events if one.kind == "stream_failed"]
    assert "does not send to 192.0.2.1" in lost.details["detail"]


async def test_leaving_the_simulator_ends_every_call():
    async with simulator_with(Behaviour()) as simulator, customer() as shop:
        shop.documents["call"] = stream_to(shop, "one")
        await create(simulator, shop)
        await shop.until(lambda: shop.talks and shop.talks[0].started)
        await simulator.calls.close()
        await shop.until(lambda: shop.talks[0].closed)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("simulated call")]
