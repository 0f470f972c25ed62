"""Phone calls that change hands: a Twilio-shaped carrier, two agent processes, one store."""

import signal
import wave
from pathlib import Path

from tests.e2e.agents import until
from tests.e2e.handover_fleet import LONG, asking, fleet, silences, simulated, spoken_s
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour, EndCall, Listen, StreamEnd
from vox.clients.carrier_simulator.call_events import HangUpAsked

TWILIO = {
    "runner_transport": "twilio",
    "verify_signatures": False,
    "greeting": "hello and welcome.",
    "llm_options": {"responses": [LONG]},
}
CHARACTERS_PER_S = 15.0
LONG_S, GREETING_S = len(LONG) / CHARACTERS_PER_S, len("hello and welcome.") / CHARACTERS_PER_S


async def test_a_draining_server_hands_its_call_over_and_it_stays_one_call(tmp_path: Path):
    behaviour = asking(tmp_path, Listen(silence_s=2.0), EndCall())
    async with fleet(tmp_path, **TWILIO) as servers, simulated(behaviour) as carrier:
        first = await servers.start("one")
        call = carrier.call_in("twilio", url=servers.front.http, from_="+15550100100", to="+15550199199")
        await until(lambda: spoken_s(call) > 3.0)  # in the middle of the answer
        second = await servers.start("two")
        first.terminate()
        (gone,) = await first.logged("call handed over")
        (come,) = await second.logged("call taken over")
        assert gone["call_id"] == come["call_id"]
        async with time_limit():
            assert await first.process.wait() == 0, "it does not wait for its deadline"
            await call.is_finished.wait()
        await second.logged("call ended")
        second.terminate()
        async with time_limit():
            await second.process.wait()
        assert call.leg is not None
        (gap,) = call.leg.gaps()
        assert [one.end for one in call.leg.streams] == [StreamEnd.CLOSED, StreamEnd.STOPPED]
        assert gap.silence_s is not None, "the voice goes on"
        (rows,) = servers.rows().values()
        assert [(seq, role) for seq, role, _ in rows] == [(1, "assistant"), (2, "user"), (3, "assistant")]
        assert rows[2][2] == LONG, "the answer is one, and none of it was said twice or left out"
        assert LONG_S - 1.5 < spoken_s(call) - GREETING_S < LONG_S + 1.5
        (recording,) = servers.recordings()
        assert recording.stem == gone["call_id"]
        with wave.open(str(recording)) as file:
            length_s = file.getnframes() / file.getframerate()
        assert call.record.ended is not None
        assert call.record.answered is not None
        answered_s = (call.record.ended - call.record.answered).total_seconds()
        assert abs(length_s - answered_s) < 1.0
        pauses = silences(recording, 1, least_s=0.1)
        assert len([one for one in pauses if one[0] > 6.0 and one[1] < length_s - 1.0]) <= 1, "one gap in the answer"


async def test_a_killed_servers_call_is_gone_on_with_where_the_carrier_asks_again(tmp_path: Path):
    behaviour = asking(tmp_path)
    async with fleet(tmp_path, **TWILIO) as servers, simulated(behaviour) as carrier:
        first = await servers.start("one")
        second = await servers.start("two")
        servers.front.target = first.port
        call = carrier.call_in("twilio", url=servers.front.http, from_="+15550100100", to="+15550199199")
        await until(lambda: spoken_s(call) > 3.0)
        servers.front.target = second.port
        first.process.send_signal(signal.SIGKILL)
        await second.logged("call taken over")
        heard_s = spoken_s(call)
        await until(lambda: spoken_s(call) > heard_s + 1.0)
        second.terminate()  # with no server left the call ends truthfully: nothing is asked again and again
        servers.front.target = 9
        async with time_limit():
            assert await second.process.wait() == 0
            await call.is_finished.wait()
        assert call.leg is not None
        assert len(call.leg.streams) == 2


async def test_a_call_that_the_agent_ends_is_not_taken_up_again(tmp_path: Path):
    """Without credentials for the carrier's API, the address it asks ends the call."""
    config = {**TWILIO, "user_idle_timeout_secs": 0.3, "user_idle_max": 1, "user_idle_goodbye": "goodbye."}
    async with fleet(tmp_path, **config) as servers, simulated(Behaviour(ring_s=0.1)) as carrier:
        agent = await servers.start("one")
        call = carrier.call_in("twilio", url=servers.front.http, from_="+15550100100", to="+15550199199")
        async with time_limit():
            await call.is_finished.wait()
        (ended,) = await agent.logged("call ended")
        assert ended["reason"] == "idle"
        assert call.leg is not None
        assert len(call.leg.streams) == 1
        verbs = [event.details["verbs"] for event in call.record.events if event.kind == "document"]
        assert verbs == [["Stream", "Redirect"], ["Hangup"]]


async def test_a_worker_gives_its_call_to_another_and_takes_no_slot_for_good(tmp_path: Path):
    async with fleet(tmp_path, **TWILIO) as servers, simulated(asking(tmp_path)) as carrier:
        first = await servers.start_worker("one", slots=1)
        call = carrier.call_in("twilio", url=servers.front.http, from_="+15550100100", to="+15550199199")
        await until(lambda: spoken_s(call) > 3.0)
        second = await servers.start_worker("two", slots=1)
        first.terminate()
        (come,) = await second.logged("call taken over")
        async with time_limit():
            assert await first.process.wait() == 0
        heard_s = spoken_s(call)
        await until(lambda: spoken_s(call) > heard_s + 1.0)
        call.put(HangUpAsked())
        await second.logged("call ended")
        await until(lambda: [len(rows) for rows in servers.rows().values()] == [3])
        assert first.lines("call ended")[0]["call_id"] == come["call_id"]
        assert first.lines("call ended")[0]["reason"] == "handed_over"
