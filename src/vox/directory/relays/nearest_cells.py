"""The nearest few sites to a place, from lists that are kept per cell of a grid over the Earth.

A cell's list holds every site that can be among the nearest few to any place in the cell. A site is left out where enough
others are nearer to the whole cell: whether one of two sites is nearer is a half-space through the sphere's centre, so one
product tells it for all places around the cell's centre at once. Relays of one far city thereby mostly come to one order.

A cell with a long list is split into cells of half its edge, whose lists are picked from its own. Cells are made when they are
first asked for. A site that comes or goes makes a cell start anew only where it lies near enough to matter there, and only
when that cell is asked again.
"""

from collections.abc import Container
from math import ceil, cos, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from vox.directory.relays.geography import DEGREE, Site, position, ranked

MOST_ASKED = 10
"""The longest answer that cells give, which is what most clients ask for."""
_SURE = 16
"""Sites that a cell is sure of: the nearest ones from any place in it. Some of them may be passed over."""
_PICKED = MOST_ASKED + 2
"""Sites whose distance is worked out first; all that are sure follow where too many of those are passed over."""
_COMPARED = 32
"""Sites near a cell's centre that others are compared with, to leave those out that are farther than enough of them."""
_MOST_COMPARED = 4096
"""The longest list that is compared; a longer one is split in any case."""
_SHORT = 256
"""Sites in a list that is not split: numpy picks among them in the time of a few distances."""
_LONGEST = 1024
"""Sites in a list of the smallest cells; where there are more, cells have no answer."""
_EDGES = tuple(8.0 / 2**level for level in range(7))
"""Edges of the cells in degrees of latitude; eastwards they are about as long in kilometres."""
_MOST_REMEMBERED = 2_000_000
"""Sites in the lists of all cells, some 32 bytes each; beyond it the cells that were made first are forgotten."""
_WEIGHT = 16
"""What a cell costs besides its list, in sites."""
_MOST_CHANGES = 512
"""Changes that are remembered; a cell that was not asked for longer starts anew."""
_STRIDE = 4096
_ORDER_SLACK = 1e-12
"""How far two cosines may lie apart and still belong to sites in the other order: some thousand roundings."""
_CHORD_SLACK = 1e-9
_SQUARE_SLACK = 1e-14
"""Added to a squared chord that comes from a cosine: fifty roundings."""

_EVERYWHERE = 2.0
"""More than any haversine."""

_Floats = NDArray[np.float64]


_COLUMNS = tuple(
    # One row more, for the pole itself; its cells are less than half a turn wide, so that no place is farther than a corner.
    max(3, ceil(360.0 / _EDGES[0] * abs(cos((-90.0 + (row + 0.5) * _EDGES[0]) * DEGREE))))
    for row in range(ceil(180.0 / _EDGES[0]) + 1)
)
"""How many of the largest cells there are around the Earth, by row from the south; smaller ones lie in one larger one each."""
_SMALLEST = len(_EDGES) - 1


class _Cell:
    __slots__ = ("far", "is_split", "points", "seen", "sites", "x", "y", "z")

    def __init__(self, sites: list[Site], points: _Floats, centre: tuple[float, float, float], far: float) -> None:
        self.sites = sites
        self.points = points
        self.x, self.y, self.z = centre
        self.far = far
        """The square of the distance from which on a site does not matter."""
        self.is_split = False
        self.seen = 0


class NearestCells:
    """Sites, and the nearest few to a place. Fed by `NearestIndex`, which has the answer where this has none."""

    def __init__(self) -> None:
        self._sites: list[Site] = []
        self._points: _Floats = np.empty((64, 3))
        self._at: dict[tuple[float, float], int] = {}
        self._cells: dict[int, _Cell] = {}
        self._remembered = 0
        self._changes: list[tuple[float, float, float]] = []
        self._version = 0
        self._here: _Floats = np.empty(3)

    @property
    def remembered(self) -> int:
        """What all cells cost, in sites."""
        return self._remembered

    def exchange(self, before: Site | None, after: Site | None) -> None:
        """Replaces a place's site; None where there is none."""
        changed = after or before
        if changed is None:
            return
        place = changed[:2]
        if after is None:
            at, last = self._at.pop(place), self._sites.pop()
            if at < len(self._sites):  # the last one fills the gap
                self._sites[at] = last
                self._at[last[:2]] = at
                self._points[at] = last[4:]
        elif before is None:
            at = self._at[place] = len(self._sites)
            self._sites.append(after)
            if at == len(self._points):
                self._points = np.concatenate((self._points, np.empty_like(self._points)))
            self._points[at] = after[4:]
        else:
            self._sites[self._at[place]] = after
        self._changes.append(changed[4:])
        self._version += 1
        if len(self._changes) > _MOST_CHANGES:
            del self._changes[: _MOST_CHANGES // 2]

    def nearest(self, lat: float, lon: float, limit: int, accepted: Container[str]) -> list[tuple[float, str]] | None:
        """Km and ids of the nearest that are accepted, in order, `limit` or more; None where the cells are not sure of so many."""
        if limit > MOST_ASKED:
            return None
        cell = self._cell(lat, lon)
        if cell is None:
            return None
        sites = cell.sites
        if len(sites) <= _SURE:
            found = [one for one in ranked(sites, lat, lon, -1.0, _EVERYWHERE) if one[1] in accepted]
            return found if len(found) >= limit or len(sites) == len(self._sites) else None
        here = self._here
        here[0], here[1], here[2] = position(lat, lon)
        nearness = cell.points.dot(here)
        for count in (_PICKED, _SURE):
            nearest = nearness.argpartition(-count - 1)[-count - 1 :].tolist()
            # The least near of them comes first, and no site that was not picked is nearer than it.
            certain = (1.0 - float(nearness[nearest[0]])) / 2.0 - _ORDER_SLACK
            sure = ranked([sites[index] for index in nearest], lat, lon, -1.0, certain)
            found = [one for one in sure if one[1] in accepted]
            if len(found) >= limit:
                return found
        return None

    def _cell(self, lat: float, lon: float) -> _Cell | None:
        """The cell of a place that is not split, made where it is missing; None where its list is too long."""
        above: _Cell | None = None
        north, east = lat + 90.0, (lon + 180.0) / 360.0
        for level, edge in enumerate(_EDGES):
            row = int(north / edge)
            column = int(east * (_COLUMNS[row >> level] << level))
            key = (row * _STRIDE + column) * _STRIDE + level
            cell = self._cells.get(key)
            if cell is None or (cell.seen != self._version and not self._stands(cell)):
                cell = self._make(key, level, row, column, above)
            if not cell.is_split:
                return cell
            above = cell
        return None

    def _stands(self, cell: _Cell) -> bool:
        """Whether nothing changed near a cell since it was last asked."""
        since = cell.seen - (self._version - len(self._changes))
        if since < 0:
            return False
        for x, y, z in self._changes[since:]:
            if (x - cell.x) ** 2 + (y - cell.y) ** 2 + (z - cell.z) ** 2 <= cell.far:
                return False
        cell.seen = self._version
        return True

    def _make(self, key: int, level: int, row: int, column: int, above: _Cell | None) -> _Cell:
        edge, width = _EDGES[level], 360.0 / (_COLUMNS[row >> level] << level)
        south, west = row * edge - 90.0, column * width - 180.0
        centre = position(south + edge / 2, west + width / 2)
        radius = _CHORD_SLACK + max(
            sqrt(sum((one - other) ** 2 for one, other in zip(centre, position(lat, west), strict=True)))
            for lat in (south, south + edge)
        )
        if above is None:
            sites, points = self._sites, self._points[: len(self._sites)]
        else:
            sites, points = above.sites, above.points
        chosen, far = _that_matter(points, np.array(centre), radius)
        cell = _Cell([sites[index] for index in chosen.tolist()], points[chosen], centre, far)
        cell.is_split = len(cell.sites) > (_SHORT if level < _SMALLEST else _LONGEST)
        cell.seen = self._version
        self._forget(key)
        self._cells[key] = cell
        self._remembered += len(cell.sites) + _WEIGHT
        if self._remembered > _MOST_REMEMBERED:
            for old in list(self._cells)[: len(self._cells) // 2]:
                self._forget(old)
        return cell

    def _forget(self, key: int) -> None:
        old = self._cells.pop(key, None)
        if old is not None:
            self._remembered -= len(old.sites) + _WEIGHT


def _that_matter(points: _Floats, centre: _Floats, radius: float) -> tuple[NDArray[np.intp], float]:
    """The sites that can be among those a cell is sure of, and the squared distance from its centre from which none can be.

    Args:
        points: of the sites.
        centre: of the cell.
        radius: of the cell, straight through the sphere.
    """
    if len(points) <= _SURE:
        return np.arange(len(points)), inf
    nearness = points.dot(centre)
    least = float(np.partition(nearness, -_SURE)[-_SURE])
    far = (sqrt(max(0.0, 2.0 - 2.0 * least) + _SQUARE_SLACK) + 2.0 * radius) ** 2 + _SQUARE_SLACK
    chosen = np.flatnonzero(2.0 - 2.0 * nearness <= far)
    if _SURE < len(chosen) <= _MOST_COMPARED:
        some, near = points[chosen], nearness[chosen]
        compared = near.argpartition(-min(_COMPARED, len(near)))[-_COMPARED:]
        apart = np.sqrt(((some[:, None, :] - some[compared]) ** 2).sum(2))
        is_nearer = near[compared] - near[:, None] > radius * apart + _ORDER_SLACK
        chosen = chosen[is_nearer.sum(1) < _SURE]
    return chosen, far
