"""What carriers tell and ask about attempts: verified, turned into events, and answered."""

import asyncio
from collections.abc import Mapping
from typing import Final

from vox.errors import UsageError, VoxError
from vox.fleet.calls import queries
from vox.fleet.calls.carrier_events import events_of
from vox.fleet.calls.carriers import Carrier
from vox.fleet.calls.contract import LIVE, CallStatus
from vox.fleet.calls.dialling import DialParts, placement_from, placement_of, placement_text, stream_parameters
from vox.fleet.calls.journal import CallRecord, Change, record_of
from vox.fleet.calls.metrics import CALLBACKS
from vox.fleet.calls.state_machine import CallEvent, Progressed
from vox.fleet.dispatch.contract import Inject, Placed
from vox.protocols.media_stream import FIRST_STREAM, NEXT_STREAM, RESUME_PARAMETER
from vox.providers.carriers.contract import (
    CallbackEvent,
    CarrierCall,
    ResumableDialler,
    WebhookAnswer,
    WebhookRequest,
)
from vox.runtime.logging import get_logger
from vox.security.digests import bad_signature
from vox.stores.sql import Connection

_LOOK_EVERY_S: Final = 0.02
_LOOKS: Final = 75
"""So often, 1.5 s in all, it is looked whether a worker has told what became of a call whose stream is over."""
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
        carrier = self._parts.carriers.get(carrier_name)
        record = await self._asked(carrier, request, query)
        if record is None:
            return carrier.dialler.refuse()
        placed = await self._placed(record)
        if placed is None:
            return carrier.dialler.refuse()
        return self._connected(carrier, record, placed, FIRST_STREAM)

    async def resume(
        self, carrier_name: str, request: WebhookRequest, query: Mapping[str, str]
    ) -> WebhookAnswer | None:
        """A carrier asks what to do with a call whose stream is over: it is connected to another worker, or ended.

        Raises:
            UsageError: as `status`.
        """
        carrier, dispatcher = self._parts.carriers.get(carrier_name), self._parts.dispatcher
        record = await self._asked(carrier, request, query)
        if record is None or record.state.bot_outcome:
            return carrier.dialler.refuse()
        for _ in range(_LOOKS):  # the worker tells at this moment whether the call has ended or goes on elsewhere
            if not dispatcher.is_running(record.id):
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        placed = None
        if await self._parts.database.read(lambda connection: _goes_on(connection, record)):
            placed = await self._placed_again(record)
        if placed is None:
            return carrier.dialler.refuse()
        return self._connected(carrier, record, placed, NEXT_STREAM)

    def _connected(self, carrier: Carrier, record: CallRecord, placed: Placed, stream: str) -> WebhookAnswer | None:
        parts, parameters = self._parts, stream_parameters(record, placed)
        if not placed.is_resumable or not isinstance(carrier.dialler, ResumableDialler):
            return carrier.dialler.answer(placed.stream_url, parameters)
        url = parts.addresses.resume_url(parts.base_url(), carrier.name, record.tag)
        return carrier.dialler.resumable_answer(placed.stream_url, {**parameters, RESUME_PARAMETER: stream}, url)

    async def _asked(self, carrier: Carrier, request: WebhookRequest, query: Mapping[str, str]) -> CallRecord | None:
        """The call that a carrier asks about; None where we have no use for it."""
        tag = self._verified(carrier, request, query)
        event = carrier.dialler.read_callback(request)
        tag = tag or (event.tag if event is not None else "")
        call = event.call if event is not None else CarrierCall("", "answered")
        change = await self._learn(carrier, tag, CallbackEvent(call), Progressed(CallStatus.ANSWERED))
        if change is None:
            return None
        record = change.record
        is_over = record.state.status not in LIVE or record.tag != tag
        is_unwanted = record.state.answered_by in _MACHINES and record.call.on_machine == "hang_up"
        return None if is_over or record.state.is_cancel_requested or is_unwanted else record

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
        return await self._placed_again(record)

    async def _placed_again(self, record: CallRecord) -> Placed | None:
        parts, attempt = self._parts, record.state.attempt
        again = await parts.dispatcher.place(placement_of(record))
        if not isinstance(again, Placed):
            _log.warning("no slot for a call under way", call=record.id, reason=again.reason)
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


def _goes_on(connection: Connection, record: CallRecord) -> bool:
    row = queries.find(connection, record.id)
    state = record_of(row).state if row is not None else None
    return state is not None and state.status in LIVE and not (state.bot_outcome or state.is_cancel_requested)


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
