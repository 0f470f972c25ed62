import pytest

from vox.fleet.calls.carrier_events import events_of
from vox.fleet.calls.contract import CallStatus
from vox.fleet.calls.state_machine import AttemptEnded, Detected, DialAccepted, Progressed
from vox.providers.carriers.contract import CarrierCall


@pytest.mark.parametrize(
    ("call", "events"),
    [
        (CarrierCall("1", "queued"), [DialAccepted()]),
        (CarrierCall("1", "ringing"), [DialAccepted(), Progressed(CallStatus.RINGING)]),
        (
            CarrierCall("1", "answered", answered_by="human"),
            [DialAccepted(), Progressed(CallStatus.ANSWERED), Detected("human")],
        ),
        (
            CarrierCall("1", "ended", "busy", reason="sip_486", is_retryable=True),
            [AttemptEnded(CallStatus.BUSY, "sip_486")],
        ),
        (CarrierCall("1", "ended"), [AttemptEnded(CallStatus.FAILED, is_retryable=False)]),
    ],
)
def test_a_carriers_view_becomes_events(call, events):
    assert events_of(call) == events
