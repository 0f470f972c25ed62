"""The states of a campaign and of its recipients, and which change leads where. Pure.

A campaign that has ended never runs again. A recipient's state says whether they may still be called; that a call to
them is under way is `in_call`, and only the outcome of that call ends it.
"""

from enum import StrEnum
from typing import Final

from vox.errors import UsageError


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    VALIDATING = "validating"
    READY = "ready"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def has_ended(self) -> bool:
        """Whether it never calls again."""
        return self in ENDED


class CampaignEvent(StrEnum):
    """What changes a campaign's state."""

    VALIDATE = "validate"
    VALID = "valid"
    INVALID = "invalid"
    SCHEDULE = "schedule"
    START = "start"
    PAUSE = "pause"
    CALLS_ENDED = "calls_ended"
    RESUME = "resume"
    ALL_REACHED = "all_reached"
    RECIPIENTS_ADDED = "recipients_added"
    CANCEL = "cancel"
    EXPIRE = "expire"


class RecipientState(StrEnum):
    """Where a recipient of a campaign stands."""

    PENDING = "pending"
    IN_CALL = "in_call"
    REACHED = "reached"
    EXHAUSTED = "exhausted"
    DO_NOT_CALL = "do_not_call"
    NOT_CALLABLE = "not_callable"
    CANCELED = "canceled"
    EXPIRED = "expired"


ENDED: Final = frozenset({CampaignState.COMPLETED, CampaignState.CANCELED, CampaignState.EXPIRED})

_S, _E = CampaignState, CampaignEvent
TRANSITIONS: Final = {
    (_S.DRAFT, _E.VALIDATE): _S.VALIDATING,
    (_S.READY, _E.VALIDATE): _S.VALIDATING,
    (_S.VALIDATING, _E.VALID): _S.READY,
    (_S.VALIDATING, _E.INVALID): _S.DRAFT,
    (_S.READY, _E.SCHEDULE): _S.SCHEDULED,
    (_S.READY, _E.START): _S.RUNNING,
    (_S.SCHEDULED, _E.START): _S.RUNNING,
    (_S.SCHEDULED, _E.PAUSE): _S.PAUSED,
    (_S.RUNNING, _E.PAUSE): _S.PAUSING,
    (_S.RUNNING, _E.ALL_REACHED): _S.COMPLETED,
    (_S.PAUSING, _E.CALLS_ENDED): _S.PAUSED,
    (_S.PAUSING, _E.RESUME): _S.RUNNING,
    (_S.PAUSED, _E.RESUME): _S.RUNNING,
    (_S.COMPLETED, _E.RECIPIENTS_ADDED): _S.PAUSED,
} | {
    (state, event): ended
    for state in CampaignState
    if state not in ENDED
    for event, ended in ((_E.CANCEL, _S.CANCELED), (_E.EXPIRE, _S.EXPIRED))
}
"""Every change there is; what is missing here is refused."""


def after(state: CampaignState, event: CampaignEvent) -> CampaignState:
    """The state that the event leads to.

    Raises:
        UsageError: the event is not possible in this state (campaign_state_conflict).
    """
    following = TRANSITIONS.get((state, event))
    if following is None:
        possible = sorted(to_do.value for at, to_do in TRANSITIONS if at is state and to_do in REQUESTED)
        hint = f"possible now: {', '.join(possible)}" if possible else "a campaign that has ended stays as it is"
        raise UsageError(
            f"a campaign that is {state.value} cannot {event.value.replace('_', ' ')}",
            code="campaign_state_conflict",
            hint=hint,
        )
    return following


REQUESTED: Final = frozenset({_E.VALIDATE, _E.SCHEDULE, _E.START, _E.PAUSE, _E.RESUME, _E.CANCEL})
"""The events that a person or a program asks for; the others happen."""
