"""Sends the events of calls to their owners: signed, for each call in order, until they are taken or given up.

An event is a row before it is sent, so none is lost; it may come twice where the process ends between the answer and its commit, which the
sequence number in it tells.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from vox.errors import VoxError
from vox.fleet.calls import queries
from vox.fleet.calls.journal import CallJournal
from vox.fleet.calls.metrics import WEBHOOKS, WEBHOOKS_WAITING
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security import webhook_signatures
from vox.security.outbound import OutboundGuard
from vox.stores.sql import SqlDatabase

MAX_TRIES: Final = 12
DEADLINE_S: Final = 10.0
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 3600.0
MAX_AT_ONCE: Final = 32
POLL_S: Final = 1.0
_MAX_ANSWER: Final = 65_536
_LEASE_MS: Final = 30_000

_log = get_logger(__name__)


class WebhookOutbox:
    """Sends what waits, until it is cancelled.

    Args:
        database: open while this is used.
        journal: says when there is something to send.
        guard: fetches the URLs, which come from outside.
        secret: signs; asked for at each event.
        clock: for pauses and the time in signatures.
        chance: spreads the pauses.
        metrics: counts events.
        max_tries: after which an event is given up.
    """

    def __init__(
        self,
        database: SqlDatabase,
        journal: CallJournal,
        guard: OutboundGuard,
        secret: Callable[[], str],
        clock: Clock,
        chance: Random,
        metrics: Metrics,
        *,
        max_tries: int = MAX_TRIES,
    ) -> None:
        self._database = database
        self._journal = journal
        self._guard = guard
        self._secret = secret
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._max_tries = max_tries

    async def run(self) -> None:
        """Sends, one round after another.

        Raises:
            DependencyError: the database failed.
        """
        while True:
            self._journal.has_webhooks.clear()
            if not await self.round():
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._journal.has_webhooks.wait()
                except TimeoutError:
                    continue

    async def round(self) -> int:
        """Sends what is due, of each call the earliest event; returns how many.

        Raises:
            DependencyError: the database failed.
        """
        now = self._clock.unix_ms()
        rows = await self._database.write(
            lambda connection: queries.claim_webhooks(connection, now, now + _LEASE_MS, MAX_AT_ONCE)
        )
        await asyncio.gather(*(self._send(row) for row in rows))
        return len(rows)

    async def measure(self) -> None:
        """Sets the gauge of what waits."""
        waiting = await self._database.read(queries.waiting_webhooks)
        self._metrics.gauge(WEBHOOKS_WAITING).set(waiting)

    async def _send(self, row: queries.Row) -> None:
        number, body = row["number"], row["body"]
        error = await self._posted(row["url"], row["event"], f"evt_{number}", body)
        now = self._clock.unix_ms()
        tries = row["tries"] + 1
        if not error:
            values = {"state": "delivered", "tries": tries, "delivered_at_ms": now, "last_error": ""}
            self._metrics.counter(WEBHOOKS, "delivered").inc()
        elif tries >= self._max_tries:
            values = {"state": "dead", "tries": tries, "last_error": error}
            self._metrics.counter(WEBHOOKS, "dead").inc()
            _log.error("event given up", call=row["call_id"], webhook=number, tries=tries, error=error)
        else:
            pause_s = pause_before(tries + 1) * (1 + self._chance.random() / 4)
            values = {"tries": tries, "due_at_ms": now + int(pause_s * 1000), "last_error": error}
            self._metrics.counter(WEBHOOKS, "failed").inc()
            _log.info("event not taken", call=row["call_id"], webhook=number, tries=tries, error=error)
        await self._database.write(lambda connection: queries.change_webhook(connection, number, values))
        self._journal.has_webhooks.set()  # the next one of the call may go

    async def _posted(self, url: str, event: str, delivery: str, body: str) -> str:
        """What is wrong with the answer; empty where the event was taken."""
        at_s = self._clock.unix_s()
        headers = {
            "content-type": "application/json",
            "x-vox-event": event,
            "x-vox-delivery": delivery,
            "x-vox-signature": signature(self._secret(), at_s, body),
        }
        try:
            answer = await self._guard.fetch(
                "POST", url, headers=headers, body=body.encode(), deadline_s=DEADLINE_S, max_bytes=_MAX_ANSWER
            )
        except VoxError as error:
            return error.code
        return "" if 200 <= answer.status < 300 else f"status {answer.status}"  # noqa: PLR2004  HTTP statuses


def signature(secret: str, at_s: int, body: str) -> str:
    """The value of `X-Vox-Signature`: the time, and the HMAC-SHA256 of time, dot and body."""
    return webhook_signatures.signature((secret,), at_s, body.encode())


def pause_before(attempt: int) -> float:
    """Seconds before an attempt, without chance: each pause is three times the one before, up to an hour."""
    return min(FIRST_PAUSE_S * 3 ** (attempt - 2), LONGEST_PAUSE_S)
