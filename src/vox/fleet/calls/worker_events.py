"""What workers tell about calls: that media runs, how the conversation ended, that a worker is gone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from vox.fleet.calls import queries
from vox.fleet.calls.contract import CallStatus
from vox.fleet.calls.journal import CallJournal, Change
from vox.fleet.calls.state_machine import BotEnded, CallEvent, Detected, Progressed
from vox.protocols.fleet import LINE_LOST, RunningCall
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.security.digests import sha256_hex
from vox.stores.sql import Connection, SqlDatabase

LOST_CHECK_MS: Final = 5_000
"""A carrier has noticed by then that the stream of a lost worker is gone, or it has taken it elsewhere."""
TRANSFER_FAILED: Final = "transfer_failed"
_MEDIA: Final = frozenset({"started", "media", "media_started", "in_progress"})
_DETECTED: Final = frozenset({"human", "machine", "fax", "screening", "unknown"})

ProgressListener = Callable[[str, str, Mapping[str, Any]], Awaitable[None]]
"""Hears of what happens in a call: its id, the event, and what belongs to it."""
ResultHook = Callable[[Connection, str, Mapping[str, Any]], None]
"""Runs within the transaction that stores the result of a call, by its id, once; may read and write the database, nothing else."""

_log = get_logger(__name__)


class WorkerEvents:
    """Implements `vox.fleet.dispatch.contract.DispatchListener`, and takes results over HTTP.

    Args:
        database: open while this is used.
        journal: moves calls on.
        clock: for the times in the rows.
    """

    def __init__(self, database: SqlDatabase, journal: CallJournal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self.on_detected: Callable[[Change], Awaitable[None]] | None = None
        """Acts on what a worker has heard answer."""
        self._listeners: list[ProgressListener] = []
        self._result_hooks: list[ResultHook] = []

    def add_progress_listener(self, listener: ProgressListener) -> None:
        """Has a listener hear of what happens in calls, from now on."""
        self._listeners.append(listener)

    def add_result_hook(self, hook: ResultHook) -> None:
        """Has a hook called for every result, from now on."""
        self._result_hooks.append(hook)

    async def on_registered(self, worker_id: str, calls: Sequence[RunningCall]) -> None:
        """See `DispatchListener`."""
        running = {call.call_id for call in calls if call.call_class != "inbound"}
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> None:
            for call_id in queries.live_at(connection, worker_id):
                if call_id not in running:
                    queries.change(connection, call_id, {"check_at_ms": now + LOST_CHECK_MS})

        await self._database.write(unit)
        for call_id in running:
            await self._apply(call_id, Progressed(CallStatus.IN_PROGRESS), {"worker_id": worker_id})

    async def on_ended(self, call_id: str, outcome: str, result: Mapping[str, Any]) -> None:
        """See `DispatchListener`."""
        await self.take_result({**result, "call_id": call_id, "outcome": outcome})

    async def on_progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """See `DispatchListener`."""
        answered_by = str(data.get("answered_by", ""))
        if answered_by in _DETECTED:
            change = await self._apply(call_id, Detected(answered_by))
            if change is not None and change.is_change and self.on_detected is not None:
                await self.on_detected(change)
        elif event in _MEDIA:
            await self._apply(call_id, Progressed(CallStatus.IN_PROGRESS))
        elif event == TRANSFER_FAILED:
            now, code = self._clock.unix_ms(), str(data.get("code", ""))[:64]
            await self._database.write(lambda connection: queries.note(connection, call_id, event, {"code": code}, now))
        for listener in self._listeners:
            await listener(call_id, event, data)

    async def on_lost(self, worker_id: str, call_ids: Sequence[str]) -> None:
        """See `DispatchListener`."""
        now = self._clock.unix_ms()
        _log.warning("worker lost", worker=worker_id, calls=len(call_ids))

        def unit(connection: Connection) -> None:
            for call_id in call_ids:
                queries.note(connection, call_id, "worker_lost", {"worker_id": worker_id}, now, now + LOST_CHECK_MS)

        await self._database.write(unit)

    async def take_result(self, result: Mapping[str, Any]) -> bool:
        """Stores the result of a conversation and moves its call on; False where it was stored before.

        A worker delivers a result until it is confirmed, over its socket or by HTTP, so the same one comes more than once.
        """
        call_id, now = str(result.get("call_id", "")), self._clock.unix_ms()
        identity = msgspec.json.encode([call_id, *(result.get(name, "") for name in ("session_id", "stream_id"))])
        values = {
            "id": sha256_hex(identity),
            "call_id": call_id,
            "bot_id": str(result.get("bot_id", "")),
            "body": msgspec.json.encode(result).decode(),
            "received_at_ms": now,
        }
        outcome = str(result.get("outcome") or result.get("disconnected_by") or "ended")

        def unit(connection: Connection) -> bool:
            if not queries.insert_result(connection, values):
                return False
            if call_id and result.get("reason") != LINE_LOST:
                for hook in self._result_hooks:
                    hook(connection, call_id, result)
                self._journal.apply(connection, call_id, BotEnded(outcome), facts=_facts(result))
            return True

        is_new = await self._database.write(unit)
        self._journal.has_webhooks.set()
        return is_new

    async def _apply(self, call_id: str, event: CallEvent, columns: Mapping[str, Any] | None = None) -> Change | None:
        change = await self._database.write(
            lambda connection: self._journal.apply(connection, call_id, event, columns=columns)
        )
        self._journal.committed(change)
        return change


def _facts(result: Mapping[str, Any]) -> dict[str, Any]:
    """What of a result belongs into the outcome of the call."""
    found = {"disconnected_by": str(result.get("disconnected_by") or "")}
    return {name: value for name, value in found.items() if value}
