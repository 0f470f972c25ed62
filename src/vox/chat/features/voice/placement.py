"""Which media server a room is put on: the one of the settings, or the relay of the directory nearest to those who talk.

Choosing is pure (`best`); asking the directory is a thin shell around it. A room stays where it is while anyone is in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import asin, cos, radians, sin, sqrt
from typing import Final

from vox.clients.directory import DirectoryClient, RelayInfo
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

EARTH_RADIUS_KM: Final = 6371.0
LOOKED_AT: Final = 100
DEADLINE_S: Final = 3.0
FULL: Final = 0.95
"""Share of a relay's capacity from which it takes no further rooms where another one can."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Wish:
    """What is known of a caller's way to relays.

    Args:
        place: where the caller is.
        region: that the caller prefers.
        rtts: measured round trips in ms, by relay id.
    """

    place: Place | None = None
    region: str = ""
    rtts: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a room's media is; an empty `relay_id` is the server of the settings."""

    relay_id: str
    media_url: str


def best(relays: Sequence[RelayInfo], points: Sequence[Place]) -> RelayInfo | None:
    """The relay with the least sum of distances to all points, of those that are healthy and not full; None where none is.

    Args:
        relays: to choose from.
        points: of caller and worker; audio travels from one over the relay to the other, so the sum is what counts.
    """
    healthy = [one for one in relays if one.healthy]
    free = [one for one in healthy if one.current_connections < one.capacity * FULL] or healthy
    return min(free, key=lambda one: (sum(_distance_km(one, point) for point in points), one.id), default=None)


def client_address(url: str) -> str:
    """A relay's address as clients of its rooms use it: ws or wss."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    return f"{ {'http': 'ws', 'https': 'wss'}.get(scheme.lower(), scheme) }{separator}{rest}"


class RelayFinder:
    """Finds relays by a directory.

    Args:
        url: of the directory.
        clock: of the server.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock

    async def find(self, wish: Wish, *, worker: Place | None, without: str = "", key: str = "") -> Placement | None:
        """A relay for a room; None where the directory knows none or does not answer.

        Args:
            wish: of who joins first.
            worker: where the agent's server is, where an agent is in the room or is coming.
            without: a relay that must not be taken, because it is gone.
            key: the room's name, so that rooms without any hint spread evenly.
        """
        place = wish.place
        points = [one for one in (place, worker) if one is not None]
        try:
            async with DirectoryClient(self._url, clock=self._clock, deadline_s=DEADLINE_S) as directory:
                if worker is None and not without:
                    coordinates = (None, None) if place is None else (place.latitude, place.longitude)
                    chosen = await directory.select(
                        latitude=coordinates[0],
                        longitude=coordinates[1],
                        region=wish.region,
                        key=key,
                        rtts_ms=wish.rtts,
                    )
                    return _placement(chosen.relay)
                near = points[0] if points else None
                found = await directory.relays(
                    latitude=near.latitude if near else None,
                    longitude=near.longitude if near else None,
                    limit=LOOKED_AT,
                )
        except VoxError as error:
            _log.warning("no relay is found by the directory", code=error.code, error=str(error))
            return None
        relay = best([one for one in found if one.id != without], points)
        return None if relay is None else _placement(relay)

    async def is_leaving(self, relay_id: str) -> bool | None:
        """Whether a relay drains, is ill or gone; None where the directory cannot say."""
        try:
            async with DirectoryClient(self._url, clock=self._clock, deadline_s=DEADLINE_S) as directory:
                status = await directory.status(relay_id)
        except VoxError as error:
            return True if error.code == "directory_refused" else None
        return status.get("draining") is True or status.get("healthy") is False


def _placement(relay: RelayInfo) -> Placement:
    return Placement(relay.id, client_address(relay.url))


def _distance_km(relay: RelayInfo, point: Place) -> float:
    north, east = radians(relay.latitude - point.latitude) / 2, radians(relay.longitude - point.longitude) / 2
    a = sin(north) ** 2 + cos(radians(point.latitude)) * cos(radians(relay.latitude)) * sin(east) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, a)))
