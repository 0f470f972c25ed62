"""Calls on virtual time: no socket is opened, because nothing asks for a document, a callback or a stream."""

import pytest

from vox.clients.carrier_simulator.behaviour import Behaviour, Outcome
from vox.clients.carrier_simulator.call_events import CallPlan, HangUpAsked
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.carriers.twilio import Twilio
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.clients.carrier_simulator.outgoing import Outgoing
from vox.clients.carrier_simulator.record import CallOrder
from vox.clients.carrier_simulator.scenario import Scenario
from vox.clients.carrier_simulator.server import seeded_bits
from vox.clients.carrier_simulator.voices import Voices
from vox.errors import UsageError

TWILIO = Twilio("AC1", "token")
ORDER = CallOrder("+15550100", "+15550199", CallPlan())
BUSY = Behaviour(Outcome.BUSY, ring_s=1.0)


def calls_on(clock, scenario=None) -> Calls:
    return Calls(
        scenario or Scenario(default=BUSY),
        voices=Voices(),
        outgoing=Outgoing(),
        clock=clock,
        random_bits=seeded_bits(1),
        speed=1.0,
        max_track_s=1.0,
    )


async def test_a_carrier_dials_as_many_calls_a_second_as_it_may(virtual_clock):
    calls = calls_on(virtual_clock, Scenario(default=BUSY, calls_per_second={"twilio": 2.0}))
    placed = [calls.start(TWILIO, ORDER, account="") for _ in range(4)]
    for call in placed:
        await call.is_finished.wait()
    begun = [call.record.begun for call in placed]
    assert begun[0] is not None
    assert [(one - begun[0]).total_seconds() for one in begun if one is not None] == [0.0, 0.5, 1.0, 1.5]
    assert {call.record.status for call in placed} == {"busy"}


async def test_a_limit_of_requests_holds_for_a_minute(virtual_loop, virtual_clock):
    calls = calls_on(virtual_clock, Scenario(default=BUSY, calls_per_minute={"twilio": 2}))
    for _ in range(2):
        await calls.place(TWILIO, ORDER, account="")
    with pytest.raises(RequestRefused):
        await calls.place(TWILIO, ORDER, account="")
    for call in calls:
        await call.is_finished.wait()
    virtual_loop._jumping_selector.now_s += 60.0
    await calls.place(TWILIO, ORDER, account="")
    await calls.close()


async def test_a_call_that_is_over_takes_no_more_events_and_can_be_forgotten(virtual_clock):
    calls = calls_on(virtual_clock)
    call = calls.start(TWILIO, ORDER, account="")
    await call.is_finished.wait()
    await call.apply(HangUpAsked())
    assert call.record.status == "busy"
    assert calls.find(call.record.call_id) is call
    calls.forget(call)
    with pytest.raises(UsageError) as caught:
        calls.find(call.record.call_id)
    assert caught.value.code == "simulated_call_not_found"


async def test_every_event_is_numbered_and_wakes_who_waits(virtual_clock):
    calls = calls_on(virtual_clock)
    call = calls.start(TWILIO, ORDER, account="")
    await calls.changed()
    await call.is_finished.wait()
    assert [event.number for event in calls.events] == [1, 2, 3, 4]
    assert [event.kind for event in call.record.events] == ["queued", "initiated", "ringing", "completed"]
