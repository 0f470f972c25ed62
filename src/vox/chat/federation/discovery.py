"""What is known of other servers at present: keys, policy and where they listen, each asked for once and kept for a while.

Bounded on all sides, because any stranger may name any domain: few questions at once, few answers kept, and a domain that has
nothing is not asked about again at once.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from vox.chat.federation import queries
from vox.chat.federation.dns_records import Service, ServiceRecord, keys_of, policy_of, service_of
from vox.chat.federation.key_pins import judge
from vox.chat.federation.policy import Policy
from vox.errors import DependencyError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection, SqlDatabase

KEPT_S: Final = 600.0
NOTHING_KEPT_S: Final = 30.0
ASKED_AGAIN_S: Final = 10.0
"""How old keys must be before a wrong signature makes them be asked for again."""
MAX_KEPT: Final = 2000
QUESTIONS_AT_ONCE: Final = 16
MAX_WAITING: Final = 256

_log = get_logger(__name__)


class Resolver(Protocol):
    """Answers questions about names; an empty list where there is nothing."""

    async def texts(self, name: str) -> list[str]:
        """TXT records.

        Raises:
            DependencyError: `dns_failed`, no server answered.
        """
        ...

    async def services(self, name: str) -> list[ServiceRecord]:
        """SVCB records; errors as `texts`."""
        ...

    async def addresses(self, host: str, port: int) -> list[str]:
        """Every address of a host; `OSError` where there is none or no server answered."""
        ...


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """What the DNS says of a server; `asked_at` on the monotonic clock."""

    keys: tuple[str, ...]
    policy: Policy
    service: Service
    asked_at: float

    @property
    def kept_until(self) -> float:
        """Until when it is used."""
        return self.asked_at + (KEPT_S if self.keys else NOTHING_KEPT_S)


class Discovery:
    """Finds servers by their domains.

    Args:
        resolver: asks the DNS.
        database: keeps the pins of keys.
        clock: for how long answers are kept, and the time of pins.
    """

    def __init__(self, resolver: Resolver, database: SqlDatabase, clock: Clock) -> None:
        self._resolver = resolver
        self._database = database
        self._clock = clock
        self._kept: OrderedDict[str, PeerRecord] = OrderedDict()
        self._asking: dict[str, asyncio.Future[PeerRecord]] = {}
        self._turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def find(self, domain: str, *, is_fresh: bool = False) -> PeerRecord:
        """What is known of a server.

        Args:
            domain: in its one form.
            is_fresh: asks again, unless that was done a moment ago.

        Raises:
            DependencyError: `dns_failed`, or `dns_busy` where too many others are asked for.
        """
        now = self._clock.now()
        kept = self._kept.get(domain)
        if kept is not None and now < (kept.asked_at + ASKED_AGAIN_S if is_fresh else kept.kept_until):
            return kept
        asking = self._asking.get(domain)
        if asking is None:
            if len(self._asking) >= MAX_WAITING:
                raise DependencyError(
                    "too many servers are looked up at present", code="dns_busy", retryable=True, retry_after_s=1.0
                )
            asking = asyncio.ensure_future(self._ask(domain))
            self._asking[domain] = asking
            asking.add_done_callback(lambda done: self._asked(domain, done))
        return await asyncio.shield(asking)

    def forget(self, domain: str) -> None:
        """Makes the next question for a server a new one."""
        self._kept.pop(domain, None)

    async def published_keys(self, domain: str) -> tuple[str, ...]:
        """The keys that the DNS shows for a domain now, believed or not; for this server's own."""
        return keys_of(await self._resolver.texts(f"_voxkey.{domain}"))

    def _asked(self, domain: str, done: asyncio.Future[PeerRecord]) -> None:
        self._asking.pop(domain, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[domain] = done.result()
        self._kept.move_to_end(domain)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    async def _ask(self, domain: str) -> PeerRecord:
        async with self._turns:
            shown = keys_of(await self._resolver.texts(f"_voxkey.{domain}"))
            policy = await self._policy(domain)
            service = service_of(await self._services(domain), domain)
        trusted = await self._pinned(domain, shown) if shown else ()
        return PeerRecord(trusted, policy, service, self._clock.now())

    async def _policy(self, domain: str) -> Policy:
        try:
            return policy_of(await self._resolver.texts(f"_voxpolicy.{domain}"))
        except DependencyError:
            return "open"  # the server itself refuses what it does not want

    async def _services(self, domain: str) -> list[ServiceRecord]:
        try:
            return await self._resolver.services(f"_vox.{domain}")
        except DependencyError:
            return []

    async def _pinned(self, domain: str, shown: tuple[str, ...]) -> tuple[str, ...]:
        peer = await self._database.read(partial(queries.find_peer, domain=domain))
        stored = {} if peer is None else peer.pins
        now_s = self._clock.unix_s()
        pins = judge(shown, stored, now_s)
        if peer is not None and pins.stored != stored:
            await self._database.write(partial(_store, domain=domain, shown=shown, now_s=now_s))
        if pins.has_waiting and pins.stored != stored:
            _log.warning(
                "all keys of a server were replaced at once: they are believed after a day",
                domain=domain,
                remedy="ask its administrator; DELETE /api/v1/federation/admin/peers/DOMAIN/keys believes them now",
            )
        return pins.trusted


def _store(connection: Connection, domain: str, shown: tuple[str, ...], now_s: int) -> None:
    peer = queries.find_peer(connection, domain)
    stored = {} if peer is None else peer.pins
    queries.store_pins(connection, domain, judge(shown, stored, now_s).stored, now_s)
