"""Sends events to the addresses of outgoing webhooks: signed, for each subscription in order, until they are taken or given up.

A delivery is a row from the transaction of its event on, so none is lost; it may come twice where a process ends between the answer and
its commit, which the number in it tells. Several processes share the work: a claimed delivery belongs to others again after a while.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from vox.chat.database.unit_of_work import ApplyChange, AuditEntry, Change
from vox.chat.events import Event
from vox.chat.events.integrations import subscription_changed
from vox.chat.features.outgoing_webhooks import queries
from vox.chat.features.outgoing_webhooks.payloads import delivery_body
from vox.chat.integrations.registry import Integrations
from vox.chat.integrations.signing import SigningKey, valid_secrets
from vox.errors import VoxError
from vox.runtime import tracing
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.security.outbound import OutboundGuard
from vox.security.webhook_signatures import HEADER, signature
from vox.stores.sql import Connection

DEADLINE_S: Final = 10.0
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 3600.0
GIVEN_UP_AFTER_S: Final = 86_400
"""How long one delivery is tried, and after how long without a success a subscription is disabled."""
MAX_AT_ONCE: Final = 16
POLL_S: Final = 1.0
IDLE_S: Final = 10.0
"""How often it is asked whether there are subscriptions by now, which costs nothing: another process may have to be relieved of its retries."""
LEASE_MS: Final = 30_000
MAX_ANSWER_BYTES: Final = 16_384
GONE: Final = 410

_log = get_logger(__name__)
_tracer = tracing.tracer(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt; `error` is empty on success."""

    status: int | None
    error: str
    duration_ms: int
    retry_after_s: float | None = None


class DeliverySender:
    """Sends what waits while `run` runs.

    Args:
        change: runs units of work.
        integrations: says whether there are subscriptions at all.
        guard: fetches the addresses, which come from outside.
        key: of the signatures.
        clock: for pauses and the times in signatures.
        chance: spreads the pauses.
    """

    def __init__(
        self,
        change: ApplyChange,
        integrations: Integrations,
        guard: OutboundGuard,
        key: SigningKey,
        clock: Clock,
        chance: Random,
    ) -> None:
        self._change = change
        self._integrations = integrations
        self._guard = guard
        self._key = key
        self._clock = clock
        self._chance = chance
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something waits to be sent; from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Sends, one round after another, until it is cancelled; looks at the database only while there are subscriptions.

        Raises:
            DependencyError: the database failed.
        """
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._woken.clear()
                if self._integrations.has_subscriptions and await self.round():
                    continue
                try:
                    async with asyncio.timeout(POLL_S if self._integrations.has_subscriptions else IDLE_S):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            self._loop = None

    async def round(self) -> int:
        """Sends what is due, of each subscription the earliest; returns how many.

        Raises:
            DependencyError: the database failed.
        """
        now_ms = self._clock.unix_ms()
        claim = partial(queries.claim_deliveries, now_ms=now_ms, until_ms=now_ms + LEASE_MS, limit=MAX_AT_ONCE)
        rows = await self._change(lambda connection: Change(claim(connection)))
        await asyncio.gather(*(self._deliver(row) for row in rows))
        return len(rows)

    async def _deliver(self, row: queries.Row) -> None:
        if not row["enabled"]:
            outcome = Outcome(None, "the subscription is gone or disabled", 0)
            await self._change(partial(_bury, row=row, outcome=outcome, now_ms=self._clock.unix_ms()))
            return
        with _tracer.span("webhook", event=row["event"], attempt=row["attempts"] + 1) as span:
            outcome = await self._post(row)
            span.set(status=outcome.status, error=outcome.error)
        now_ms = self._clock.unix_ms()
        if not outcome.error:
            await self._change(partial(_succeed, row=row, outcome=outcome, now_ms=now_ms))
            return
        _log.info("event not taken", subscription=row["subscription_id"], delivery=row["id"], error=outcome.error)
        pause_s = pause_before(row["attempts"] + 2) * (1 + self._chance.random() / 4)
        pause_s = max(pause_s, min(outcome.retry_after_s or 0.0, LONGEST_PAUSE_S))
        await self._change(partial(_fail, row=row, outcome=outcome, now_ms=now_ms, pause_s=pause_s))

    async def _post(self, row: queries.Row) -> Outcome:
        now_s, started = self._clock.unix_s(), self._clock.now()
        body = delivery_body(row)
        secrets = valid_secrets(
            await self._key.get(self._change),
            "subscription",
            row["subscription_id"],
            version=row["secret_version"],
            rotated_at=row["secret_rotated_at"],
            now_s=now_s,
        )
        headers = {
            "content-type": "application/json",
            "x-vox-event": row["event"],
            "x-vox-delivery": str(row["id"]),
            HEADER: signature(secrets, now_s, body),
        }
        status: int | None = None
        error, after_s = "", None
        try:
            answer = await self._guard.fetch(
                "POST", row["url"], headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=MAX_ANSWER_BYTES
            )
            status = answer.status
            error = "" if 200 <= status < 300 else f"status {status}"  # noqa: PLR2004  HTTP statuses
            after = answer.headers.get("retry-after", "")
            after_s = float(after) if after.isascii() and after.isdigit() and len(after) < 9 else None  # noqa: PLR2004  digits
        except VoxError as failed:
            error = failed.code
        return Outcome(status, error, round((self._clock.now() - started) * 1000), after_s)


def pause_before(attempt: int) -> float:
    """Seconds before an attempt, without chance: each pause is three times the one before, up to an hour."""
    return min(FIRST_PAUSE_S * 3.0 ** min(attempt - 2, 20), LONGEST_PAUSE_S)


def _succeed(connection: Connection, *, row: queries.Row, outcome: Outcome, now_ms: int) -> Change[None]:
    finished = _attempt(row, outcome) | {"state": "delivered", "error": None, "finished_at": now_ms}
    queries.finish_delivery(connection, row["id"], finished)
    values: dict[str, Any] = {"last_delivered_at": now_ms // 1000}
    if row["failing_since"] is not None:
        values |= {"failing_since": None}
    queries.change_subscription(connection, row["subscription_id"], values)
    return Change(None)


def _bury(connection: Connection, *, row: queries.Row, outcome: Outcome, now_ms: int) -> Change[None]:
    queries.finish_delivery(connection, row["id"], _attempt(row, outcome) | {"state": "dead", "finished_at": now_ms})
    return Change(None)


def _fail(connection: Connection, *, row: queries.Row, outcome: Outcome, now_ms: int, pause_s: float) -> Change[None]:
    number, now_s = row["subscription_id"], now_ms // 1000
    failing_since = queries.begin_failing(connection, number, now_s, outcome.error)
    reason = ""
    if outcome.status == GONE:
        reason = "The receiver answered 410 Gone."
    elif failing_since and now_s - failing_since >= GIVEN_UP_AFTER_S:
        reason = f"No event was taken for 24 hours; the last error was: {outcome.error}."
    if reason:
        queries.finish_delivery(
            connection, row["id"], _attempt(row, outcome) | {"state": "dead", "finished_at": now_ms}
        )
        return Change(None, *_disabled(connection, number, reason, now_ms))
    is_over = now_ms - row["created_at"] >= GIVEN_UP_AFTER_S * 1000
    after = {"state": "dead", "finished_at": now_ms} if is_over else {"due_at": now_ms + int(pause_s * 1000)}
    queries.finish_delivery(connection, row["id"], _attempt(row, outcome) | after)
    return Change(None)


def _disabled(
    connection: Connection, number: int, reason: str, now_ms: int
) -> tuple[tuple[Event, ...], tuple[AuditEntry, ...]]:
    values = {"enabled": False, "disabled_reason": reason}
    if not queries.change_subscription(connection, number, values):
        return (), ()
    queries.bury_waiting(connection, number, now_ms, "the subscription was disabled")
    entry = AuditEntry("outgoing_webhook.disable", None, number, {"reason": reason})
    return (subscription_changed(number, None),), (entry,)


def _attempt(row: queries.Row, outcome: Outcome) -> dict[str, Any]:
    facts: Mapping[str, Any] = {"status": outcome.status, "error": outcome.error, "duration_ms": outcome.duration_ms}
    return {**facts, "attempts": row["attempts"] + 1}
