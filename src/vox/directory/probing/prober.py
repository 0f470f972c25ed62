"""Asks every relay for its health, each at its own time, and tells the health machine what came back.

One task keeps a heap of due times; probes run in tasks of their own, at most `max_concurrent` at once and never two of one
relay. What a relay's answer means is decided in `vox.directory.health.state_machine`; here it is only fetched, through the guard.

Several directories: a lease says who probes a relay. Each relay would rather have one of the directories (`prefers`); another
one that got the lease takes it for the rest of the round only, and comes later to the next. Who prefers what decides nothing but
that, so it may be wrong for a while: a relay whose lease is free is probed by the first directory that comes.
"""

import asyncio
import heapq
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from ipaddress import ip_network
from random import Random

import msgspec

from vox.directory.database.sync_state import SyncState
from vox.directory.health.health_registry import HealthRegistry
from vox.directory.health.state_machine import ProbeFailed, ProbeSucceeded, Status
from vox.directory.metrics import PROBE_SECONDS, PROBES
from vox.directory.probing.schedule import after_probe, next_round
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay
from vox.directory.settings import DirectorySettings
from vox.errors import UsageError, VoxError
from vox.protocols.relay_directory import CHALLENGE_HEADER, challenge_message
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import supervised
from vox.security.digests import verify_ed25519
from vox.security.outbound import OutboundGuard
from vox.stores.leases import Leases

MAX_ANSWER_BYTES = 4096
APART = 0.4
"""Share of the interval that two probes of one relay are apart at least: half, less a tenth for the jitter."""
LATER = 0.25
"""Share of the interval by which a directory leaves others' relays to them, so that they come first in each round."""
JUMP_S = 1.0
"""A wall clock that goes otherwise than the monotonic one by more than this was set."""
PRUNE_EVERY_S = 3600.0
PAUSE_S = 1.0

_log = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    due: float
    is_retry: bool = False
    is_running: bool = False
    token: int = 0
    ours_until: float = 0.0
    """Monotonic."""
    probed_at: float = float("-inf")
    """Monotonic."""


class Prober:
    """Probes while `running`; without that it only remembers.

    Args:
        settings: how often, how long, through what.
        registry: what is probed.
        health: is told what came of it.
        state: is told which relays have findings to write.
        leases: say which relays are this directory's to probe.
        remove: takes a relay out for good.
        found_at: is told the URL of each relay that is well, and the address behind it.
        clock: wall time says when probes are due.
        metrics: counts probes.
        random: jitter, and this directory's name among others.
    """

    def __init__(
        self,
        settings: DirectorySettings,
        registry: Registry,
        health: HealthRegistry,
        state: SyncState,
        leases: Leases,
        remove: Callable[[str], Awaitable[None]],
        found_at: Callable[[str, str], None],
        clock: Clock,
        metrics: Metrics,
        random: Random,
    ) -> None:
        self._settings = settings.health_check
        self._registry = registry
        self._health = health
        self._state = state
        self._leases = leases
        self._remove = remove
        self._found_at = found_at
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self.guard = make_guard(settings)
        self._holder = f"{random.getrandbits(96):024x}"
        # A round and a half and a probe: a living directory renews in time, and a dead one is missed within two rounds.
        self._lease_s = (1.5 * settings.health_check.interval_ms + settings.health_check.timeout_ms) / 1000
        self._members: Sequence[str] = (self._holder,)
        self._join_at = clock.now()
        self._prune_at = clock.now() + PRUNE_EVERY_S
        self._away_since: float | None = None
        self._offset = self._health.now() - clock.now()
        self._watched: dict[str, _Watched] = {}
        self._heap: list[tuple[float, str]] = []
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(self._settings.max_concurrent)

    def look_at(self, relay_id: str) -> None:
        """Probes a relay at once, for instance because it is new; not again where it was probed just now."""
        watched = self._watched.get(relay_id)
        since_s = self._clock.now() - watched.probed_at if watched is not None else float("inf")
        if since_s >= APART * self._health.policy.interval_s:
            self._plan(relay_id, self._now(), is_retry=False)

    def watch(self, relay_id: str) -> None:
        """Probes a relay from now on, at its own time of each round; at once where it was never up."""
        if relay_id in self._watched:
            return
        now = self._now()
        is_known = self._health.of(relay_id).is_up
        due = next_round(relay_id, now - self._health.policy.interval_s / 2, self._health.policy, self._random)
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
        watched = self._watched.get(relay_id)
        return watched is not None and watched.token > 0 and self._clock.now() < watched.ours_until

    def prefers(self, relay_id: str) -> bool:
        """Whether the relay would rather be probed from here than by any other directory that lives."""
        return max(self._members, key=lambda member: _weight(member, relay_id)) == self._holder

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Probes until the block is left; probes in flight are given up then, and the leases given back."""
        try:
            async with supervised(self._run, "prober"):
                yield
        finally:
            with suppress(VoxError):
                await self._leases.release(self._holder, APART * self._health.policy.interval_s)

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
                try:
                    await self._start(due, tasks)
                except Exception:  # noqa: BLE001  the top of a task that must not end
                    _log.exception("a round of probes failed", relays=len(due))
                    for relay_id in due:
                        self._plan_next(relay_id)
                    await asyncio.sleep(PAUSE_S)

    async def _start(self, due: Sequence[str], tasks: asyncio.TaskGroup) -> None:
        granted = await self._granted(due)
        for relay_id in due:
            watched = self._watched.get(relay_id)
            if watched is None or watched.is_running:
                continue
            if relay_id not in granted:
                watched.token = 0
                self._plan_next(relay_id)
                continue
            watched.token = granted[relay_id]
            await self._places.acquire()
            watched.is_running = True
            tasks.create_task(self._visit(relay_id, watched), name=f"probe {relay_id}")

    async def _granted(self, due: Sequence[str]) -> Mapping[str, int]:
        """Which of these are probed from here now, and the tokens of their leases.

        Without the database a directory goes on with the relays that it had, and after the time of a lease with all others
        too: it cannot be told what they find, and its own list must not grow old. Such findings change this directory's
        memory; the database takes none without a token that is still good.
        """
        ours = [relay_id for relay_id in due if self.prefers(relay_id)]
        others = [relay_id for relay_id in due if relay_id not in set(ours)]
        before = self._clock.now()
        short_s = APART * self._health.policy.interval_s
        try:
            if before >= self._join_at:
                self._members = await self._leases.join(self._holder, self._lease_s)
                self._join_at = before + self._health.policy.interval_s / 2
            held = await self._leases.acquire(ours, self._holder, self._lease_s)
            lent = await self._leases.acquire(others, self._holder, short_s)
            if before >= self._prune_at:
                await self._leases.prune({relay.id for relay in self._registry})
                self._prune_at = before + PRUNE_EVERY_S
        except VoxError as error:
            return self._granted_without(due, before, error)
        if self._away_since is not None:
            self._away_since = None
            _log.info("relays are shared with other directories again")
        for granted, lease_s in ((held, self._lease_s), (lent, short_s)):
            for relay_id in granted:
                if (watched := self._watched.get(relay_id)) is not None:
                    watched.ours_until = before + lease_s
        return {**held, **lent}

    def _granted_without(self, due: Sequence[str], now: float, error: VoxError) -> Mapping[str, int]:
        if self._away_since is None:
            self._away_since = now
            _log.warning("relays are probed without the database", code=error.code)
        is_long = now - self._away_since >= self._lease_s
        tokens = {relay_id: self.token_of(relay_id) for relay_id in due}
        return {relay_id: token for relay_id, token in tokens.items() if token or is_long}

    def _plan_next(self, relay_id: str) -> None:
        """Tries again in the relay's next round, after those who would rather have it."""
        interval_s = self._health.policy.interval_s
        later_s = 0.0 if self.prefers(relay_id) else LATER * interval_s
        if relay_id in self._watched:
            at = next_round(relay_id, self._now() - later_s, self._health.policy, self._random) + later_s
            self._plan(relay_id, at, is_retry=False)

    def _take_due(self) -> list[str]:
        now = self._now()
        due: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(due) < self._settings.max_concurrent:
            at, relay_id = heapq.heappop(self._heap)
            watched = self._watched.get(relay_id)
            if watched is not None and watched.due == at and not watched.is_running and relay_id not in due:
                due.append(relay_id)  # else planned anew since, forgotten, or still at it
        return due

    async def _rest(self) -> None:
        self._wake.clear()
        wait_s = max(0.0, self._heap[0][0] - self._now()) if self._heap else None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    def _now(self) -> float:
        """The wall time that probes are planned in; when the clock is set, all plans move with it."""
        now, monotonic = self._health.now(), self._clock.now()
        moved_s = now - monotonic - self._offset
        if abs(moved_s) > JUMP_S:
            self._offset += moved_s
            self._heap = [(at + moved_s, relay_id) for at, relay_id in self._heap]
            for watched in self._watched.values():
                watched.due += moved_s
        return now

    async def _visit(self, relay_id: str, watched: _Watched) -> None:
        started_at = self._now()
        watched.probed_at = self._clock.now()
        next_at, is_retry = started_at + self._health.policy.interval_s, False
        try:
            relay = self._registry.get(relay_id)
            if relay is None:
                return
            failure = await self._probe(relay)
            outcome = after_probe(
                relay_id, started_at, failure, self._health.policy, self._random, is_retry=watched.is_retry
            )
            next_at, is_retry = outcome.at, outcome.is_retry
            relay = self._registry.get(relay_id)
            if relay is None:
                return
            await self._observe(relay, outcome.observation)
        except Exception:  # noqa: BLE001  the top of a task, beside which the others go on
            _log.exception("a probe failed in the directory itself", relay=relay_id)
        finally:
            self._places.release()
            watched.is_running = False
            if self._watched.get(relay_id) is watched:
                later_s = 0.0 if is_retry or self.prefers(relay_id) else LATER * self._health.policy.interval_s
                self._plan(relay_id, next_at + later_s, is_retry=is_retry)

    async def _observe(self, relay: Relay, seen: ProbeSucceeded | ProbeFailed) -> None:
        before = self._health.of(relay.id)
        changed = self._health.observe(relay, seen)
        if changed.is_draining is not relay.is_draining:
            self._state.add_drain(relay.id)
        if changed.state != Status.REMOVED:
            self._state.add_health(relay.id)
            return
        try:
            await self._remove(relay.id)
        except VoxError as error:  # it may be well again before the database is
            if self._registry.get(relay.id) is not None:
                self._health.put_back(changed, before)
            _log.warning("a dead relay could not be removed", relay=relay.id, code=error.code)

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
            self._found_at(relay.url, answer.address)
            self._metrics.histogram(PROBE_SECONDS).observe(answer.elapsed_s)
        self._metrics.counter(PROBES, failure or "ok").inc()
        return failure


def _weight(member: str, relay_id: str) -> bytes:
    return blake2b(f"{member} {relay_id}".encode(), digest_size=8).digest()


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
