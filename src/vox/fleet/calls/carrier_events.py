"""What a carrier says about a call, as events of the call's state machine. Pure."""

from typing import Final

from vox.fleet.calls.contract import CallStatus
from vox.fleet.calls.state_machine import AttemptEnded, CallEvent, Detected, DialAccepted, Progressed
from vox.providers.carriers.contract import CarrierCall, EndKind

_ENDS: Final[dict[EndKind, CallStatus]] = {
    "completed": CallStatus.COMPLETED,
    "no_answer": CallStatus.NO_ANSWER,
    "busy": CallStatus.BUSY,
    "rejected": CallStatus.REJECTED,
    "failed": CallStatus.FAILED,
    "canceled": CallStatus.CANCELED,
}


def events_of(call: CarrierCall) -> list[CallEvent]:
    """The events that a carrier's view of a call amounts to, in order."""
    if call.stage == "ended":
        status = _ENDS[call.end or "failed"]
        return [AttemptEnded(status, call.reason, call.is_retryable, call.answered_by)]
    events: list[CallEvent] = [DialAccepted()]
    if call.stage == "ringing":
        events.append(Progressed(CallStatus.RINGING))
    elif call.stage == "answered":
        events.append(Progressed(CallStatus.ANSWERED))
    if call.answered_by:
        events.append(Detected(call.answered_by))
    return events
