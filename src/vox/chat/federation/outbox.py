"""The queue of deliveries to other servers: durable, in order for each conversation, until each is settled.

A delivery enters it in the transaction of the message it carries, and leaves it in one of its own once the peer has answered: a crash
between the two sends it again, and the receiver knows it by its name. `delivery` decides; this module reads, sends and writes. Several
processes may share a queue: a lease says which one sends. Two that send for a moment, because a lease ran out, do no harm: each
sends in order, and a repeated delivery is recognised.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from vox.chat.federation import queries
from vox.chat.federation.client import PeerFailure
from vox.chat.federation.delivery import Answer, RetryTimes, Verdict, is_hopeless, verdict_of, wait_ms
from vox.chat.federation.metrics import DELIVERIES
from vox.chat.federation.queries import Delivery
from vox.errors import VoxError
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.stores.leases import SqlLeases
from vox.stores.sql import Connection, SqlDatabase

AT_ONCE: Final = 16
AT_ONCE_TO_ONE: Final = 4
"""Conversations with one server that are under way at once; one while the server does not answer."""
LOOKS_EVERY_S: Final = 30.0
LOOKS_EVERY_SHARED_S: Final = 1.0
"""With several processes another one may have added a delivery."""
LEASE: Final = "chat federation outbox"
LEASE_S: Final = 15.0
EXPIRED: Final = "FED_UNAVAILABLE"
"""The code of a delivery that was given up after a week of trying."""

Send = Callable[[Delivery, int], Awaitable[object]]
"""Sends a delivery, with the number before which all deliveries to its server are settled; raises PeerFailure."""
OnFailed = Callable[[Delivery, str], None]
"""Takes a delivery that was given up, and the code of the reason."""

_log = get_logger(__name__)


class Outbox:
    """Sends what waits, while `run` runs.

    Args:
        database: keeps the queue.
        clock: the times of attempts.
        metrics: counts outcomes.
        send: sends one.
        times: how long to wait between attempts.
        on_failed: told of each that is given up.
    """

    def __init__(
        self,
        database: SqlDatabase,
        clock: Clock,
        metrics: Metrics,
        *,
        send: Send,
        times: RetryTimes,
        on_failed: OnFailed,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._send = send
        self._times = times
        self._on_failed = on_failed
        self._busy: set[tuple[str, str]] = set()
        self._at: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._leases: SqlLeases | None = None
        self._holder = new_id("proc")
        self._held_until = 0.0
        self.is_sending = False
        """Whether this process is the one that sends."""

    def wake(self) -> None:
        """Looks at the queue soon: something was added or is due. From any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._wake.set)

    async def run(self, *, is_shared: bool) -> None:
        """Sends until cancelled.

        Args:
            is_shared: whether other processes use the same queue.
        """
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        if is_shared:
            self._leases = SqlLeases(self._database, self._clock)
            await self._leases.create()
        looks_every_s = LOOKS_EVERY_SHARED_S if is_shared else LOOKS_EVERY_S
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._wake.clear()
                    wait_s = min(await self._round(group), looks_every_s)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._wake.wait()
        finally:
            self._loop, self.is_sending = None, False
            self._busy.clear()
            self._at.clear()
            if self._leases is not None:
                with contextlib.suppress(VoxError):
                    await self._leases.release(self._holder)

    async def _round(self, group: asyncio.TaskGroup) -> float:
        """Starts what is due; seconds until the next look."""
        self.is_sending = await self._may_send()
        if not self.is_sending:
            return LOOKS_EVERY_S
        now_ms, longest_ms = self._clock.unix_ms(), int(self._times.longest_s * 1000)
        full = [domain for domain, count in self._at.items() if count >= AT_ONCE_TO_ONE]
        due = await self._database.read(partial(queries.heads, now_ms=now_ms, longest_ms=longest_ms, without=full))
        for delivery in due:
            key = (delivery.domain, delivery.conversation)
            if len(self._busy) >= AT_ONCE:
                return LOOKS_EVERY_S  # the next one that ends looks again
            most = 1 if delivery.peer_failures else AT_ONCE_TO_ONE
            if key not in self._busy and self._at[delivery.domain] < most:
                self._busy.add(key)
                self._at[delivery.domain] += 1
                group.create_task(self._deliver(delivery))
        next_ms = await self._database.read(partial(queries.next_due_ms, now_ms=now_ms))
        return LOOKS_EVERY_S if next_ms is None else max(0.05, (next_ms - now_ms) / 1000)

    async def _may_send(self) -> bool:
        if self._leases is None:
            return True
        now = self._clock.now()
        if now < self._held_until - LEASE_S / 2:
            return True
        held = await self._leases.acquire([LEASE], self._holder, LEASE_S)
        self._held_until = now + LEASE_S if LEASE in held else 0.0
        return LEASE in held

    async def _deliver(self, delivery: Delivery) -> None:
        """One attempt. Whatever fails in here leaves the delivery in the queue."""
        try:
            settled_before = await self._database.read(partial(queries.oldest_waiting, domain=delivery.domain))
            answer, why = await self._attempt(delivery, settled_before)
            await self._conclude(delivery, answer, why)
        except VoxError as error:
            _log.warning("federation delivery not recorded", code=error.code, domain=delivery.domain)
            await asyncio.sleep(1.0)  # the database is busy or away; it is tried again
        finally:
            self._busy.discard((delivery.domain, delivery.conversation))
            self._at[delivery.domain] -= 1
            if not self._at[delivery.domain]:
                del self._at[delivery.domain]
            self._wake.set()

    async def _attempt(self, delivery: Delivery, settled_before: int) -> tuple[Answer, str]:
        try:
            await self._send(delivery, settled_before)
        except PeerFailure as failure:
            return failure.answer, str(failure)
        except VoxError as error:
            return Answer(0, error.code.upper()), str(error.args[0])
        except Exception:  # noqa: BLE001  the top of an attempt: one that cannot be made must not end the queue
            _log.exception("federation delivery failed", domain=delivery.domain, kind=delivery.kind)
            return Answer(500), "it could not be sent"
        return Answer(204), ""

    async def _conclude(self, delivery: Delivery, answer: Answer, why: str) -> None:
        verdict, now_ms = verdict_of(answer), self._clock.unix_ms()
        if verdict in {Verdict.LATER, Verdict.PEER_AWAY} and is_hopeless(
            now_ms, delivery.created_at, delivery.attempts + 1, self._times
        ):
            verdict, answer = Verdict.REFUSED, Answer(0, EXPIRED)
        unit = partial(
            conclude,
            delivery=delivery,
            verdict=verdict,
            answer=answer,
            why=why,
            now_ms=now_ms,
            times=self._times,
            chance=secrets.randbelow(1000) / 1000,
        )
        is_failed = await self._database.write(unit)
        self._metrics.counter(DELIVERIES, verdict.value).inc()
        if is_failed:
            _log.warning("federation delivery given up", domain=delivery.domain, kind=delivery.kind, code=answer.code)
            self._on_failed(delivery, answer.code)


def conclude(
    connection: Connection,
    *,
    delivery: Delivery,
    verdict: Verdict,
    answer: Answer,
    why: str,
    now_ms: int,
    times: RetryTimes,
    chance: float,
) -> bool:
    """Writes what an attempt has come to; whether the delivery is given up.

    Args:
        connection: of the writer.
        delivery: as it was before the attempt.
        verdict: of the answer.
        answer: of the peer.
        why: in words, for administrators.
        now_ms: Unix milliseconds.
        times: how long to wait.
        chance: from 0 to 1.
    """
    if verdict is Verdict.DELIVERED:
        queries.settle(connection, delivery.id)
        queries.peer_answers(connection, delivery.domain)
        return False
    if verdict is Verdict.REFUSED:
        return queries.fail(connection, delivery.id, answer.code)
    reason = answer.code or f"HTTP_{answer.status}"
    if verdict is Verdict.LATER:
        wait = wait_ms(delivery.attempts + 1, times, chance=chance, retry_after_s=answer.retry_after_s)
        queries.postpone(connection, delivery.id, now_ms + wait, reason)
        return False
    peer = queries.find_peer(connection, delivery.domain)
    failures = 1 if peer is None else peer.failures + 1
    wait = wait_ms(failures, times, chance=chance, retry_after_s=answer.retry_after_s)
    queries.postpone(connection, delivery.id, 0, reason)
    queries.peer_away(
        connection,
        delivery.domain,
        failures=failures,
        not_before=now_ms + wait,
        error=why[:200],
        now_s=now_ms // 1000,
    )
    return False
