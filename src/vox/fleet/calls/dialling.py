"""Dials the calls that are due: a worker's slot first, then the row of the attempt, then the carrier, once.

The one thing to know before changing it: the row is committed before the carrier is asked, and the carrier is asked exactly once for
each row. Whatever is unclear afterwards is found out by asking the carrier (see `reconciliation`), never by dialling again.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from vox.errors import UsageError, VoxError
from vox.fleet.accounts.opening_hours import next_opening
from vox.fleet.calls import queries
from vox.fleet.calls.addresses import CallbackAddresses
from vox.fleet.calls.carriers import Carrier, Carriers
from vox.fleet.calls.contract import WAITING, CallStatus
from vox.fleet.calls.journal import DIAL_LEASE_MS, CallJournal, CallRecord, Change, record_of, tag_of
from vox.fleet.calls.metrics import DIAL_SECONDS, DIALS, PLACEMENTS
from vox.fleet.calls.numbers import masked_number
from vox.fleet.calls.state_machine import (
    AttemptEnded,
    CallEvent,
    DialAccepted,
    DialBegan,
    DialForbidden,
    DialLost,
    DialPostponed,
    Expired,
)
from vox.fleet.dispatch.contract import Busy, Dispatcher, Placed, Placement
from vox.protocols.fleet import REPORTS
from vox.providers.carriers.contract import DialRefused, DialRequest, DialUncertain
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.stores.sql import Connection, SqlDatabase

MAX_IN_FLIGHT: Final = 64
"""Attempts between their claim and the carrier's answer."""
POLL_S: Final = 1.0
"""How often calls that came due by time alone are looked for."""
_CLAIM_MS: Final = 15_000
_SLOT_GRACE_S: Final = 30.0
_CARRIER_FULL_S: Final = 2.0
_NO_SLOT_MIN_S: Final = 1.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DialParts:
    """What dialling stands on, shared with reconciliation and callbacks.

    Args:
        holder: names this process in leases.
        base_url: gives the address at which carriers reach the bridge.
    """

    database: SqlDatabase
    journal: CallJournal
    carriers: Carriers
    dispatcher: Dispatcher
    addresses: CallbackAddresses
    base_url: Callable[[], str]
    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    holder: str


class DialLoop:
    """Takes calls that are due and dials them, until it is cancelled.

    Args:
        parts: what it stands on.
        max_in_flight: attempts at the same time.
    """

    def __init__(self, parts: DialParts, *, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._parts = parts
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Claims and dials; an attempt that has begun is finished also while the bridge drains."""
        parts = self._parts
        async with asyncio.TaskGroup() as attempts:
            while True:
                parts.journal.due.clear()
                self._freed.clear()
                room = self._max_in_flight - self._in_flight
                rows: list[queries.Row] = []
                if room > 0 and parts.lifecycle.is_accepting and parts.base_url():
                    rows = await self._claim(room)
                for row in rows:
                    self._in_flight += 1
                    attempts.create_task(self._attempt(record_of(row)), name="dial")
                if room > 0 and len(rows) == room:
                    continue
                await self._sleep()

    async def _claim(self, limit: int) -> "list[queries.Row]":
        parts, now = self._parts, self._parts.clock.unix_ms()
        try:
            return list(
                await parts.database.write(
                    lambda connection: queries.claim_due(connection, parts.holder, now, now + _CLAIM_MS, limit)
                )
            )
        except VoxError as error:
            _log.warning("calls cannot be claimed", code=error.code, error=str(error))
            return []

    async def _sleep(self) -> None:
        waits = [asyncio.ensure_future(self._parts.journal.due.wait()), asyncio.ensure_future(self._freed.wait())]
        try:
            await asyncio.wait(waits, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _attempt(self, record: CallRecord) -> None:
        try:
            with self._parts.lifecycle.hold():
                await self._dial(record)
        except VoxError as error:
            _log.warning("call not dialled", call=record.id, code=error.code, error=str(error))
        except Exception:  # noqa: BLE001  the top of one attempt's task: the others go on, and this one is asked about later
            _log.exception("call not dialled", call=record.id)
        finally:
            self._in_flight -= 1
            self._freed.set()

    async def _dial(self, record: CallRecord) -> None:
        parts, call = self._parts, record.call
        now = parts.clock.unix_ms()
        if call.expires_at_ms is not None and now >= call.expires_at_ms:
            await self._apply(record, Expired())
            return
        if call.window is not None:
            opens_ms = int(next_opening(call.window, parts.clock.wall()).timestamp() * 1000)
            if opens_ms > now:
                is_too_late = call.expires_at_ms is not None and opens_ms >= call.expires_at_ms
                await (self._apply(record, Expired()) if is_too_late else self._postpone(record, opens_ms - now))
                return
        carrier = parts.carriers.get(call.provider)
        wait_s = carrier.rate.wait_s(parts.clock.now())
        if wait_s > 0 or not carrier.rate.take(parts.clock.now()):
            await self._postpone(record, int(wait_s * 1000))
            return
        placed = await self._place(record)
        if isinstance(placed, Busy):
            carrier.rate.give_back()
            await self._postpone(record, int(max(placed.retry_after_s, _NO_SLOT_MIN_S) * 1000))
            return
        change = await self._begin(record, carrier, placed)
        if not isinstance(change, Change):
            carrier.rate.give_back()
            await self._release(placed)
            if change == "full":
                await self._postpone(record, int(_CARRIER_FULL_S * 1000))
            return
        await self._ask_carrier(change.record, carrier, placed)

    async def _place(self, record: CallRecord) -> Placed | Busy:
        parts, call = self._parts, record.call
        placed = await parts.dispatcher.place(placement_of(record))
        if isinstance(placed, Busy):
            parts.metrics.counter(PLACEMENTS, placed.reason).inc()
            _log.info("no slot for a call", call=record.id, bot=call.bot_id, reason=placed.reason)
        else:
            parts.metrics.counter(PLACEMENTS, "placed").inc()
        return placed

    async def _begin(self, record: CallRecord, carrier: Carrier, placed: Placed) -> Change | Literal["gone", "full"]:
        """Writes the attempt, where the call is still ours and waiting and the carrier has room."""
        parts, most = self._parts, carrier.limits.max_concurrent

        def unit(connection: Connection) -> Change | Literal["gone", "full"]:
            if most:
                queries.lock_provider(connection, carrier.name)
            row = queries.find(connection, record.id, locks=True)
            now = parts.clock.unix_ms()
            is_ours = row is not None and row["lease_holder"] == parts.holder and row["lease_until_ms"] > now
            if row is None or not is_ours or row["status"] not in WAITING:
                return "gone"
            if reason := parts.journal.forbidden(connection, record.id):
                parts.journal.apply(connection, record.id, DialForbidden(reason))
                return "gone"
            if most and queries.live_count(connection, carrier.name) >= most:
                return "full"
            columns = {"worker_id": placed.worker_id, "lease_until_ms": now + DIAL_LEASE_MS}
            change = parts.journal.apply(connection, record.id, DialBegan(), columns=columns)
            if change is None:
                return "gone"
            attempt = change.record.state.attempt
            queries.insert_attempt(
                connection,
                {
                    "call_id": record.id,
                    "attempt": attempt,
                    "tag": tag_of(record.id, attempt),
                    "provider": carrier.name,
                    "status": CallStatus.DIALING,
                    "carrier_call_id": "",
                    "placement": placement_text(placed),
                    "reason": "",
                    "started_at_ms": now,
                },
            )
            return change

        change = await parts.database.write(unit)
        if isinstance(change, Change):
            parts.journal.committed(change)
        return change

    async def _ask_carrier(self, record: CallRecord, carrier: Carrier, placed: Placed) -> None:
        parts, call, attempt = self._parts, record.call, record.state.attempt
        request = dial_request(record, carrier, placed, parts.addresses, parts.base_url())
        began = parts.clock.now()
        try:
            dialled = await carrier.dialler.dial(request)
        except DialRefused as refused:
            if refused.is_rate_limit:
                await self._too_soon(record, carrier, refused.retry_after_s or 1.0)
            else:
                self._count(carrier, "refused")
                _log.warning("carrier refuses a call", call=record.id, carrier=carrier.name, error=str(refused))
                await self._apply(record, AttemptEnded(CallStatus.FAILED, refused.reason, refused.retryable))
            await self._release(placed)
            return
        except DialUncertain as unknown:
            self._count(carrier, "uncertain")
            _log.warning("unknown whether a call was dialled", call=record.id, carrier=carrier.name, error=str(unknown))
            await self._apply(record, DialLost("carrier_did_not_answer"), {"lease_until_ms": 0})
            return
        self._count(carrier, "accepted")
        parts.metrics.histogram(DIAL_SECONDS, carrier.name).observe(parts.clock.now() - began)
        _log.info("call dialled", call=record.id, carrier=carrier.name, to=masked_number(call.to), attempt=attempt)
        change = await parts.database.write(
            lambda connection: accepted(connection, parts.journal, record, attempt, dialled.carrier_call_id)
        )
        parts.journal.committed(change)
        if change is not None and change.record.state.is_cancel_requested and not change.is_final:
            await carrier.dialler.hang_up(dialled.carrier_call_id)

    async def _too_soon(self, record: CallRecord, carrier: Carrier, retry_after_s: float) -> None:
        """Nothing was dialled: the attempt does not count, and the carrier gets no further ones for a while."""
        parts = self._parts
        self._count(carrier, "rate_limited")
        carrier.rate.close(parts.clock.now(), retry_after_s)
        due_at_ms = parts.clock.unix_ms() + int(retry_after_s * 1000)
        await self._apply(record, DialPostponed(), {"due_at_ms": due_at_ms, "lease_until_ms": 0})

    async def _apply(self, record: CallRecord, event: CallEvent, columns: Mapping[str, Any] | None = None) -> None:
        parts, attempt = self._parts, record.state.attempt
        change = await parts.database.write(
            lambda connection: parts.journal.apply(connection, record.id, event, attempt=attempt, columns=columns)
        )
        parts.journal.committed(change)

    async def _postpone(self, record: CallRecord, wait_ms: int) -> None:
        """Gives the claim back; the call is due again after a while."""
        parts = self._parts
        due_at_ms = parts.clock.unix_ms() + max(wait_ms, 0)
        expires = record.call.expires_at_ms
        if expires is not None:
            due_at_ms = min(due_at_ms, expires)  # to be seen there as expired

        def unit(connection: Connection) -> None:
            row = queries.find(connection, record.id, locks=True)
            if row is not None and row["lease_holder"] == parts.holder and row["status"] in WAITING:
                queries.change(connection, record.id, {"due_at_ms": due_at_ms, "lease_until_ms": 0})

        await parts.database.write(unit)

    async def _release(self, placed: Placed) -> None:
        try:
            await self._parts.dispatcher.release(placed)
        except VoxError as error:
            _log.info("slot not given back; it ends by itself", worker=placed.worker_id, error=str(error))

    def _count(self, carrier: Carrier, result: str) -> None:
        self._parts.metrics.counter(DIALS, carrier.name, result).inc()


def accepted(
    connection: Connection, journal: CallJournal, record: CallRecord, attempt: int, carrier_call_id: str
) -> Change | None:
    """Writes that the carrier has taken an attempt, and its id for it; a unit of work."""
    queries.change_attempt(connection, record.id, attempt, {"carrier_call_id": carrier_call_id})
    row = queries.find(connection, record.id, locks=True)
    is_present = row is not None and row["attempt"] == attempt
    columns = {"carrier_call_id": carrier_call_id, "lease_until_ms": 0} if is_present else None
    return journal.apply(connection, record.id, DialAccepted(), attempt=attempt, columns=columns)


def placement_of(record: CallRecord) -> Placement:
    """What a worker is asked for."""
    call = record.call
    return Placement(
        call_id=record.id,
        call_class=call.call_class,
        bot_id=call.bot_id,
        provider=call.provider,
        ttl_s=call.ring_timeout_s + _SLOT_GRACE_S,
        metadata={
            "direction": "outbound",
            "to": call.to,
            "from": call.from_,
            "variables": dict(call.variables),
            "metadata": dict(call.metadata),
            "on_machine": call.on_machine,
            **({REPORTS: ["digits"]} if call.call_class == "campaign" else {}),
        },
    )


def placement_text(placed: Placed) -> str:
    """A placement as the row of the attempt keeps it until the stream is there."""
    return msgspec.json.encode(
        {
            "worker_id": placed.worker_id,
            "stream_url": placed.stream_url,
            "token": placed.token,
            "reservation_id": placed.reservation_id,
            "is_resumable": placed.is_resumable,
        }
    ).decode()


def placement_from(text: str) -> Placed | None:
    """The placement of an attempt; None once it was used or given back."""
    stored: dict[str, Any] = msgspec.json.decode(text)
    return Placed(**stored) if stored else None


def stream_parameters(record: CallRecord, placed: Placed) -> dict[str, str]:
    """What the media stream brings to the worker; the token first, because some carriers pass only a few on."""
    call = record.call
    return {"token": placed.token, "call_id": record.id, "bot_id": call.bot_id, "from": call.from_, "to": call.to}


def dial_request(
    record: CallRecord, carrier: Carrier, placed: Placed, addresses: CallbackAddresses, base: str
) -> DialRequest:
    """What the carrier is asked for."""
    call = record.call
    return DialRequest(
        to=call.to,
        from_=call.from_,
        stream_url=placed.stream_url,
        parameters=stream_parameters(record, placed),
        status_url=addresses.status_url(base, carrier.name, record.tag),
        answer_url=addresses.answer_url(base, carrier.name, record.tag),
        ring_timeout_s=call.ring_timeout_s,
        max_duration_s=call.max_duration_s,
        amd=call.amd,
        tag=record.tag,
    )


def unknown_call() -> UsageError:
    """There is no call with that id."""
    return UsageError("There is no such call.", code="call_not_found")
