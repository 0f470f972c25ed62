"""An outbound call as a pure state machine: what each event makes of it, in whatever order and however often they come.

Progress only goes forward, the first end of an attempt is its end, and a call in a final state never changes: so late, doubled and
reordered callbacks give one outcome. Events of an earlier attempt are not fed in here.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from vox.fleet.calls.contract import FINAL, LIVE, WAITING, CallStatus, OnMachine

RETRY_AFTER_S: Final = {CallStatus.BUSY: 300.0, CallStatus.NO_ANSWER: 7200.0, CallStatus.FAILED: 60.0}
"""When the next attempt is due after an attempt that ended so; after any other end there is none."""

_RANK: Final = {
    CallStatus.UNCERTAIN: 0,
    CallStatus.DIALING: 0,
    CallStatus.RINGING: 1,
    CallStatus.ANSWERED: 2,
    CallStatus.IN_PROGRESS: 3,
}
_MACHINES: Final = frozenset({"machine", "fax"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What the call was submitted with, as far as it decides anything here."""

    max_attempts: int = 1
    on_machine: OnMachine = "continue"


@dataclass(frozen=True, slots=True)
class CallState:
    """Where a call is.

    Args:
        status: what is shown.
        attempt: the number of the present attempt; 0 before the first.
        is_answered: whether this attempt was answered.
        answered_by: what was detected, of this attempt.
        bot_outcome: what the worker said about the end of the conversation.
        is_cancel_requested: whether it is to end as soon as it can.
        reason: a word on why it ended, or why the next attempt waits.
        is_retryable: whether another attempt may have another outcome.
    """

    status: CallStatus = CallStatus.QUEUED
    attempt: int = 0
    is_answered: bool = False
    answered_by: str = ""
    bot_outcome: str = ""
    is_cancel_requested: bool = False
    reason: str = ""
    is_retryable: bool = False


@dataclass(frozen=True, slots=True)
class DialBegan:
    """An attempt is about to be sent to the carrier."""


@dataclass(frozen=True, slots=True)
class DialPostponed:
    """The carrier refused the attempt only for now, and nothing was dialled: the attempt does not count."""


@dataclass(frozen=True, slots=True)
class DialAccepted:
    """The carrier has taken the attempt."""


@dataclass(frozen=True, slots=True)
class DialLost:
    """It is unknown whether the carrier has taken the attempt."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Progressed:
    """The carrier or the worker tells how far the attempt came: RINGING, ANSWERED or IN_PROGRESS."""

    status: CallStatus


@dataclass(frozen=True, slots=True)
class Detected:
    """What answered: `human`, `machine`, `fax`, `screening` or `unknown`."""

    answered_by: str


@dataclass(frozen=True, slots=True)
class BotEnded:
    """The worker tells how the conversation ended."""

    outcome: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The attempt is over, as the carrier says or as nothing else can be found out.

    Args:
        status: COMPLETED, NO_ANSWER, BUSY, REJECTED, FAILED or CANCELED.
        reason: a word on why.
        is_retryable: whether another attempt may reach the number.
        answered_by: what was detected, where the end tells it.
    """

    status: CallStatus
    reason: str = ""
    is_retryable: bool = True
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The call is to end: at once where it waits, by hanging up where it is live."""


@dataclass(frozen=True, slots=True)
class DialForbidden:
    """The call must not be dialled any more, as when its number has come onto a do-not-call list while it waited."""

    reason: str


@dataclass(frozen=True, slots=True)
class Expired:
    """The time until which it might be dialled is over."""


CallEvent: TypeAlias = (
    DialBegan
    | DialPostponed
    | DialAccepted
    | DialLost
    | Progressed
    | Detected
    | BotEnded
    | AttemptEnded
    | CancelRequested
    | DialForbidden
    | Expired
)


@dataclass(frozen=True, slots=True)
class Step:
    """What an event made of a call.

    Args:
        state: afterwards; equal to the one before where the event changed nothing.
        attempt_status: how the present attempt ended; None where it did not end now.
        retry_in_s: when the next attempt is due; None where there is none.
    """

    state: CallState
    attempt_status: CallStatus | None = None
    retry_in_s: float | None = None


def apply(state: CallState, event: CallEvent, rules: Rules) -> Step:
    """What an event makes of a call."""
    if state.status in FINAL:
        return Step(state)
    match event:
        case CancelRequested():
            if state.status in WAITING:
                return Step(replace(state, status=CallStatus.CANCELED, is_cancel_requested=True, is_retryable=False))
            return Step(replace(state, is_cancel_requested=True))
        case DialForbidden(reason):
            if state.status not in WAITING:
                return Step(state)
            return Step(replace(state, status=CallStatus.CANCELED, reason=reason, is_retryable=False))
        case Expired():
            return Step(replace(state, status=CallStatus.EXPIRED) if state.status in WAITING else state)
        case DialBegan():
            if state.status not in WAITING:
                return Step(state)
            return Step(CallState(CallStatus.DIALING, state.attempt + 1))
        case _:
            return _live(state, event, rules) if state.status in LIVE else Step(state)


def _live(state: CallState, event: CallEvent, rules: Rules) -> Step:
    match event:
        case DialPostponed():
            if state.status is not CallStatus.DIALING:
                return Step(state)
            if state.is_cancel_requested:
                return Step(replace(state, status=CallStatus.CANCELED), CallStatus.CANCELED)
            return Step(
                CallState(CallStatus.QUEUED, state.attempt - 1, reason="carrier_rate_limit"), CallStatus.CANCELED
            )
        case DialAccepted():
            return Step(_forward(state, CallStatus.DIALING))
        case DialLost(reason):
            if state.status is not CallStatus.DIALING:
                return Step(state)
            return Step(replace(state, status=CallStatus.UNCERTAIN, reason=reason))
        case Progressed(status):
            return Step(_forward(state, status))
        case Detected(answered_by):
            # What the worker hears comes later than what the carrier guessed, and is the better answer.
            return Step(replace(_forward(state, CallStatus.ANSWERED), answered_by=answered_by))
        case BotEnded(outcome):
            return Step(replace(state, bot_outcome=outcome) if not state.bot_outcome else state)
        case AttemptEnded():
            return _ended(state, event, rules)
        case _:
            return Step(state)


def _forward(state: CallState, status: CallStatus) -> CallState:
    """The state after progress to `status`; the same where it came further already."""
    is_answered = state.is_answered or _RANK[status] >= _RANK[CallStatus.ANSWERED]
    if state.status is CallStatus.UNCERTAIN or _RANK[status] > _RANK[state.status]:
        return replace(state, status=status, is_answered=is_answered, reason="")
    return state


def _ended(state: CallState, event: AttemptEnded, rules: Rules) -> Step:
    answered_by = state.answered_by or event.answered_by
    status = _outcome(state, event.status, answered_by, rules)
    is_retryable = event.is_retryable and status in RETRY_AFTER_S
    ended = replace(
        state,
        status=status,
        answered_by=answered_by,
        is_answered=state.is_answered or event.status is CallStatus.COMPLETED,
        reason=event.reason,
        is_retryable=is_retryable,
    )
    if not is_retryable or state.is_cancel_requested or state.attempt >= rules.max_attempts:
        return Step(ended, status)
    again = CallState(CallStatus.SCHEDULED, state.attempt, reason=event.reason or status.value)
    return Step(again, status, RETRY_AFTER_S[status])


def _outcome(state: CallState, status: CallStatus, answered_by: str, rules: Rules) -> CallStatus:
    if status is CallStatus.COMPLETED:
        if state.bot_outcome in {"voicemail", "screened"}:
            return CallStatus(state.bot_outcome)
        if answered_by == "screening" and state.status is not CallStatus.IN_PROGRESS:
            return CallStatus.SCREENED
        if answered_by in _MACHINES and rules.on_machine != "continue":
            return CallStatus.VOICEMAIL
        return status
    if state.is_cancel_requested and not state.is_answered:
        return CallStatus.CANCELED
    if status is CallStatus.CANCELED:  # the carrier's word for a call that ended before it was answered
        return CallStatus.COMPLETED if state.is_answered else CallStatus.NO_ANSWER
    return status
