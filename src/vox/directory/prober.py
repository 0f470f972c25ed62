"""Asks every relay for its health, each at its own time, and tells the health machine what came back.

One task keeps a heap of due times; probes run in tasks of their own, at most `max_concurrent` at once and never two of one
relay. Whatever a relay's answer means is decided in `vox.directory.health`; here it is only fetched, through the guard.
"""

import asyncio
import heapq
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from ipaddress import ip_network
from random import Random

import msgspec

from vox.directory.journal import Journal
from vox.directory.metrics import PROBE_SECONDS, PROBES, TRANSITIONS
from vox.directory.records import Record
from vox.directory.registry import Registry
from vox.directory.relay import Relay
from vox.directory.settings import DirectorySettings
from vox.errors import UsageError, VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.security.signatures import verify_ed25519

MAX_ANSWER_BYTES = 4096
CHALLENGE_HEADER = "vox-challenge"
CHALLENGE_WORDS = b"vox relay health\n"
JITTER = 0.1

_log = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    due: float
    is_running: bool = False
    token: int = 0


class Prober:
    """Probes while `running`; without that it only remembers.

    Args:
        settings: how often, how long, through what.
        registry: what is probed, and where findings go.
        journal: is told which relays have findings to write.
        remove: takes a relay out for good.
        clock: when probes are due.
        metrics: counts probes.
        random: jitter.
        guard: the way out; made from the settings unless given.
    """

    def __init__(
        self,
        settings: DirectorySettings,
        registry: Registry,
        journal: Journal,
        remove: Callable[[str], Awaitable[None]],
        clock: Clock,
        metrics: Metrics,
        random: Random,
        guard: OutboundGuard | None = None,
    ) -> None:
        self._health = settings.health_check
        self._registry = registry
        self._journal = journal
        self._remove = remove
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self.guard = guard or make_guard(settings)
        self._watched: dict[str, _Watched] = {}
        self._heap: list[tuple[float, str]] = []
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(self._health.max_concurrent)

    def look_at(self, relay_id: str) -> None:
        """Probes a relay at once, for instance because it is new."""
        self._plan(relay_id, self._clock.now())

    def forget(self, relay_id: str) -> None:
        """Probes a relay no more."""
        self._watched.pop(relay_id, None)

    def learn(self, record: Record) -> None:
        """Takes in what the database knows of a relay's health."""
        if record.relay.id not in self._watched:
            spread_s = self._health.interval_ms / 1000 * self._random.random() if record.relay.healthy else 0.0
            self._plan(record.relay.id, self._clock.now() + spread_s)

    def memory_of(self, relay_id: str) -> tuple[str, int]:
        """What the database should keep of a relay's health: text, and the token of the lease it was found under."""
        watched = self._watched.get(relay_id)
        return "", watched.token if watched else 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Probes until the block is left; probes in flight are given up then."""
        for relay in self._registry:
            if relay.id not in self._watched:
                self._plan(relay.id, self._clock.now())
        task = asyncio.create_task(self._run(), name="prober")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _plan(self, relay_id: str, due: float) -> None:
        watched = self._watched.setdefault(relay_id, _Watched(due))
        watched.due = due
        heapq.heappush(self._heap, (due, relay_id))
        self._wake.set()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                wait_s = self._heap[0][0] - self._clock.now() if self._heap else None
                if wait_s is None or wait_s > 0:
                    self._wake.clear()
                    try:
                        async with asyncio.timeout(wait_s):
                            await self._wake.wait()
                    except TimeoutError:
                        pass
                    continue
                due, relay_id = heapq.heappop(self._heap)
                watched = self._watched.get(relay_id)
                if watched is None or watched.due != due or watched.is_running:
                    continue  # planned anew since, forgotten, or still at it
                await self._places.acquire()
                watched.is_running = True
                tasks.create_task(self._visit(relay_id, watched), name=f"probe {relay_id}")

    async def _visit(self, relay_id: str, watched: _Watched) -> None:
        try:
            relay = self._registry.get(relay_id)
            if relay is not None:
                failure = await self._probe(relay)
                await self._judge(relay_id, failure)
        except VoxError as error:
            _log.warning("probe could not be recorded", relay=relay_id, code=error.code)
        finally:
            self._places.release()
            watched.is_running = False
            if self._watched.get(relay_id) is watched:
                interval_s = self._health.interval_ms / 1000
                swing = 1 + JITTER * (2 * self._random.random() - 1)
                self._plan(relay_id, self._clock.now() + interval_s * swing)

    async def _judge(self, relay_id: str, failure: str | None) -> None:
        relay = self._registry.get(relay_id)
        if relay is None:
            return
        failed = 0 if failure is None else relay.failed_checks + 1
        healthy = failure is None or (relay.healthy and failed < self._health.failure_threshold)
        state = "healthy" if failure is None else "suspect" if healthy else "unhealthy"
        if state != relay.state:
            self._metrics.counter(TRANSITIONS, state).inc()
        self._registry.put(replace(relay, failed_checks=failed, healthy=healthy, state=state))
        self._journal.probed(relay_id)
        if failed >= self._health.removal_threshold and not relay.is_bootstrap:
            await self._remove(relay_id)

    async def _probe(self, relay: Relay) -> str | None:
        """None where the relay is well, else why it is not."""
        challenge = secrets.token_urlsafe(24)
        try:
            answer = await self.guard.fetch(
                "GET",
                relay.probe_url,
                headers={"accept": "application/json, text/plain", CHALLENGE_HEADER: challenge},
                deadline_s=self._health.timeout_ms / 1000,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except VoxError as error:
            self._metrics.counter(PROBES, error.code).inc()
            return error.code
        failure: str | None = None
        if not HTTPStatus(200) <= answer.status < HTTPStatus(300):
            failure = "bad_status"
        elif relay.signing_key and not proves_ownership(relay, challenge, answer.body):
            failure = "not_the_owner"
        else:
            self._metrics.histogram(PROBE_SECONDS).observe(answer.elapsed_s)
        self._metrics.counter(PROBES, failure or "ok").inc()
        return failure


def make_guard(settings: DirectorySettings) -> OutboundGuard:
    """The way out that the settings permit."""
    outbound = settings.outbound
    return OutboundGuard(
        allowed_private=[ip_network(one) for one in outbound.allowed_private],
        allowed_ports=frozenset(outbound.allowed_ports) or None,
        allowed_schemes=frozenset({"http", "https", "ws", "wss"}),
        max_in_flight=settings.health_check.max_concurrent,
    )


def challenge_message(url: str, challenge: str) -> bytes:
    """What a relay signs to prove that the address is its own."""
    return CHALLENGE_WORDS + f"{url}\n{challenge}".encode()


def proves_ownership(relay: Relay, challenge: str, body: bytes) -> bool:
    """Whether a health answer carries the challenge, signed with the relay's pinned key."""
    try:
        answer = msgspec.json.decode(body, type=_HealthAnswer)
        verify_ed25519(relay.signing_key, answer.challenge_signature, challenge_message(relay.url, challenge))
    except (msgspec.MsgspecError, UsageError):
        return False
    return True


class _HealthAnswer(msgspec.Struct):
    challenge_signature: str
