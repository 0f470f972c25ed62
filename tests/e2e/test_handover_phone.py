"""Phone calls that change hands: a Twilio-shaped carrier, two agent processes, one store."""

import signal
from pathlib import Path

from tests.e2e.agents import until
from tests.e2e.handover_fleet import LONG, asking, fleet, silences, simulated, spoken_s
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import EndCall, Listen, StreamEnd

TWILIO = {
    "runner_transport": "twilio",
    "verify_signatures": False,
    "greeting": "hello and welcome.",
    "llm_options": {"responses": [LONG]},
}


async def test_a_draining_server_hands_its_call_over_in_the_middle_of_an_answer(tmp_path: Path):
    async with fleet(tmp_path, **TWILIO) as servers, simulated(asking(tmp_path)) as carrier:
        first = await servers.start("one")
        call = carrier.call_in("twilio", url=servers.front.http, from_="+15550100100", to="+15550199199")
        await until(lambda: spoken_s(call) > 3.0)
        second = await servers.start("two")
        first.terminate()
        (gone,) = await first.logged("call handed over")
        (come,) = await second.logged("call taken over")
        assert gone["call_id"] == come["call_id"]
        async with time_limit():
            assert await first.process.wait() == 0, "it does not wait for its deadline"
        leg = call.leg
        assert leg is not None
        heard_s = spoken_s(call)
        await until(lambda: spoken_s(call) > heard_s + 1.0)
        (gap,) = leg.gaps()
        assert gap.silence_s is not None
        print(f"gap: {gap}")
        second.terminate()
