"""What carriers tell and ask about attempts: verified, turned into events, and answered."""

from collections.abc import Mapping
from typing import Final

from vox.errors import UsageError, VoxError
from vox.fleet.calls import queries
from vox.fleet.calls.carrier_events import events_of
from vox.fleet.calls.carriers import Carrier
from vox.fleet.calls.contract import LIVE, CallStatus
from vox.fleet.calls.dialling import DialParts, placement_from, placement_of, placement_text, stream_parameters
from vox.fleet.calls.journal import CallRecord, Change
from vox.fleet.calls.metrics import CALLBACKS
from vox.fleet.calls.state_machine import CallEvent, Progressed
from vox.fleet.dispatch.contract import Inject, Placed
from vox.providers.carriers.contract import CallbackEvent, CarrierCall, WebhookAnswer, WebhookRequest
from vox.runtime.logging import get_logger
from vox.security.digests import bad_signature
from vox.stores.sql import Connection

VOICEMAIL_VARIABLE: Final = "voicemail_message"
_MACHINES: Final = frozenset({"machine", "fax"})
_BY_BODY: Final = frozenset({"exotel", "livekit_sip"})
"""Carriers that may use one address for all calls: what the driver checks is the only proof then, and the request names the attempt."""

_log = get_logger(__name__)


class CarrierCallbacks:
    """Takes callbacks of all carriers."""

    def __init__(self, parts: DialParts) -> None:
        self._parts = parts

    async def status(self, carrier_name: str, request: WebhookRequest, query: Mapping[str, str]) -> None:
        """A carrier tells what has become of an attempt.

        Raises:
            UsageError: it is not the carrier (bad_signature), or the carrier does not exist (provider_unknown).
            DependencyError: the database is away; carriers repeat their callbacks, and what they do not is asked for later.
        """
        parts = self._parts
        carrier = parts.carriers.get(carrier_name)
        tag = self._verified(carrier, request, query)
        event = carrier.dialler.read_callback(request)
        if event is None:
            self._count(carrier, "ignored")
            return
        tag = tag or event.tag
        if event.tag and event.tag != tag:
            self._count(carrier, "refused")
            raise bad_signature("it names another attempt than its address")
        change = await self._learn(carrier, tag, event)
        if change is not None and change.is_change:
            await self.react(change)

    async def answer(
        self, carrier_name: str, request: WebhookRequest, query: Mapping[str, str]
    ) -> WebhookAnswer | None:
        """A carrier asks what to do with an answered call: it is connected to its worker, or ended.

        Raises:
            UsageError: as `status`.
        """
        parts = self._parts
        carrier = parts.carriers.get(carrier_name)
        tag = self._verified(carrier, request, query)
        event = carrier.dialler.read_callback(request)
        tag = tag or (event.tag if event is not None else "")
        call = event.call if event is not None else CarrierCall("", "answered")
        change = await self._learn(carrier, tag, CallbackEvent(call), Progressed(CallStatus.ANSWERED))
        if change is None:
            return carrier.dialler.refuse()
        record = change.record
        is_over = record.state.status not in LIVE or record.tag != tag
        is_unwanted = record.state.answered_by in _MACHINES and record.call.on_machine == "hang_up"
        if is_over or record.state.is_cancel_requested or is_unwanted:
            return carrier.dialler.refuse()
        placed = await self._placed(record)
        if placed is None:
            _log.warning("no worker for an answered call", call=record.id)
            return carrier.dialler.refuse()
        return carrier.dialler.answer(placed.stream_url, stream_parameters(record, placed))

    def _verified(self, carrier: Carrier, request: WebhookRequest, query: Mapping[str, str]) -> str:
        """The tag of a callback's address, once it is known to be the carrier's."""
        parts = self._parts
        tag = query.get("tag", "")
        try:
            carrier.dialler.verify(request, now=parts.clock.wall().timestamp())
            is_common = not tag and carrier.name in _BY_BODY
            if not is_common and not parts.addresses.is_ours(tag, query.get("proof", "")):
                raise bad_signature("its address is not one that the carrier was given")
        except UsageError as error:
            self._count(carrier, "refused")
            _log.warning("callback refused", carrier=carrier.name, error=str(error))
            raise
        return tag

    async def _learn(self, carrier: Carrier, tag: str, event: CallbackEvent, *further: CallEvent) -> Change | None:
        """Feeds a callback into its call; None where no attempt has the tag."""
        parts, call = self._parts, event.call

        def unit(connection: Connection) -> Change | None:
            attempt = queries.find_attempt_by_tag(connection, tag)
            if attempt is None or attempt["provider"] != carrier.name:
                return None
            return learn(connection, parts, attempt, call, *further)

        change = await parts.database.write(unit)
        parts.journal.committed(change)
        if change is None:
            self._count(carrier, "unknown")
        else:
            self._count(carrier, "applied" if change.record.tag == tag else "late")
        return change

    async def _placed(self, record: CallRecord) -> Placed | None:
        """Where the call's stream goes: the slot that was reserved, or another one where that worker is gone."""
        parts, attempt = self._parts, record.state.attempt
        row = await parts.database.read(lambda connection: queries.find_attempt(connection, record.id, attempt))
        placed = placement_from(row["placement"]) if row is not None else None
        if placed is not None and any(
            worker.worker_id == placed.worker_id and not worker.is_stale for worker in parts.dispatcher.fleet().workers
        ):
            return placed
        again = await parts.dispatcher.place(placement_of(record))
        if not isinstance(again, Placed):
            return None

        def unit(connection: Connection) -> None:
            queries.change_attempt(connection, record.id, attempt, {"placement": placement_text(again)})
            queries.change(connection, record.id, {"worker_id": again.worker_id})

        await parts.database.write(unit)
        return again

    async def react(self, change: Change) -> None:
        """Does what the call was submitted with where a machine has answered, and hangs up what was cancelled meanwhile."""
        record = change.record
        state, call = record.state, record.call
        if change.is_final or not state.is_answered:
            return
        try:
            carrier = self._parts.carriers.get(call.provider)
            if state.is_cancel_requested or (state.answered_by in _MACHINES and call.on_machine == "hang_up"):
                await carrier.dialler.hang_up(record.row["carrier_call_id"])
            elif state.answered_by == "machine" and call.on_machine == "leave_message":
                message = call.variables.get(VOICEMAIL_VARIABLE, "")
                said = f" Say this and nothing else: {message}" if message else ""
                text = f"A voicemail has answered. Leave a message, then end the call.{said}"
                await self._parts.dispatcher.command(record.id, Inject(text))
        except VoxError as error:
            _log.warning("answered call not acted on", call=record.id, code=error.code, error=str(error))

    def _count(self, carrier: Carrier, result: str) -> None:
        self._parts.metrics.counter(CALLBACKS, carrier.name, result).inc()


def learn(
    connection: Connection, parts: DialParts, attempt: queries.Row, call: CarrierCall, *further: CallEvent
) -> Change | None:
    """Feeds what a carrier says of an attempt into its call; a unit of work, or a part of one.

    Args:
        connection: of the transaction.
        parts: what dialling stands on.
        attempt: the row of the attempt.
        call: what the carrier says.
        further: events that follow from the request itself.
    """
    call_id, number = attempt["call_id"], attempt["attempt"]
    row = queries.find(connection, call_id, locks=True)
    columns: dict[str, object] = {}
    if call.carrier_call_id and call.carrier_call_id != attempt["carrier_call_id"]:
        queries.change_attempt(connection, call_id, number, {"carrier_call_id": call.carrier_call_id})
        if row is not None and row["attempt"] == number:
            columns["carrier_call_id"] = call.carrier_call_id
    facts = {"duration_s": call.duration_s} if call.duration_s is not None else {}
    last: Change | None = None
    is_change = False
    for event in (*events_of(call), *further):
        last = parts.journal.apply(
            connection, call_id, event, attempt=number, facts=facts, columns=columns if last is None else None
        )
        is_change = is_change or (last is not None and last.is_change)
    return Change(last.record, is_change, last.is_final) if last is not None else None
