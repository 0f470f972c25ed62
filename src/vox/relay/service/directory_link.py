"""The relay's side of the directory: it joins, says how busy it is, learns of its neighbours, and takes its leave.

A directory that is away changes nothing for those who are in rooms: the relay goes on and asks again. What was learned of other
relays is kept for a drain, so that clients find one also while the directory is away.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from livekit.protocol.rtc import RegionInfo

from vox.clients.directory import DirectoryClient, RelayInfo, sign_challenge
from vox.errors import VoxError
from vox.relay.metrics import ENROLLED, HEARTBEATS
from vox.relay.service.load import Load
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.http_signatures import KeyPair

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
NEIGHBOURS_EVERY: Final = 3
"""Heartbeats between two questions for the neighbours."""
MOST_NEIGHBOURS: Final = 10
LEAVE_DEADLINE_S: Final = 2.0
VERSION: Final = "vox"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the directory is told of this relay.

    Args:
        name: for people.
        url: where clients connect.
        latitude: in degrees.
        longitude: in degrees.
        region: code.
        capacity: participants.
        key_pair: signs requests and challenges.
        join_token: lets it join, once; empty for none.
    """

    name: str
    url: str
    latitude: float
    longitude: float
    region: str
    capacity: int
    key_pair: KeyPair
    join_token: str = ""


class DirectoryLink:
    """Keeps a relay in its directory while `running()` is open.

    Args:
        client: asks the directory, signing with the same key; opened and closed by the caller.
        identity: of this relay.
        measure: the present load.
        interval_s: seconds between two heartbeats.
        clock: for waiting.
        metrics: counts.
    """

    def __init__(
        self,
        client: DirectoryClient,
        identity: Identity,
        measure: Callable[[], Load],
        interval_s: float,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._identity = identity
        self._measure = measure
        self._interval_s = interval_s
        self._clock = clock
        self._metrics = metrics
        self._enrolled = metrics.gauge(ENROLLED)
        self._relay_id = ""
        self._seq = 0
        self._is_leaving = False
        self._neighbours: list[RelayInfo] = []

    @property
    def relay_id(self) -> str:
        """The id that the directory gave; empty until it did."""
        return self._relay_id

    def answer_challenge(self, challenge: str) -> str:
        """The proof that this relay is the one that registered its address."""
        return sign_challenge(self._identity.key_pair, self._identity.url, challenge)

    def regions(self) -> list[RegionInfo]:
        """Other relays that the directory lists, nearest first, as of the last question."""
        return [
            RegionInfo(region=one.region, url=one.url, distance=round((one.distance_km or 0) * 1000))
            for one in self._neighbours
        ]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Joins and sends heartbeats while the block runs."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run(), name="relay directory")
            try:
                yield
            finally:
                task.cancel()

    async def leave(self) -> list[RegionInfo]:
        """Tells the directory that this relay takes no one else, and asks for the others; within a deadline, whatever happens."""
        self._is_leaving = True
        try:
            async with asyncio.timeout(LEAVE_DEADLINE_S):
                if self._relay_id:
                    await self._client.heartbeat(self._relay_id, **self._load(), draining=True)
                await self._ask_neighbours()
        except (VoxError, TimeoutError) as error:
            _log.warning("the directory was not told of the drain", error=_short(error))
        return self.regions()

    async def _run(self) -> None:
        failures = 0
        rounds = 0
        while True:
            try:
                if not self._relay_id:
                    await self._register()
                await self._beat()
                if rounds % NEIGHBOURS_EVERY == 0:
                    await self._ask_neighbours()
                rounds += 1
            except VoxError as error:
                failures += 1
                self._metrics.counter(HEARTBEATS, "failed").inc()
                if failures == 1:
                    _log.warning("the directory does not take this relay", code=error.code, error=_short(error))
                grown_s = FIRST_RETRY_S * 2 ** min(failures - 1, 10)  # bounded: a float has no power of 1,024
                await asyncio.sleep(min(grown_s, LONGEST_RETRY_S, self._interval_s))
                continue
            if failures:
                _log.info("the directory answers again", failed=failures)
            failures = 0
            self._metrics.counter(HEARTBEATS, "ok").inc()
            await asyncio.sleep(self._interval_s)

    async def _register(self) -> None:
        identity = self._identity
        relay: dict[str, Any] = {
            "name": identity.name,
            "url": identity.url,
            "latitude": identity.latitude,
            "longitude": identity.longitude,
            "region": identity.region,
            "capacity": identity.capacity,
            "public_key": identity.key_pair.public,
            "features": ["livekit"],
        }
        if identity.join_token:
            relay["join_token"] = identity.join_token
        answer = await self._client.register(relay)
        self._relay_id = str(answer.get("id", ""))
        _log.info("joined the directory", relay=self._relay_id, state=str(answer.get("state", "")))

    async def _beat(self) -> None:
        try:
            await self._client.heartbeat(self._relay_id, **self._load(), draining=self._is_leaving)
        except VoxError as error:
            self._enrolled.set(0)
            if "RELAY_NOT_FOUND" in str(error):  # removed while this relay could not be reached
                self._relay_id = ""
            raise
        self._enrolled.set(1)

    async def _ask_neighbours(self) -> None:
        identity = self._identity
        found = await self._client.relays(
            latitude=identity.latitude, longitude=identity.longitude, limit=MOST_NEIGHBOURS + 1
        )
        self._neighbours = [one for one in found if one.url != identity.url][:MOST_NEIGHBOURS]

    def _load(self) -> dict[str, Any]:
        load = self._measure()
        self._seq = max(
            self._seq + 1, self._clock.unix_s()
        )  # grows over restarts, too: an older one would count as late
        return {
            "current_connections": load.participants,
            "capacity": load.capacity,
            "stress": round(load.stress, 4),
            "cpu": round(load.busiest, 4),
            "egress_bps": round(load.egress_bps),
            "seq": self._seq,
            "interval_ms": round(self._interval_s * 1000),
            "version": VERSION,
        }


def _short(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__
