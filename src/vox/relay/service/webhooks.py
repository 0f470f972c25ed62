"""Tells other servers what happens in rooms: each event is posted to every address, in order, until it is taken or given up.

An event is JSON; its Authorization header is a token that carries the body's SHA-256 and is signed with an API key's secret, so that a
receiver with the same key knows whose it is and that nothing was changed. Events wait in memory: what waits when the process dies
is lost, which `num_dropped` cannot say; receivers that must know ask RoomService.
"""

import asyncio
import base64
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

from google.protobuf.json_format import MessageToJson
from livekit.protocol.webhook import WebhookEvent

from vox.errors import UsageError, VoxError
from vox.relay.metrics import WEBHOOKS, WEBHOOKS_WAITING
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.security.room_tokens import RoomClaims, RoomKey, sign_room_token

DEADLINE_S: Final = 10.0
"""For one attempt, from the look-up to the last byte of the answer."""
TOKEN_LIFETIME_S: Final = 300.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
CONTENT_TYPE: Final = "application/webhook+json"
_MAX_ANSWER: Final = 65_536

_log = get_logger(__name__)


class Webhooks:
    """The addresses and what waits for them. `submit` never blocks; sending runs while `running()` is open.

    Args:
        urls: every event goes to each.
        key: signs.
        guard: fetches the addresses, which may lead into named private networks only.
        clock: for times and pauses.
        chance: spreads the pauses.
        metrics: counts.
        max_tries: after which an event is given up.
        queue_size: events that wait for one address; beyond, the oldest is dropped.
    """

    def __init__(
        self,
        urls: Sequence[str],
        key: RoomKey,
        guard: OutboundGuard,
        clock: Clock,
        chance: Random,
        metrics: Metrics,
        *,
        max_tries: int = 8,
        queue_size: int = 1000,
    ) -> None:
        self._clock = clock
        self._lines = [
            _Line(place, url, key, guard, clock, chance, metrics, max_tries, queue_size)
            for place, url in enumerate(dict.fromkeys(urls), 1)
        ]
        self._waiting = metrics.gauge(WEBHOOKS_WAITING)

    @property
    def is_on(self) -> bool:
        """Whether anybody is told."""
        return bool(self._lines)

    def submit(self, event: WebhookEvent) -> None:
        """Queues an event for every address; sets its id and time."""
        if not self._lines:
            return
        event.id = new_id("EV")
        event.created_at = self._clock.unix_s()
        for line in self._lines:
            line.add(event)
        self.measure()

    def measure(self) -> None:
        """Sets the gauge of what waits."""
        self._waiting.set(sum(line.waiting for line in self._lines))

    async def flush(self, timeout_s: float) -> None:
        """Returns once nothing waits any more, or the time is over.

        Args:
            timeout_s: in seconds.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for line in self._lines:
                    await line.idle.wait()

    @asynccontextmanager
    async def running(self, flush_s: float = 5.0) -> AsyncGenerator[None]:
        """Sends while the block runs; at its end what waits has this long to go out.

        Args:
            flush_s: seconds for what is left.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(line.run(), name=f"webhooks {line.place}") for line in self._lines]
            try:
                yield
            finally:
                for line in self._lines:
                    line.finish()
                if tasks:
                    await asyncio.wait(tasks, timeout=flush_s)
                for task in tasks:
                    task.cancel()


class _Line:
    """One address: its events go out one after the other, so that they arrive in order."""

    def __init__(
        self,
        place: int,
        url: str,
        key: RoomKey,
        guard: OutboundGuard,
        clock: Clock,
        chance: Random,
        metrics: Metrics,
        max_tries: int,
        queue_size: int,
    ) -> None:
        self.place = place
        self._url = url
        self._key = key
        self._guard = guard
        self._clock = clock
        self._chance = chance
        self._max_tries = max_tries
        self._queue_size = queue_size
        self._events: deque[WebhookEvent] = deque()
        self._dropped = 0
        self._changed = asyncio.Event()
        self.idle = asyncio.Event()
        """Set while nothing waits and nothing is on its way."""
        self.idle.set()
        self._is_finishing = False
        self._results = {
            result: metrics.counter(WEBHOOKS, result) for result in ("delivered", "failed", "dead", "dropped")
        }

    @property
    def waiting(self) -> int:
        return len(self._events)

    def add(self, event: WebhookEvent) -> None:
        if len(self._events) >= self._queue_size:
            self._events.popleft()
            self._dropped += 1
            self._results["dropped"].inc()
        self._events.append(event)
        self.idle.clear()
        self._changed.set()

    def finish(self) -> None:
        """Ends `run` once nothing waits."""
        self._is_finishing = True
        self._changed.set()

    async def run(self) -> None:
        while True:
            while self._events:
                event = self._events.popleft()
                dropped, self._dropped = self._dropped, 0
                await self._deliver(event, dropped)
            self.idle.set()
            if self._is_finishing:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _deliver(self, event: WebhookEvent, dropped: int) -> None:
        message = WebhookEvent()
        message.CopyFrom(event)  # each address has its own number of dropped events
        message.num_dropped = dropped
        body = MessageToJson(message, indent=None).encode()
        tries = 0
        while True:
            error, is_final = await self._post(body)
            tries += 1
            if not error:
                self._results["delivered"].inc()
                return
            if is_final or tries >= self._max_tries:
                self._results["dead"].inc()
                _log.error("webhook given up", address=self.place, kind=event.event, tries=tries, error=error)
                return
            self._results["failed"].inc()
            _log.info("webhook not taken", address=self.place, kind=event.event, tries=tries, error=error)
            await asyncio.sleep(pause_after(tries) * (1 + self._chance.random() / 4))

    async def _post(self, body: bytes) -> tuple[str, bool]:
        """What is wrong with the answer, empty where the event was taken; and whether trying again is useless."""
        headers = {"content-type": CONTENT_TYPE, "authorization": body_token(self._key, body, self._clock.unix())}
        try:
            answer = await self._guard.fetch(
                "POST", self._url, headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=_MAX_ANSWER
            )
        except VoxError as error:
            return error.code, isinstance(error, UsageError)
        return ("", False) if 200 <= answer.status < 300 else (f"status {answer.status}", False)  # noqa: PLR2004  HTTP statuses


def body_token(key: RoomKey, body: bytes, now: float) -> str:
    """The token that vouches for a body: it carries the body's SHA-256 in base64.

    Args:
        key: signs.
        body: as it travels.
        now: seconds since 1970.
    """
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return sign_room_token(key, RoomClaims(sha256=digest), now=now, lifetime_s=TOKEN_LIFETIME_S)


def pause_after(attempt: int) -> float:
    """Seconds after a failed attempt, without chance: each pause is twice the one before, up to a minute."""
    return min(FIRST_PAUSE_S * 2 ** min(attempt - 1, 10), LONGEST_PAUSE_S)
