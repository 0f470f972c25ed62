"""What the rest of the fleet knows of outbound calls: what to submit, the queue that takes it, and the outcome that comes back.

`submit` and the outcome run inside transactions of the database, so that who asked for a call and the call itself are always of one
mind, also after the process was killed between any two steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, Protocol

from vox.fleet.accounts.opening_hours import OpeningHours
from vox.stores.sql import Connection

CallClass = Literal["outbound", "campaign"]
AmdMode = Literal["off", "detect", "detect_message_end"]
OnMachine = Literal["continue", "hang_up", "leave_message"]


class CallStatus(StrEnum):
    """Where an outbound call is."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    VOICEMAIL = "voicemail"
    SCREENED = "screened"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


WAITING: Final = frozenset({CallStatus.QUEUED, CallStatus.SCHEDULED})
"""Not dialled yet, or waiting for the next attempt."""
FINAL: Final = frozenset(
    {
        CallStatus.COMPLETED,
        CallStatus.NO_ANSWER,
        CallStatus.BUSY,
        CallStatus.REJECTED,
        CallStatus.VOICEMAIL,
        CallStatus.SCREENED,
        CallStatus.FAILED,
        CallStatus.CANCELED,
        CallStatus.EXPIRED,
    }
)
"""A call that is here never changes its status again."""
LIVE: Final = frozenset(CallStatus) - WAITING - FINAL
"""With a carrier, or perhaps with one."""


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """One call to place.

    Args:
        to: E.164, checked before.
        from_: E.164 caller id; empty for the provider's default.
        bot_id: who talks.
        contact_key: what must be dialled once only, such as `campaign:contact:attempt`; empty for a call of its own.
        call_class: `campaign` calls give way to others where slots are scarce.
        variables: for the bot.
        provider: the carrier's name; empty for the bridge's default.
        ring_timeout_s: 15 to 120.
        max_duration_s: the carrier ends the call then.
        amd: answering machine detection by the carrier.
        on_machine: what happens where a machine answers.
        webhook_url: where the call's events are sent; empty for nowhere.
        metadata: of the caller's, returned with every event.
        due_at_ms: not before this time; 0 for at once.
        expires_at_ms: not dialled after this time; None for never.
        window: the hours in which it is dialled; None for any, as campaigns have it, which decide that themselves.
        max_attempts: how often it is dialled at most; campaigns repeat calls themselves and leave it at 1.
    """

    to: str
    from_: str
    bot_id: str
    contact_key: str = ""
    call_class: CallClass = "outbound"
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    provider: str = ""
    ring_timeout_s: int = 30
    max_duration_s: int = 3600
    amd: AmdMode = "off"
    on_machine: OnMachine = "continue"
    webhook_url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    due_at_ms: int = 0
    expires_at_ms: int | None = None
    window: OpeningHours | None = None
    max_attempts: int = 1


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended.

    Args:
        call_id: of the call.
        contact_key: what it was submitted with.
        call_class: the same.
        status: one of FINAL.
        provider: who carried it.
        reason: a word on why, such as `carrier_refused` or `sip_486`; empty where the status says it.
        answered_by: `human`, `machine`, `fax` or `unknown`; empty where it was not answered.
        answered_at_ms: when it was answered; None where it was not.
        ended_at_ms: when it ended.
        is_retryable: whether another attempt may have another outcome.
        details: further facts: SIP status, duration, who hung up, what the bot made of it.
    """

    call_id: str
    contact_key: str
    call_class: str
    status: CallStatus
    provider: str = ""
    reason: str = ""
    answered_by: str = ""
    answered_at_ms: int | None = None
    ended_at_ms: int = 0
    is_retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


OutcomeHook = Callable[[Connection, CallOutcome], None]
"""Runs within the transaction that ends a call, exactly once for each call; may read and write the database, nothing else."""

DialGate = Callable[[Connection, str], str]
"""Asked about a call by its id within the transaction that begins an attempt: a word on why it must not be dialled, else empty.

May read and write the database, nothing else."""


class CallQueue(Protocol):
    """Takes calls that are to be placed."""

    def submit(self, connection: Connection, call: OutboundCall) -> str:
        """Writes a call, within a transaction of the caller's, and returns its id.

        A contact key that was submitted before gives the id of that call, and nothing is written: so a unit of work that runs twice
        places one call.
        """
        ...

    def submit_all(self, connection: Connection, batch: Sequence[OutboundCall]) -> list[str]:
        """The same for many calls at once, in a few statements; their ids in the same order."""
        ...

    def wake(self) -> None:
        """Says, after the commit, that there may be calls to place; without it they are found within a second."""
        ...

    def add_outcome_hook(self, hook: OutcomeHook) -> None:
        """Has a hook called for every call that ends, from now on."""
        ...

    def add_dial_gate(self, gate: DialGate) -> None:
        """Has a gate asked before every attempt, from now on; a call that it refuses is canceled with its reason."""
        ...

    def cancel(self, connection: Connection, call_id: str) -> None:
        """Cancels a call that is not dialled yet, within the caller's transaction; one that is live is hung up after the commit."""
        ...
