"""What owners of calls may do: submit them once however often they ask, look at them, and end, transfer or prompt live ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vox.errors import DependencyError, UsageError
from vox.fleet.accounts.bots import find_bot
from vox.fleet.calls import queries
from vox.fleet.calls.contract import FINAL, LIVE, CallStatus, OutboundCall
from vox.fleet.calls.dialling import DialParts, unknown_call
from vox.fleet.calls.journal import CallRecord, Change, record_of, view_of
from vox.fleet.calls.state_machine import CancelRequested
from vox.fleet.dispatch.contract import HangUp, Inject, Transfer
from vox.runtime.logging import get_logger
from vox.security.digests import sha256_hex
from vox.stores.sql import Connection

IDEMPOTENCY_MS: Final = 86_400_000
MAX_EVENTS: Final = 500
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A call that is to be submitted, and how it was asked for.

    Args:
        call: the call.
        api_key_id: of the key that asks.
        idempotency_key: what the caller names the request by; empty for a request of its own.
        body: of the request, whose repetition has to be the same.
    """

    call: OutboundCall
    api_key_id: str
    idempotency_key: str
    body: bytes


class CallService:
    """Operations on calls.

    Args:
        parts: what dialling stands on.
        check_webhook: refuses webhook URLs that nothing may be sent to.
    """

    def __init__(self, parts: DialParts, check_webhook: Callable[[str], None]) -> None:
        self._parts = parts
        self._check_webhook = check_webhook

    async def submit(self, submission: Submission) -> dict[str, Any]:
        """Takes a call; the same request under the same key gives the same answer and no second call.

        Raises:
            UsageError: bot_unknown, idempotency_conflict, provider_unknown, url_refused.
        """
        parts, call = self._parts, submission.call
        parts.carriers.get(call.provider)
        if call.webhook_url:
            self._check_webhook(call.webhook_url)
        digest = sha256_hex(submission.body)
        try:
            reply = await parts.database.write(lambda connection: self._submitted(connection, submission, digest))
        except DependencyError as error:
            if error.code != "database_conflict" or not submission.idempotency_key:
                raise
            # The same request came in at another bridge at this moment, and is answered there.
            reply = await parts.database.write(lambda connection: self._submitted(connection, submission, digest))
        parts.journal.wake()
        return reply

    def _submitted(self, connection: Connection, submission: Submission, digest: str) -> dict[str, Any]:
        parts, call, now = self._parts, submission.call, self._parts.clock.unix_ms()
        key = submission.idempotency_key
        if key:
            known = queries.find_idempotency(connection, submission.api_key_id, key, now)
            if known is not None and known["digest"] != digest:
                raise UsageError(
                    "This Idempotency-Key was used for another request.",
                    code="idempotency_conflict",
                    hint="use a new key for each call",
                )
            if known is not None:
                return msgspec.json.decode(known["reply"])
        bot = find_bot(connection, call.bot_id)
        if bot is None or not bot.is_active:
            raise UsageError(
                f"There is no bot {call.bot_id!r}." if bot is None else f"The bot {call.bot_id!r} is switched off.",
                code="bot_unknown",
                hint="GET /v1/bots lists them",
            )
        call_id = parts.journal.submit(connection, call)
        status = CallStatus.SCHEDULED if call.due_at_ms > now else CallStatus.QUEUED
        reply = {"id": call_id, "status": status.value}
        if key:
            queries.insert_idempotency(
                connection,
                {
                    "api_key_id": submission.api_key_id,
                    "key": key,
                    "digest": digest,
                    "call_id": call_id,
                    "reply": msgspec.json.encode(reply).decode(),
                    "expires_at_ms": now + IDEMPOTENCY_MS,
                },
            )
        return reply

    async def view(self, call_id: str) -> dict[str, Any]:
        """A call with its attempts, its log and its results.

        Raises:
            UsageError: call_not_found.
        """

        def unit(connection: Connection) -> dict[str, Any]:
            row = queries.find(connection, call_id)
            if row is None:
                raise unknown_call()
            return {
                **view_of(record_of(row)),
                "attempts": [_attempt(attempt) for attempt in queries.attempts_of(connection, call_id)],
                "events": [_event(event) for event in queries.events_of(connection, call_id, MAX_EVENTS)],
                "results": queries.results_of(connection, call_id),
            }

        return await self._parts.database.read(unit)

    async def page(
        self, *, limit: int, cursor: str = "", status: str = "", bot_id: str = "", to: str = ""
    ) -> dict[str, Any]:
        """Calls, the newest first, and the cursor of the next page; empty where there is none.

        Raises:
            UsageError: the cursor is none of ours (cursor_invalid).
        """
        before = _position(cursor)
        rows = await self._parts.database.read(
            lambda connection: queries.page(
                connection, limit=limit + 1, before=before, status=status, bot_id=bot_id, to=to
            )
        )
        shown = rows[:limit]
        more = len(rows) > limit
        last = shown[-1] if shown else None
        following = f"{last['created_at_ms']}.{last['id']}" if more and last is not None else ""
        return {"calls": [view_of(record_of(row)) for row in shown], "next_cursor": following}

    async def cancel(self, call_id: str) -> dict[str, Any]:
        """Ends a call that waits; asks for the end of one that is being dialled.

        Raises:
            UsageError: call_not_found, or call_answered for one that has to be hung up.
        """
        record = await self._record(call_id)
        if record.state.is_answered and record.state.status in LIVE:
            raise UsageError("The call was answered.", code="call_answered", hint="hang it up instead")
        return await self.hang_up(call_id)

    async def hang_up(self, call_id: str) -> dict[str, Any]:
        """Ends a call, wherever it is.

        Raises:
            UsageError: call_not_found, or call_ended.
            DependencyError: the carrier could not be told (hang_up_failed); it is told again later.
        """
        parts = self._parts

        def unit(connection: Connection) -> Change | None:
            columns = {"check_at_ms": parts.clock.unix_ms() + 1000}  # asks and hangs up again, should this fail
            row = queries.find(connection, call_id)
            if row is None or row["status"] in FINAL:
                return None
            return parts.journal.apply(connection, call_id, CancelRequested(), columns=columns)

        change = await parts.database.write(unit)
        if change is None:
            await self._record(call_id)
            raise _ended()
        parts.journal.committed(change)
        record = change.record
        if not change.is_final and record.row["carrier_call_id"]:
            carrier = parts.carriers.get(record.call.provider)
            if not await carrier.dialler.hang_up(record.row["carrier_call_id"]):
                await parts.dispatcher.command(call_id, HangUp())
        return view_of(record)

    async def transfer(self, call_id: str, to: str) -> dict[str, Any]:
        """Hands an answered call over to another number.

        Raises:
            UsageError: call_not_found, call_ended, call_not_answered.
            DependencyError: worker_unreachable.
        """
        record = await self._answered(call_id)
        await self._parts.dispatcher.command(call_id, Transfer(to))
        return view_of(record)

    async def inject(self, call_id: str, text: str) -> dict[str, Any]:
        """Gives the bot of an answered call a text to act on.

        Raises:
            UsageError: as `transfer`.
            DependencyError: worker_unreachable.
        """
        record = await self._answered(call_id)
        await self._parts.dispatcher.command(call_id, Inject(text))
        return view_of(record)

    async def _answered(self, call_id: str) -> CallRecord:
        record = await self._record(call_id)
        if record.state.status in FINAL:
            raise _ended()
        if record.state.status not in {CallStatus.ANSWERED, CallStatus.IN_PROGRESS}:
            raise UsageError("The call is not answered yet.", code="call_not_answered")
        return record

    async def _record(self, call_id: str) -> CallRecord:
        row = await self._parts.database.read(lambda connection: queries.find(connection, call_id))
        if row is None:
            raise unknown_call()
        return record_of(row)


def _ended() -> UsageError:
    return UsageError("The call is over.", code="call_ended")


def _attempt(row: queries.Row) -> dict[str, Any]:
    shown = ("attempt", "provider", "status", "carrier_call_id", "reason", "started_at_ms", "ended_at_ms")
    return {name: row[name] for name in shown}


def _event(row: queries.Row) -> dict[str, Any]:
    data = msgspec.json.decode(row["data"])
    return {"at_ms": row["at_ms"], "kind": row["kind"], "status": row["status"], "data": data}


def _position(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    at_ms, _, call_id = cursor.partition(".")
    if not at_ms.isdecimal() or len(at_ms) > 16 or not call_id:  # noqa: PLR2004  digits of milliseconds
        raise UsageError("The cursor is none of this list's.", code="cursor_invalid", hint="use next_cursor as it came")
    return int(at_ms), call_id
