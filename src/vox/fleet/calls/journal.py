"""The calls in the database: every change is one transaction that moves the state machine and writes what follows from it.

What follows: the row, the call's event log, the webhook that is to be sent, and at the end the outcome hooks. So nothing of a call is
ever half done, wherever the process ends.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from vox.fleet.calls import queries, state_machine
from vox.fleet.calls.contract import FINAL, CallOutcome, CallStatus, DialGate, OutboundCall, OutcomeHook
from vox.fleet.calls.metrics import CALLS
from vox.fleet.calls.queries import Row
from vox.fleet.calls.state_machine import AttemptEnded, BotEnded, CallEvent, CallState, DialBegan, DialPostponed, Rules
from vox.runtime.clock import Clock, new_id
from vox.runtime.metrics import Metrics
from vox.stores.sql import Connection

DIAL_LEASE_MS: Final = 30_000
"""An attempt that is not reported on by then is one whose bridge has died: the carrier is asked about it."""
_GRACE_MS: Final = 30_000
_IN_PROGRESS_CHECK_MS: Final = 300_000
_AFTER_BOT_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call as the database has it."""

    id: str
    call: OutboundCall
    state: CallState
    row: Row
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def tag(self) -> str:
        """Of the present attempt."""
        return tag_of(self.id, self.state.attempt)


@dataclass(frozen=True, slots=True)
class Change:
    """What an event made of a call; `is_change` is False where nothing."""

    record: CallRecord
    is_change: bool
    is_final: bool


class CallJournal:
    """Implements `vox.fleet.calls.contract.CallQueue`, and moves calls on.

    Args:
        clock: for the times in the rows.
        metrics: counts calls that ended.
        make_id: makes ids of calls.
    """

    def __init__(self, clock: Clock, metrics: Metrics, *, make_id: Callable[[str], str] = new_id) -> None:
        self._clock = clock
        self._metrics = metrics
        self._make_id = make_id
        self._hooks: list[OutcomeHook] = []
        self._gates: list[DialGate] = []
        self.due = asyncio.Event()
        self.has_webhooks = asyncio.Event()

    def submit(self, connection: Connection, call: OutboundCall) -> str:
        """See `CallQueue`."""
        return self.submit_all(connection, [call])[0]

    def submit_all(self, connection: Connection, batch: Sequence[OutboundCall]) -> list[str]:
        """See `CallQueue`."""
        now = self._clock.unix_ms()
        known = queries.find_by_contacts(connection, [call.contact_key for call in batch if call.contact_key])
        ids: list[str] = []
        rows: list[dict[str, Any]] = []
        for call in batch:
            call_id = known.get(call.contact_key, "")
            if not call_id:
                call_id = self._make_id("call")
                rows.append(_row(call_id, replace(call, contact_key=call.contact_key or call_id), now))
                if call.contact_key:
                    known[call.contact_key] = call_id
            ids.append(call_id)
        queries.insert_all(connection, rows)
        queries.insert_events(connection, [_event(row["id"], now, "submitted", row["status"], {}) for row in rows])
        return ids

    def wake(self) -> None:
        """See `CallQueue`."""
        self.due.set()

    def add_outcome_hook(self, hook: OutcomeHook) -> None:
        """See `CallQueue`."""
        self._hooks.append(hook)

    def add_dial_gate(self, gate: DialGate) -> None:
        """See `CallQueue`."""
        self._gates.append(gate)

    def forbidden(self, connection: Connection, call_id: str) -> str:
        """Why a call must not be dialled; empty where it may."""
        return next((reason for gate in self._gates if (reason := gate(connection, call_id))), "")

    def cancel(self, connection: Connection, call_id: str) -> None:
        """See `CallQueue`."""
        self.apply(connection, call_id, state_machine.CancelRequested())

    def apply(
        self,
        connection: Connection,
        call_id: str,
        event: CallEvent,
        *,
        attempt: int | None = None,
        facts: Mapping[str, Any] | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> Change | None:
        """Feeds an event into a call; a unit of work, or a part of one.

        Args:
            connection: of the transaction.
            call_id: of the call.
            event: what happened.
            attempt: the attempt that it happened in; an event of an earlier one changes nothing but the log. None: the present one.
            facts: further facts for the outcome, such as the duration.
            columns: further columns of the row, written whether the state changes or not.

        Returns:
            None where there is no such call.
        """
        row = queries.find(connection, call_id, locks=True)
        if row is None:
            return None
        now = self._clock.unix_ms()
        before = record_of(row)
        if attempt is not None and attempt != before.state.attempt:
            _log_event(connection, call_id, now, f"late_{_name_of(event)}", before.state.status, {"attempt": attempt})
            return Change(before, is_change=False, is_final=before.state.status in FINAL)
        rules = Rules(before.call.max_attempts, before.call.on_machine)
        step = state_machine.apply(before.state, event, rules)
        is_change = step.state != before.state
        known = {**before.facts, **(facts or {})}
        if not is_change and known == before.facts and not columns:
            return Change(before, is_change=False, is_final=before.state.status in FINAL)
        if before.state.status in FINAL:
            known = dict(before.facts)  # the outcome has been told; it stays
        values = {"updated_at_ms": now, **(_columns(step, before, event, now) if is_change else {}), **(columns or {})}
        values["outcome"] = _outcome_text(step.state, known)
        queries.change(connection, call_id, values)
        changed = queries.find(connection, call_id)
        if changed is None:  # it is locked, so it cannot be gone
            return None
        after = record_of(changed)
        if is_change:
            self._follow(connection, before, after, event, step, now)
        return Change(after, is_change, is_final=after.state.status in FINAL)

    def _follow(
        self,
        connection: Connection,
        before: CallRecord,
        after: CallRecord,
        event: CallEvent,
        step: state_machine.Step,
        now: int,
    ) -> None:
        """Writes what follows from a change: attempt, event, webhook, outcome."""
        state = after.state
        if isinstance(event, DialPostponed):
            queries.delete_attempt(connection, after.id, before.state.attempt)
        elif step.attempt_status is not None:
            ended = {"status": step.attempt_status, "ended_at_ms": now, "placement": "{}"}
            if isinstance(event, AttemptEnded):
                ended["reason"] = event.reason
            queries.change_attempt(connection, after.id, before.state.attempt, ended)
        elif state.attempt and state.status is not before.state.status and not isinstance(event, DialBegan):
            queries.change_attempt(connection, after.id, state.attempt, {"status": state.status})
        data = {key: value for key, value in _shown_facts(after).items() if value not in {"", None}}
        _log_event(connection, after.id, now, _name_of(event), state.status, data)
        if state.status is not before.state.status or state.answered_by != before.state.answered_by:
            self._announce(connection, after, now)
        if state.status in FINAL:
            outcome = outcome_of(after)
            for hook in self._hooks:
                hook(connection, outcome)

    def _announce(self, connection: Connection, record: CallRecord, now: int) -> None:
        """Writes the webhook of a change, behind all earlier ones of the call."""
        if not record.call.webhook_url:
            return
        sequence = int(record.row["next_sequence"])
        body = {
            "type": f"call.{record.state.status.value}",
            "sequence": sequence,
            "created_at_ms": now,
            "call": view_of(record),
        }
        queries.insert_webhook(
            connection,
            {
                "call_id": record.id,
                "sequence": sequence,
                "event": body["type"],
                "url": record.call.webhook_url,
                "body": msgspec.json.encode(body).decode(),
                "state": "waiting",
                "tries": 0,
                "due_at_ms": now,
                "last_error": "",
                "created_at_ms": now,
            },
        )
        queries.change(connection, record.id, {"next_sequence": sequence + 1})

    def committed(self, change: Change | None) -> None:
        """Says, on the event loop after the commit, that a change is stored: wakes what waits for it and counts it."""
        if change is None or not change.is_change:
            return
        self.has_webhooks.set()
        if change.is_final:
            self._metrics.counter(CALLS, change.record.call.provider, change.record.state.status.value).inc()
        else:
            self.due.set()


def record_of(row: Row) -> CallRecord:
    """A row as a call."""
    outcome: dict[str, Any] = msgspec.json.decode(row["outcome"])
    facts = outcome.pop("facts", {})
    state = CallState(
        CallStatus(row["status"]), row["attempt"], is_cancel_requested=row["is_cancel_requested"], **outcome
    )
    return CallRecord(row["id"], msgspec.json.decode(row["request"], type=OutboundCall), state, row, facts)


def outcome_of(record: CallRecord) -> CallOutcome:
    """How a call that is over has ended."""
    state, row = record.state, record.row
    return CallOutcome(
        call_id=record.id,
        contact_key=record.call.contact_key,
        call_class=record.call.call_class,
        status=state.status,
        provider=record.call.provider,
        reason=state.reason,
        answered_by=state.answered_by,
        answered_at_ms=row["answered_at_ms"],
        ended_at_ms=row["ended_at_ms"] or 0,
        is_retryable=state.is_retryable,
        details=dict(record.facts),
    )


def view_of(record: CallRecord) -> dict[str, Any]:
    """A call as the API and webhooks show it."""
    call, row = record.call, record.row
    return {
        "id": record.id,
        "status": record.state.status.value,
        "to": call.to,
        "from": call.from_,
        "bot_id": call.bot_id,
        "provider": call.provider,
        "class": call.call_class,
        "attempt": record.state.attempt,
        "max_attempts": call.max_attempts,
        "is_cancel_requested": record.state.is_cancel_requested,
        "due_at_ms": row["due_at_ms"],
        "created_at_ms": row["created_at_ms"],
        "updated_at_ms": row["updated_at_ms"],
        "dialed_at_ms": row["dialed_at_ms"],
        "answered_at_ms": row["answered_at_ms"],
        "ended_at_ms": row["ended_at_ms"],
        "worker_id": row["worker_id"],
        "carrier_call_id": row["carrier_call_id"],
        "metadata": call.metadata,
        **_shown_facts(record),
    }


def tag_of(call_id: str, attempt: int) -> str:
    """What carriers are asked for an attempt by."""
    return f"{call_id}-{attempt}"


def _shown_facts(record: CallRecord) -> dict[str, Any]:
    state = record.state
    return {
        "reason": state.reason,
        "answered_by": state.answered_by,
        "bot_outcome": state.bot_outcome,
        **record.facts,
    }


def _columns(step: state_machine.Step, before: CallRecord, event: CallEvent, now: int) -> dict[str, Any]:
    """The columns that a change of state sets."""
    state = step.state
    values: dict[str, Any] = {
        "status": state.status,
        "attempt": state.attempt,
        "is_cancel_requested": state.is_cancel_requested,
        "check_at_ms": _next_check(state, before, event, now),
    }
    if isinstance(event, DialBegan):
        values |= {"dialed_at_ms": now, "carrier_call_id": "", "answered_at_ms": None}
    if state.is_answered and not before.state.is_answered:
        values["answered_at_ms"] = now
    if state.status in FINAL:
        values |= {"ended_at_ms": now, "lease_until_ms": 0}
    if step.retry_in_s is not None:
        values |= {"due_at_ms": now + int(step.retry_in_s * 1000), "lease_until_ms": 0, "worker_id": ""}
    return values


def _next_check(state: CallState, before: CallRecord, event: CallEvent, now: int) -> int:
    """When the carrier is asked about the call, should nothing be heard of it before."""
    if isinstance(event, BotEnded):
        return now + _AFTER_BOT_MS
    match state.status:
        case CallStatus.DIALING if isinstance(event, DialBegan):
            return now + DIAL_LEASE_MS
        case CallStatus.UNCERTAIN:
            return now
        case CallStatus.DIALING | CallStatus.RINGING:
            return now + before.call.ring_timeout_s * 1000 + _GRACE_MS
        case _:
            return now + _IN_PROGRESS_CHECK_MS


def _outcome_text(state: CallState, facts: Mapping[str, Any]) -> str:
    outcome = {
        "is_answered": state.is_answered,
        "answered_by": state.answered_by,
        "bot_outcome": state.bot_outcome,
        "reason": state.reason,
        "is_retryable": state.is_retryable,
        "facts": facts,
    }
    return msgspec.json.encode(outcome).decode()


def _row(call_id: str, call: OutboundCall, now: int) -> dict[str, Any]:
    """A new call."""
    is_later = call.due_at_ms > now
    return {
        "id": call_id,
        "contact_key": call.contact_key,
        "call_class": call.call_class,
        "status": CallStatus.SCHEDULED if is_later else CallStatus.QUEUED,
        "to_number": call.to,
        "from_number": call.from_,
        "bot_id": call.bot_id,
        "provider": call.provider,
        "request": msgspec.json.encode(call).decode(),
        "attempt": 0,
        "max_attempts": call.max_attempts,
        "due_at_ms": call.due_at_ms if is_later else now,
        "expires_at_ms": call.expires_at_ms,
        "is_cancel_requested": False,
        "outcome": "{}",
        "worker_id": "",
        "carrier_call_id": "",
        "created_at_ms": now,
        "updated_at_ms": now,
        "lease_holder": "",
        "lease_until_ms": 0,
        "check_at_ms": 0,
        "next_sequence": 1,
    }


def _event(call_id: str, now: int, kind: str, status: CallStatus, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "at_ms": now,
        "kind": kind,
        "status": status,
        "data": msgspec.json.encode(data).decode(),
    }


def _log_event(
    connection: Connection, call_id: str, now: int, kind: str, status: CallStatus, data: Mapping[str, Any]
) -> None:
    queries.insert_events(connection, [_event(call_id, now, kind, status, data)])


def _name_of(event: CallEvent) -> str:
    """`AttemptEnded` as `attempt_ended`."""
    name = type(event).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
