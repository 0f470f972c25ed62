"""Asks every relay for its health, each at its own time, and tells the health machine what came back.

One task keeps a heap of due times; probes run in tasks of their own, at most `max_concurrent` at once and never two of one
relay. Whatever a relay's answer means is decided in `vox.directory.health`; here it is only fetched, through the guard.
"""

import asyncio
import heapq
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_network
from random import Random

import msgspec

from vox.directory.health import Status
from vox.directory.health_book import HealthBook
from vox.directory.journal import Journal
from vox.directory.metrics import PROBE_SECONDS, PROBES
from vox.directory.probe_rounds import after_probe, next_round
from vox.directory.registry import Registry
from vox.directory.relay import Relay
from vox.directory.settings import DirectorySettings
from vox.errors import UsageError, VoxError
from vox.protocols.relay_directory import CHALLENGE_HEADER, challenge_message
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.security.signatures import verify_ed25519
from vox.stores.leases import Leases

MAX_ANSWER_BYTES = 4096

_log = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    due: float
    is_retry: bool = False
    is_running: bool = False
    token: int = 0


class Prober:
    """Probes while `running`; without that it only remembers.

    Args:
        settings: how often, how long, through what.
        registry: what is probed.
        book: is told what came of it.
        journal: is told which relays have findings to write.
        leases: say which relays are this directory's to probe.
        remove: takes a relay out for good.
        clock: wall time says when probes are due.
        metrics: counts probes.
        random: jitter, and this directory's name among others.
    """

    def __init__(
        self,
        settings: DirectorySettings,
        registry: Registry,
        book: HealthBook,
        journal: Journal,
        leases: Leases,
        remove: Callable[[str], Awaitable[None]],
        clock: Clock,
        metrics: Metrics,
        random: Random,
    ) -> None:
        self._settings = settings.health_check
        self._registry = registry
        self._book = book
        self._journal = journal
        self._leases = leases
        self._remove = remove
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self.guard = make_guard(settings)
        self._holder = f"{random.getrandbits(96):024x}"
        # Two rounds and a probe: a directory that lives renews in time, and one that died is replaced within three rounds.
        self._lease_s = (2.5 * settings.health_check.interval_ms + settings.health_check.timeout_ms) / 1000
        self._watched: dict[str, _Watched] = {}
        self._heap: list[tuple[float, str]] = []
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(self._settings.max_concurrent)

    def look_at(self, relay_id: str) -> None:
        """Probes a relay at once, for instance because it is new."""
        self._plan(relay_id, self._book.now(), is_retry=False)

    def watch(self, relay_id: str) -> None:
        """Probes a relay from now on, at its own time of each round; at once where it was never up."""
        if relay_id in self._watched:
            return
        now = self._book.now()
        is_known = self._book.of(relay_id).is_up
        due = next_round(relay_id, now - self._book.policy.interval_s / 2, self._book.policy, self._random)
        self._plan(relay_id, max(due, now) if is_known else now, is_retry=False)

    def forget(self, relay_id: str) -> None:
        """Probes a relay no more."""
        self._watched.pop(relay_id, None)

    def token_of(self, relay_id: str) -> int:
        """The token of the lease that the last finding about a relay was made under."""
        watched = self._watched.get(relay_id)
        return watched.token if watched else 0

    def is_ours(self, relay_id: str) -> bool:
        """Whether this directory probes the relay at present."""
        return self.token_of(relay_id) > 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Probes until the block is left; probes in flight are given up then, and the leases given back."""
        task = asyncio.create_task(self._run(), name="prober")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with suppress(VoxError):
                await self._leases.release(self._holder)

    def _plan(self, relay_id: str, due: float, *, is_retry: bool) -> None:
        watched = self._watched.setdefault(relay_id, _Watched(due))
        if watched.is_running:
            return  # it plans its own next round when it is done
        watched.due, watched.is_retry = due, is_retry
        heapq.heappush(self._heap, (due, relay_id))
        self._wake.set()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._places.acquire()
                self._places.release()  # there is room; what is due fills it
                due = self._take_due()
                if not due:
                    await self._rest()
                    continue
                held: Mapping[str, int] = {}
                try:
                    held = await self._leases.acquire(due, self._holder, self._lease_s)
                except VoxError as error:
                    _log.warning("nobody is probed without leases", code=error.code, relays=len(due))
                for relay_id in due:
                    watched = self._watched.get(relay_id)
                    if watched is None or watched.is_running:
                        continue
                    watched.token = held.get(relay_id, 0)
                    if not watched.token:
                        self._plan(relay_id, self._book.now() + self._book.policy.interval_s / 2, is_retry=False)
                        continue
                    await self._places.acquire()
                    watched.is_running = True
                    tasks.create_task(self._visit(relay_id, watched), name=f"probe {relay_id}")

    def _take_due(self) -> list[str]:
        now = self._book.now()
        due: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(due) < self._settings.max_concurrent:
            at, relay_id = heapq.heappop(self._heap)
            watched = self._watched.get(relay_id)
            if watched is not None and watched.due == at and not watched.is_running and relay_id not in due:
                due.append(relay_id)  # else planned anew since, forgotten, or still at it
        return due

    async def _rest(self) -> None:
        self._wake.clear()
        wait_s = max(0.0, self._heap[0][0] - self._book.now()) if self._heap else None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    async def _visit(self, relay_id: str, watched: _Watched) -> None:
        started_at = self._book.now()
        next_at, is_retry = started_at + self._book.policy.interval_s, False
        try:
            relay = self._registry.get(relay_id)
            if relay is None:
                return
            failure = await self._probe(relay)
            outcome = after_probe(
                relay_id, started_at, failure, self._book.policy, self._random, is_retry=watched.is_retry
            )
            next_at, is_retry = outcome.at, outcome.is_retry
            relay = self._registry.get(relay_id)
            if relay is None:
                return
            changed = self._book.observe(relay, outcome.observation)
            self._journal.probed(relay_id)
            if changed.state == Status.REMOVED:
                await self._remove(relay_id)
        except VoxError as error:
            _log.warning("a probe's outcome could not be written", relay=relay_id, code=error.code)
        finally:
            self._places.release()
            watched.is_running = False
            if self._watched.get(relay_id) is watched:
                self._plan(relay_id, next_at, is_retry=is_retry)

    async def _probe(self, relay: Relay) -> str | None:
        """None where the relay is well, else why it is not."""
        challenge = secrets.token_urlsafe(24)
        try:
            answer = await self.guard.fetch(
                "GET",
                relay.probe_url,
                headers={"accept": "application/json, text/plain", CHALLENGE_HEADER: challenge},
                deadline_s=self._settings.timeout_ms / 1000,
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
