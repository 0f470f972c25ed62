"""Finds out what became of calls about which nothing was heard: after a carrier's time-out, a lost callback, a crash of the bridge.

The carrier is asked by its own id of the call, else by our tag. Only when it has no such call and it cannot be ringing any more is the
attempt over; an attempt that may have been dialled is never dialled again.
"""

import asyncio
from typing import Final

from vox.errors import VoxError
from vox.fleet.calls import queries
from vox.fleet.calls.callbacks import learn
from vox.fleet.calls.carriers import Carrier
from vox.fleet.calls.contract import CallStatus
from vox.fleet.calls.dialling import DialParts, dial_request, placement_from
from vox.fleet.calls.journal import CallRecord, Change, record_of
from vox.fleet.calls.metrics import RECONCILED
from vox.fleet.calls.state_machine import AttemptEnded, DialLost
from vox.fleet.dispatch.contract import HangUp, Placed
from vox.providers.carriers.contract import CarrierCall
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

INTERVAL_S: Final = 1.0
MAX_AT_ONCE: Final = 32
UNCERTAIN_RINGS: Final = 2
"""An attempt that the carrier does not know of is over after this many times its ring time."""
_LEASE_MS: Final = 30_000
_ASK_AGAIN_MS: Final = 10_000
_SOON_MS: Final = 2_000

_log = get_logger(__name__)


class Reconciler:
    """Asks carriers about calls whose time to be checked has come."""

    def __init__(self, parts: DialParts) -> None:
        self._parts = parts

    async def round(self) -> None:
        """Checks what is due.

        Raises:
            DependencyError: the database failed.
        """
        parts, now = self._parts, self._parts.clock.unix_ms()
        rows = await parts.database.write(
            lambda connection: queries.claim_checks(connection, now, now + _LEASE_MS, MAX_AT_ONCE)
        )
        await asyncio.gather(*(self._check(record_of(row)) for row in rows))

    async def _check(self, record: CallRecord) -> None:
        try:
            await self._found_out(record)
        except VoxError as error:
            _log.warning("call not checked", call=record.id, code=error.code, error=str(error))
        except Exception:  # noqa: BLE001  the top of one call's check: the others go on, and this one is checked again
            _log.exception("call not checked", call=record.id)

    async def _found_out(self, record: CallRecord) -> None:
        parts, number = self._parts, record.state.attempt
        attempt = await parts.database.read(lambda connection: queries.find_attempt(connection, record.id, number))
        if attempt is None:
            return
        carrier = parts.carriers.get(attempt["provider"])
        if record.state.status is CallStatus.DIALING and not attempt["carrier_call_id"]:
            # Its bridge did not live to write the carrier's answer.
            record = await self._lost(record) or record
        try:
            found = await self._ask(carrier, record, attempt)
        except VoxError as error:
            parts.metrics.counter(RECONCILED, carrier.name, "unreachable").inc()
            _log.warning("carrier cannot be asked about a call", call=record.id, carrier=carrier.name, error=str(error))
            await self._unresolved(record, attempt, is_known_absent=False)
            return
        parts.metrics.counter(RECONCILED, carrier.name, "not_found" if found is None else "found").inc()
        if found is None:
            await self._unresolved(record, attempt, is_known_absent=True)
        else:
            await self._settle(record, attempt, carrier, found)

    async def _ask(self, carrier: Carrier, record: CallRecord, attempt: queries.Row) -> CarrierCall | None:
        if attempt["carrier_call_id"]:
            return await carrier.dialler.look_up(attempt["carrier_call_id"])
        parts = self._parts
        placed = placement_from(attempt["placement"]) or Placed("", "", "", "")
        request = dial_request(record, carrier, placed, parts.addresses, parts.base_url())
        known = await parts.database.read(
            lambda connection: queries.carrier_ids_to(connection, record.call.to, attempt["tag"])
        )
        return await carrier.dialler.find(request, attempt["started_at_ms"] / 1000, known)

    async def _lost(self, record: CallRecord) -> CallRecord | None:
        parts = self._parts
        change = await parts.database.write(
            lambda connection: parts.journal.apply(
                connection, record.id, DialLost("bridge_restarted"), attempt=record.state.attempt
            )
        )
        parts.journal.committed(change)
        return change.record if change is not None else None

    async def _settle(self, record: CallRecord, attempt: queries.Row, carrier: Carrier, found: CarrierCall) -> None:
        """Writes what the carrier knows, and ends a call that lives on although its conversation is over."""
        parts = self._parts
        change = await parts.database.write(lambda connection: learn(connection, parts, attempt, found))
        parts.journal.committed(change)
        if change is None or change.is_final:
            return
        state = change.record.state
        is_done = bool(state.bot_outcome) and not state.bot_outcome.startswith("transfer")
        if state.is_cancel_requested or is_done:
            is_sent = await carrier.dialler.hang_up(found.carrier_call_id)
            if not is_sent and not is_done:
                await parts.dispatcher.command(record.id, HangUp())
        if is_done or state.is_cancel_requested or not carrier.dialler.has_callbacks:
            await self._check_after(record, _SOON_MS)
        elif not change.is_change:
            await self._check_after(record, 30 * _ASK_AGAIN_MS if state.is_answered else _ASK_AGAIN_MS)

    async def _unresolved(self, record: CallRecord, attempt: queries.Row, *, is_known_absent: bool) -> None:
        """Nothing is known of the attempt yet: asks again, or ends it where it cannot be ringing any more."""
        parts, state = self._parts, record.state
        waited_ms = parts.clock.unix_ms() - attempt["started_at_ms"]
        ring_ms = record.call.ring_timeout_s * 1000
        # A carrier forgets calls that are over; one that has given no id for the call may still learn of it.
        is_forgotten = is_known_absent and bool(attempt["carrier_call_id"])
        if is_forgotten and state.is_answered:
            event = AttemptEnded(CallStatus.COMPLETED, "carrier_forgot_call")
        elif is_forgotten and waited_ms > ring_ms:
            event = AttemptEnded(CallStatus.NO_ANSWER, "carrier_forgot_call")
        elif waited_ms > UNCERTAIN_RINGS * ring_ms and not state.is_answered:
            event = AttemptEnded(CallStatus.FAILED, "outcome_unknown", is_retryable=is_known_absent)
        else:
            left_ms = UNCERTAIN_RINGS * ring_ms - waited_ms
            await self._check_after(record, min(_ASK_AGAIN_MS, left_ms + 1) if left_ms > 0 else _ASK_AGAIN_MS)
            return

        def unit(connection: Connection) -> Change | None:
            return parts.journal.apply(connection, record.id, event, attempt=state.attempt)

        parts.journal.committed(await parts.database.write(unit))

    async def _check_after(self, record: CallRecord, wait_ms: int) -> None:
        parts = self._parts
        at_ms = parts.clock.unix_ms() + wait_ms
        await parts.database.write(lambda connection: queries.change(connection, record.id, {"check_at_ms": at_ms}))
