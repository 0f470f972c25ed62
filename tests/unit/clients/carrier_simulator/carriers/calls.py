"""Calls in chosen states, for the tests of the carriers' words."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from vox.clients.carrier_simulator.behaviour import Behaviour, Outcome
from vox.clients.carrier_simulator.call_events import Begin, CallEvent, HangUpAsked, PickUp
from vox.clients.carrier_simulator.call_machine import CallMachine
from vox.clients.carrier_simulator.record import CallOrder, CallRecord

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
HEX = "0123456789abcdef0123456789abcdef"


def call_of(
    dialect: Any, order: CallOrder, behaviour: Behaviour | None = None, *events: CallEvent, seconds: float = 3.0
) -> CallRecord:
    """A call that was dialled, went on for `seconds` and then heard these events."""
    conduct = behaviour or Behaviour()
    machine = CallMachine(order.plan, conduct)
    record = CallRecord(
        dialect.new_call_id(HEX), dialect.carrier, "", order, conduct, machine, NOW, leg_id=HEX, session_id=HEX[::-1]
    )
    actions = [*machine.handle(Begin(), 0.0), *machine.advance(seconds)]
    for event in events:
        actions += machine.handle(event, seconds)
    record.begun = NOW + timedelta(seconds=1)
    if PickUp() in actions:
        record.answered = NOW + timedelta(seconds=3)
    if machine.is_over:
        record.ended = NOW + timedelta(seconds=65)
    return record


def ended_calls(dialect: Any, order: CallOrder) -> Sequence[CallRecord]:
    """Calls that ended in each way: completed, busy, rejected, no answer, failed, canceled."""
    outcomes = (Outcome.BUSY, Outcome.REJECT, Outcome.NO_ANSWER, Outcome.FAIL)
    return [
        call_of(dialect, order, None, HangUpAsked()),
        *(call_of(dialect, order, Behaviour(outcome=one), seconds=700.0) for one in outcomes),
        call_of(dialect, order, Behaviour(ring_s=9.0), HangUpAsked()),
    ]
