"""Which relays a client should use: filter, then score, then a deterministic tie-break. Pure; the caller brings time and chance.

Scores are milliseconds, so that a decision can be explained: `Choice.terms` add up to `score_ms`. `distance` keeps exactly
the documented order, nearest first. The other two policies take the best few as equal and spread clients over them.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import nsmallest
from math import inf, log
from operator import itemgetter
from typing import Literal

from vox.directory.relays.geography import distance_km

PolicyName = Literal["distance", "load_aware", "measured"]

Relaxed = Literal["no", "group", "region"]
"""How far a wish for a region was given up: not at all, to its group (`eu` of `eu-west`), or altogether."""

ASSIGNMENTS_COUNT_S = 20.0
"""How long at least a client that was sent to a relay counts if the relay never says its load; jicofo's number."""
REPORT_OVERDUE_S = 120.0
"""The same for a relay that does say its load: four heartbeats of the documented 30 s."""

_ROUTE_MS_PER_KM = 1.7 / 100.0
"""Round trip: 1 ms per 100 km of fibre, and routes are 1.7 times as long as the great circle."""
_ROUTE_BASE_MS = 8.0
_UNKNOWN_ROUTE_MS = 100.0
"""Without coordinates or measurement every relay is equally far."""
_EASY_LOAD = 0.6
_LOAD_MS = 40.0
"""The load term at 80 % of the capacity; it is 0 up to 60 % and has no bound towards 100 %."""
_UNSTABLE_MS_PER_POINT = 0.01
"""One change between up and down (1000 points) weighs as much as 10 ms."""
_AS_GOOD_MS = 10.0
_AS_GOOD_SHARE = 0.1


@dataclass(slots=True)
class Candidate:
    """What selection needs to know of a relay. Mutable, because load changes with every assignment; use its methods."""

    id: str
    latitude: float
    longitude: float
    region: str = "unknown"
    capacity: int = 1000
    connections: int = 0
    """As last reported."""
    is_available: bool = True
    """Up and not draining."""
    penalty: float = 0.0
    """Points for going up and down, see `Health.penalty_at`."""
    features: frozenset[str] = frozenset()
    stress: float = 0.0
    """How busy the relay says it is, whatever the reason: 0 to 1."""
    _counts_s: float = ASSIGNMENTS_COUNT_S
    _assigned: int = 0
    _assigned_before: int = 0
    _assigned_since: float = -inf

    def assign(self, now: float, count: int = 1) -> None:
        """A client was sent there, or several: they count until the relay reports, or else for 20 to 40 s.

        Of a relay that has reported before the next report is waited for, for 120 to 240 s.
        """
        self._turn(now)
        self._assigned += count

    def report(self, connections: int, capacity: int | None = None) -> None:
        """The relay said how many connections it has, which includes the assigned clients that arrived."""
        self.connections = connections
        if capacity is not None:
            self.capacity = capacity
        self._assigned = self._assigned_before = 0
        self._counts_s = REPORT_OVERDUE_S

    def expected_connections(self, now: float) -> int:
        """Reported connections, and clients sent there since that still count."""
        age_s = now - self._assigned_since
        if age_s < self._counts_s:
            return self.connections + self._assigned_before + self._assigned
        return self.connections + (self._assigned if age_s < 2.0 * self._counts_s else 0)

    def load(self, now: float) -> float:
        """Expected connections as a share of the capacity, or the relay's own word where that is worse."""
        return max(self.expected_connections(now) / self.capacity, self.stress) if self.capacity > 0 else inf

    def has_room(self, now: float) -> bool:
        """Whether one more fits."""
        return self.expected_connections(now) < self.capacity

    def _turn(self, now: float) -> None:
        """Begins a new stretch where the last one is over; the one before it counts until this one is over."""
        age_s = now - self._assigned_since
        if age_s >= 2.0 * self._counts_s:
            self._assigned_before = self._assigned = 0
            self._assigned_since = now
        elif age_s >= self._counts_s:
            self._assigned_before, self._assigned = self._assigned, 0
            self._assigned_since += self._counts_s


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for.

    `region` is a wish: where nothing is left in it, its group will do, and then any region. `features` are conditions. `rtts_ms` are the
    client's own measurements by relay id, `learned_ms` those of its neighbours. Clients with the same `key` (a room, say) get the same relay among equals.
    `draw` is a random number from the caller, which spreads clients that say neither where they are nor a key.
    """

    latitude: float | None = None
    longitude: float | None = None
    limit: int = 10
    region: str | None = None
    features: frozenset[str] = frozenset()
    rtts_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    learned_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    key: str = ""
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """One relay for the client. `terms` explain the score; `relaxed` says how far from the wished region it is."""

    id: str
    distance_km: float | None
    score_ms: float
    terms: Mapping[str, float]
    relaxed: Relaxed = "no"


def select(
    candidates: Iterable[Candidate], request: Request, policy: PolicyName = "distance", now: float = 0.0
) -> list[Choice]:
    """The relays for this client, best first, at most `request.limit`; empty if none fits.

    Looks at every candidate: of a large fleet pass those that `NearestIndex` names first.
    """
    fit, relaxed = _filtered(candidates, request, now)
    if policy == "distance" and request.latitude is not None and request.longitude is not None:
        chosen = _nearest(fit, request.latitude, request.longitude, request.limit)
    else:
        chosen = _best(fit, request, policy, now)
    return [Choice(found.id, km, sum(terms.values()), terms, relaxed) for found, km, terms in chosen]


def fits(candidate: Candidate, request: Request, now: float) -> bool:
    """Whether the relay may be offered at all, the region aside."""
    return candidate.is_available and request.features <= candidate.features and candidate.has_room(now)


def region_group(region: str) -> str:
    """What regions have in common whose names begin alike: `eu` of `eu-west`."""
    return region.partition("-")[0]


def by_rendezvous(ids: Iterable[str], key: str) -> list[str]:
    """The ids in the order that belongs to the key: an id that leaves or joins moves only its own keys."""
    return sorted(ids, key=lambda relay_id: (-_share(key, relay_id), relay_id))


def load_penalty_ms(load: float) -> float:
    """What load costs: nothing up to 60 %, 40 ms at 80 %, without bound towards 100 %."""
    if load >= 1.0:
        return inf
    return max(0.0, _LOAD_MS * (load - _EASY_LOAD) / (1.0 - load) * (1.0 - 0.8) / (0.8 - _EASY_LOAD))


def expected_rtt_ms(km: float | None) -> float:
    """The round trip that distance lets one expect."""
    return _UNKNOWN_ROUTE_MS if km is None else _ROUTE_BASE_MS + km * _ROUTE_MS_PER_KM


_Terms = dict[str, float]
_Scored = tuple[Candidate, float | None, _Terms]


def _filtered(candidates: Iterable[Candidate], request: Request, now: float) -> tuple[Collection[Candidate], Relaxed]:
    fit = [candidate for candidate in candidates if fits(candidate, request, now)]
    if request.region is None:
        return fit, "no"
    there = [candidate for candidate in fit if candidate.region == request.region]
    if there:
        return there, "no"
    group = region_group(request.region)
    around = [candidate for candidate in fit if region_group(candidate.region) == group]
    return (around, "group") if around else (fit, "region")


def _nearest(fit: Iterable[Candidate], lat: float, lon: float, limit: int) -> list[_Scored]:
    found = [(distance_km(lat, lon, one.latitude, one.longitude), one.id, one) for one in fit]
    return [(one, km, {"distance": expected_rtt_ms(km)}) for km, _, one in nsmallest(limit, found)]


def _best(fit: Iterable[Candidate], request: Request, policy: PolicyName, now: float) -> list[_Scored]:
    terms_of = _TERMS[policy]
    scored = [
        (sum(terms.values()), one.id, (one, km, terms))
        for one in fit
        for km in [_distance(one, request)]
        for terms in [terms_of(one, km, request, now)]
    ]
    if not scored:
        return []
    scored.sort()
    best_ms = scored[0][0]
    limit_ms = best_ms + max(_AS_GOOD_MS, best_ms * _AS_GOOD_SHARE)
    as_good = bisect_right(scored, limit_ms, key=itemgetter(0))
    order = _tie_break(request, policy, now)
    equals = sorted((found for _, _, found in scored[:as_good]), key=lambda found: order(found[0]))
    return [*equals, *(found for _, _, found in scored[as_good:])][: request.limit]


def _distance_terms(candidate: Candidate, km: float | None, request: Request, now: float) -> _Terms:
    return {"distance": expected_rtt_ms(km)}


def _load_aware_terms(candidate: Candidate, km: float | None, request: Request, now: float) -> _Terms:
    return {
        "distance": expected_rtt_ms(km),
        "load": load_penalty_ms(candidate.load(now)),
        "instability": candidate.penalty * _UNSTABLE_MS_PER_POINT,
    }


def _measured_terms(candidate: Candidate, km: float | None, request: Request, now: float) -> _Terms:
    terms = _load_aware_terms(candidate, km, request, now)
    for name, known_ms in (("measured", request.rtts_ms), ("learned", request.learned_ms)):
        rtt_ms = known_ms.get(candidate.id)
        if rtt_ms is not None:
            del terms["distance"]
            terms[name] = rtt_ms
            break
    return terms


_TERMS: dict[PolicyName, Callable[[Candidate, float | None, Request, float], _Terms]] = {
    "distance": _distance_terms,
    "load_aware": _load_aware_terms,
    "measured": _measured_terms,
}


def _distance(candidate: Candidate, request: Request) -> float | None:
    if request.latitude is None or request.longitude is None:
        return None
    return distance_km(request.latitude, request.longitude, candidate.latitude, candidate.longitude)


def _tie_break(request: Request, policy: PolicyName, now: float) -> Callable[[Candidate], tuple[float, str]]:
    """The order among equals: by key if there is one, else the emptiest first, else a draw weighted by room."""
    if request.key:
        return lambda candidate: (-_share(request.key, candidate.id), candidate.id)
    if policy == "distance":
        draw = str(request.draw)

        def drawn(candidate: Candidate) -> tuple[float, str]:
            room = max(candidate.capacity - candidate.expected_connections(now), 1e-9)
            return -log(_share(draw, candidate.id)) / room, candidate.id

        return drawn
    return lambda candidate: (candidate.load(now), candidate.id)


def _share(key: str, relay_id: str) -> float:
    """A number in (0, 1] that belongs to this pair, the same everywhere."""
    digest = blake2b(f"{key}\n{relay_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 1) / 2.0**64
