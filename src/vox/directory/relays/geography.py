"""Great-circle distances, and which relays are nearest to a place, without looking at all of them.

The index hangs sites (places with at least one relay) into cubes around the points of the unit sphere, where poles and
the antimeridian are places like any other. At each of several resolutions it remembers, from the first question on, the
sites around a cube; an added or removed site forgets exactly the neighbourhoods that could see it. A question starts at
a resolution with enough sites and widens only when its reader asks for more.
"""

from collections.abc import Callable, Iterator
from math import atan2, cos, log2, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0
"""The radius of the documented formula."""

_HALF_DEGREE = pi / 180.0 / 2.0
DEGREE = pi / 180.0

_SCALES = tuple(2.0 ** (level / 2) for level in range(19))
"""Cubes per Earth radius at each resolution: from one to 512 (12 km). Many relays closer together share a cube."""
_FINEST = len(_SCALES) - 1
_STRIDE = 1 << 11
"""More than the cubes along one axis at the finest resolution, with the margin below on both sides."""
_MARGIN = 4
_REACH = 2.5
"""Radius of a neighbourhood in edges of its cube: half the sites in it are then certain to be the nearest ones."""
_OFFSETS = tuple(
    (i * _STRIDE + j) * _STRIDE + k
    for i in range(-2, 3)
    for j in range(-2, 3)
    for k in range(-2, 3)
    if (i, j, k).count(2) + (i, j, k).count(-2) < len("xyz")  # the eight corners lie beyond the reach
)
_ENOUGH = 20
"""Sites in the neighbourhood a question starts with: mostly more than ten of them are certain."""
_PLENTY = 80
"""Sites from which a finer neighbourhood is tried, and numpy picks the nearest ones if there is none."""
_PICKED = 24
_FIRST = 14
"""Sites whose distance is worked out first: most questions ask for ten relays."""
_ORDER_SLACK = 1e-12
"""How far two cosines may lie apart and still belong to sites in the other order: some thousand roundings."""
_SLACK = 1e-9
"""Kept off a radius of certainty, for the rounding between the two ways to a distance (1e-9 of the radius is 6 mm)."""
_COSINE_SLACK = 1e-14
"""Kept off a squared chord that comes from a cosine: fifty roundings."""
_MOST_REMEMBERED = 4_000_000
"""Sites in all remembered neighbourhoods, 8 bytes each; beyond it the oldest are forgotten.

A relay stands in about 30 of them at each resolution that is asked for, so 20,000 relays fit in any arrangement."""

Site = tuple[float, float, float, tuple[str, ...], float, float, float]
"""Latitude, longitude, cosine of the latitude, ids in order, position on the unit sphere."""
_Floats = NDArray[np.float64]


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """The haversine distance in kilometres between two places in degrees, as documented."""
    north = sin((lat2 - lat1) * _HALF_DEGREE)
    east = sin((lon2 - lon1) * _HALF_DEGREE)
    a = north * north + cos(lat1 * DEGREE) * cos(lat2 * DEGREE) * east * east
    # Rounding can lift two opposite places above 1, where the formula has no answer.
    return EARTH_RADIUS_KM * (2.0 * atan2(sqrt(a), sqrt(1.0 - a if a < 1.0 else 0.0)))


class NearestIndex:
    """Ids with coordinates, in ascending distance from any place.

    Args:
        follow: called after each change with a place's site before and after it, None where there is none.
    """

    def __init__(self, follow: Callable[[Site | None, Site | None], None] | None = None) -> None:
        self._follow = follow
        self._places: dict[str, tuple[float, float]] = {}
        self._sites: dict[tuple[float, float], Site] = {}
        self._cubes: list[dict[int, list[Site]]] = [{} for _ in range(_FINEST + 1)]
        self._near: list[dict[int, _Neighbourhood]] = [{} for _ in range(_FINEST + 1)]
        self._everything: _Neighbourhood | None = None
        self._remembered = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, relay_id: object) -> bool:
        return relay_id in self._places

    def add(self, relay_id: str, lat: float, lon: float) -> None:
        """Adds an id, or moves it; coordinates in degrees, already checked to lie in range."""
        place = (lat, lon)
        if self._places.get(relay_id) == place:
            return
        self.remove(relay_id)
        self._places[relay_id] = place
        before = self._sites.get(place)
        ids = (relay_id,) if before is None else tuple(sorted((*before[3], relay_id)))
        self._exchange(before, _site(lat, lon, ids))

    def remove(self, relay_id: str) -> None:
        """Removes an id; one that is not there is no error."""
        place = self._places.pop(relay_id, None)
        if place is None:
            return
        before = self._sites[place]
        ids = tuple(other for other in before[3] if other != relay_id)
        self._exchange(before, _site(*place, ids) if ids else None)

    def nearest(
        self, lat: float, lon: float, accept: Callable[[str], bool] | None = None
    ) -> Iterator[tuple[str, float]]:
        """Ids with their distance in km, nearest first, equal distances by id; only those that `accept` takes.

        Lazy: taking ten costs about ten, however many there are. The index must not change while it is being read.
        """
        nothing_nearer = -1.0
        for sites, certain in self._widening(lat, lon):
            if certain <= nothing_nearer:
                continue
            for some in _nearest_first(sites, lat, lon):
                for km, relay_id in ranked(some, lat, lon, nothing_nearer, certain):
                    if accept is None or accept(relay_id):
                        yield relay_id, km
            nothing_nearer = certain

    def _widening(self, lat: float, lon: float) -> Iterator[tuple[list[Site], float]]:
        """Growing sets of sites, each complete up to the haversine given with it (the last one: over all)."""
        x, y, z = position(lat, lon)
        level, near = self._start(x, y, z)
        while True:
            sites = near.sites
            certain = near.certain(x, y, z)
            picked_certain = -1.0
            if len(sites) > _PLENTY:
                picked, picked_certain = near.pick(x, y, z)
                yield picked, min(picked_certain, certain)
            if picked_certain < certain:  # else all that is certain was among the picked
                yield sites, certain
            if level < 0:
                return
            level -= 1
            near = self._neighbourhood(level, x, y, z)

    def _start(self, x: float, y: float, z: float) -> "tuple[int, _Neighbourhood]":
        """The finest resolution that still has enough sites around, searched from the one that even spread would ask."""
        level = self._even_level()
        near = first = self._neighbourhood(level, x, y, z)
        if first.hint is not None:
            level = first.hint
            near = self._neighbourhood(level, x, y, z)
        while len(near.sites) < _ENOUGH and level >= 0:
            level -= 1
            near = self._neighbourhood(level, x, y, z)
        while len(near.sites) > _PLENTY and level < _FINEST:
            finer = self._neighbourhood(level + 1, x, y, z)
            if len(finer.sites) < _ENOUGH:
                break
            level, near = level + 1, finer
        first.hint = level
        return level, near

    def _even_level(self) -> int:
        """Where a neighbourhood holds one to two times enough if the sites were spread evenly over the sphere."""
        # π (reach · edge)² of the sphere's 4π should hold enough, and edge² is 2^-level.
        even = len(self._sites) * _REACH * _REACH / (4.0 * _ENOUGH)
        return min(_FINEST, int(log2(even))) if even >= 1.0 else -1

    def _neighbourhood(self, level: int, x: float, y: float, z: float) -> "_Neighbourhood":
        if level < 0:
            if self._everything is None:
                self._everything = _Neighbourhood(list(self._sites.values()), 0.0, 0.0, 0.0, None)
            return self._everything
        scale = _SCALES[level]
        i, j, k = int((x + 1.0) * scale), int((y + 1.0) * scale), int((z + 1.0) * scale)
        key = ((i + _MARGIN) * _STRIDE + j + _MARGIN) * _STRIDE + k + _MARGIN
        near = self._near[level].get(key)
        return near if near is not None else self._look_around(level, key, i, j, k)

    def _look_around(self, level: int, key: int, i: int, j: int, k: int) -> "_Neighbourhood":
        edge = 1.0 / _SCALES[level]
        cx, cy, cz = (i + 0.5) * edge - 1.0, (j + 0.5) * edge - 1.0, (k + 0.5) * edge - 1.0
        reach = _REACH * edge
        limit = reach * reach
        cubes = self._cubes[level]
        sites = [
            site
            for offset in _OFFSETS
            if (cube := cubes.get(key + offset)) is not None
            for site in cube
            if (site[4] - cx) ** 2 + (site[5] - cy) ** 2 + (site[6] - cz) ** 2 <= limit
        ]
        near = self._near[level][key] = _Neighbourhood(sites, cx, cy, cz, reach)
        self._remembered += near.weight
        if self._remembered > _MOST_REMEMBERED:
            self._forget_oldest(level, key)
        return near

    def _forget_oldest(self, level: int, key: int) -> None:
        """Makes room at the resolution that grew, then at the others; what was just built stays."""
        for remembered in (self._near[level], *self._near):
            for old in list(remembered)[: len(remembered) // 2 + 1]:
                if old != key:
                    self._remembered -= remembered.pop(old).weight
            if self._remembered <= _MOST_REMEMBERED:
                return

    def _exchange(self, before: Site | None, after: Site | None) -> None:
        """Replaces one place's site in every cube that holds it, and forgets the neighbourhoods that see it."""
        lat, lon, _, _, x, y, z = before or after or _site(0.0, 0.0, ())
        if after is None:
            del self._sites[lat, lon]
        else:
            self._sites[lat, lon] = after
        self._everything = None
        for level, cubes in enumerate(self._cubes):
            scale = _SCALES[level]
            i, j, k = int((x + 1.0) * scale), int((y + 1.0) * scale), int((z + 1.0) * scale)
            key = ((i + _MARGIN) * _STRIDE + j + _MARGIN) * _STRIDE + k + _MARGIN
            cube = cubes.setdefault(key, [])
            if before is not None:
                cube.remove(before)
            if after is not None:
                cube.append(after)
            elif not cube:
                del cubes[key]
            if remembered := self._near[level]:
                for offset in _OFFSETS:
                    forgotten = remembered.pop(key + offset, None)
                    if forgotten is not None:
                        self._remembered -= forgotten.weight
        if self._follow is not None:
            self._follow(before, after)


class _Neighbourhood:
    """All sites within a reach of a cube's centre (None: all there are), straight through the sphere."""

    __slots__ = ("_cx", "_cy", "_cz", "_positions", "_reach", "hint", "sites")

    def __init__(self, sites: list[Site], cx: float, cy: float, cz: float, reach: float | None) -> None:
        self.sites = sites
        self.hint: int | None = None
        """Where a question from here ended up the last time; only a good place to begin."""
        self._cx = cx
        self._cy = cy
        self._cz = cz
        self._reach = reach
        self._positions: _Floats | None = None

    @property
    def weight(self) -> int:
        """What remembering it costs, in sites; an empty one costs something too."""
        return len(self.sites) + 4

    def certain(self, x: float, y: float, z: float) -> float:
        """The haversine up to which no site is missing for a place in this cube."""
        if self._reach is None:
            return 2.0  # rounding can lift the other end of the world above 1
        off_centre = sqrt((x - self._cx) ** 2 + (y - self._cy) ** 2 + (z - self._cz) ** 2)
        chord = self._reach - off_centre - _SLACK
        return chord * chord / 4.0

    def pick(self, x: float, y: float, z: float) -> tuple[list[Site], float]:
        """The nearest few of many sites, and the haversine up to which none is missing among them."""
        sites = self.sites
        if self._positions is None:
            self._positions = np.array([site[4:] for site in sites])
        nearness = self._positions @ (-x, -y, -z)  # the cosine of the angle, the nearest first
        nearest = np.argpartition(nearness, _PICKED)[: _PICKED + 1]
        # argpartition leaves the farthest of the lower part last.
        chord = sqrt(max(0.0, 2.0 + 2.0 * float(nearness[nearest[-1]]) - _COSINE_SLACK)) - _SLACK
        return [sites[index] for index in nearest.tolist()], chord * chord / 4.0 if chord > 0.0 else -1.0


def _nearest_first(sites: list[Site], lat: float, lon: float) -> Iterator[list[Site]]:
    """The nearest few sites, then the others, by the cosine of the angle: a fifth of the price of a distance."""
    if len(sites) <= _FIRST:
        yield sites
        return
    x, y, z = position(lat, lon)
    cosines = [x * site_x + y * site_y + z * site_z for _, _, _, _, site_x, site_y, site_z in sites]
    ordered = sorted(cosines)
    at = len(ordered) - _FIRST
    while at and ordered[at] - ordered[at - 1] < _ORDER_SLACK:
        at -= 1
    least = ordered[at]
    yield [site for site, cosine in zip(sites, cosines, strict=True) if cosine >= least]
    yield [site for site, cosine in zip(sites, cosines, strict=True) if cosine < least]


def ranked(sites: list[Site], lat: float, lon: float, above: float, up_to: float) -> list[tuple[float, str]]:
    """Km and ids of the sites whose haversine lies in (above, up_to], in order.

    The body of `distance_km` stands here once more, because calling it for each site costs as much as itself.
    """
    cos_lat = cos(lat * DEGREE)
    found = [
        (EARTH_RADIUS_KM * (2.0 * atan2(sqrt(a), sqrt(1.0 - a if a < 1.0 else 0.0))), relay_id)
        for site_lat, site_lon, site_cos, ids, _, _, _ in sites
        for north in [sin((site_lat - lat) * _HALF_DEGREE)]
        for east in [sin((site_lon - lon) * _HALF_DEGREE)]
        if above < (a := north * north + cos_lat * site_cos * east * east) <= up_to
        for relay_id in ids
    ]
    found.sort()
    return found


def _site(lat: float, lon: float, ids: tuple[str, ...]) -> Site:
    return lat, lon, cos(lat * DEGREE), ids, *position(lat, lon)


def position(lat: float, lon: float) -> tuple[float, float, float]:
    """Where a place in degrees is on the unit sphere."""
    cos_lat = cos(lat * DEGREE)
    return cos_lat * cos(lon * DEGREE), cos_lat * sin(lon * DEGREE), sin(lat * DEGREE)
