"""What is known of one simulated call: the order, where it stands, and a log of everything that happened."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.clients.carrier_simulator.call_events import CallPlan, CallStatus, Notice
from vox.clients.carrier_simulator.call_machine import CallMachine

MAX_LOGGED = 1000


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Where the carrier reports something to."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A request for a call, in the simulator's own words.

    Args:
        to: the number to call.
        from_: the number that calls.
        plan: how the call goes.
        callbacks: who hears of what.
        fields: the request as it came, for what is echoed.
    """

    to: str
    from_: str
    plan: CallPlan
    callbacks: Mapping[Notice, CallbackTarget] = field(default_factory=dict[Notice, CallbackTarget])
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One thing that happened, for people and for tests; `number` counts over all calls of a simulator."""

    number: int
    at: datetime
    call_id: str
    kind: str
    details: Mapping[str, Any]


@dataclass(slots=True)
class CallRecord:
    """One call.

    Attributes:
        call_id: the carrier's name of the call.
        carrier: twilio, telnyx, plivo or exotel.
        account: the account it belongs to.
        order: what was asked for.
        behaviour: what the far end does.
        machine: where the call stands.
        created: when the request came.
        begun: when it was dialled, after its time in the queue.
        answered: when it was answered.
        ended: when it was over.
        reported: how many callbacks were made out; the next one's number.
        events: what happened, the last 1000.
        leg_id: a second id, for carriers that have one.
        session_id: a third.
        client_state: what the customer attached to the call, for carriers that have such a thing.
    """

    call_id: str
    carrier: str
    account: str
    order: CallOrder
    behaviour: Behaviour
    machine: CallMachine
    created: datetime
    begun: datetime | None = None
    answered: datetime | None = None
    ended: datetime | None = None
    reported: int = 0
    events: deque[LoggedEvent] = field(default_factory=lambda: deque[LoggedEvent](maxlen=MAX_LOGGED))
    leg_id: str = ""
    session_id: str = ""
    client_state: str = ""

    @property
    def status(self) -> CallStatus:
        """Where it stands."""
        return self.machine.status

    @property
    def is_inbound(self) -> bool:
        """Whether the simulated carrier called the customer's number."""
        return self.order.plan.is_inbound

    @property
    def duration_s(self) -> int:
        """Whole seconds from the answer to the end; 0 before the end, and where nothing answered."""
        if self.answered is None or self.ended is None:
            return 0
        return max(0, round((self.ended - self.answered).total_seconds()))

    def kinds(self) -> Sequence[str]:
        """The kinds of what happened, in order."""
        return [event.kind for event in self.events]
