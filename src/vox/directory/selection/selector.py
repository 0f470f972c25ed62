"""Picks relays for a client: keeps selection's candidates in step with the registry, and counts the clients that it sent to each.

A relay that is full by our own count is never offered, also where no other is left: the count is what keeps a burst
between two reports from overfilling it. Directories on one PostgreSQL tell each other their counts (`share`), about a second late.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from random import Random
from typing import Any

from vox.directory.errors import no_relay_available
from vox.directory.health.health_registry import HealthRegistry
from vox.directory.metrics import RTT_ERROR, SELECTIONS
from vox.directory.relays.geography import NearestIndex
from vox.directory.relays.place import Place
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay, listed_form
from vox.directory.selection.policy import Candidate, Choice, PolicyName, Request, expected_rtt_ms, region_group, select
from vox.protocols.relay_directory import MOVE_MS, MOVE_SHARE
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics

LOOKED_AT = 200
"""Nearest relays that are scored; the others only where these leave no choice."""
CHOSEN = 3
EXPIRES_S = 300
NEAR_MEASURED = 3
MEASURE_BUDGET_MS = 800
"""For all measurements of one plan together."""

_Group = tuple[str, str]
"""What relays may have in common: ("region", name), ("group", name), ("feature", name), or ("", "") for all."""
_ALL: _Group = ("", "")


class RelaySelector:
    """Answers `select`."""

    def __init__(
        self, registry: Registry, health: HealthRegistry, clock: Clock, metrics: Metrics, random: Random
    ) -> None:
        self._registry = registry
        self._health = health
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._candidates: dict[str, Candidate] = {}
        self._listed: dict[str, tuple[float, float, frozenset[_Group]]] = {}
        self._groups: dict[_Group, _Pool] = {}
        self._is_sharing = False
        self._untold: dict[str, int] = {}
        registry.subscribe(self._follow)

    def choose(self, requested: Request, policy: PolicyName, *, explain: bool) -> dict[str, Any]:
        """One relay and up to two to fall back on.

        Raises:
            VoxError: no_relay_available.
        """
        now = self._clock.now()
        choices = self._choices(requested, policy, now)
        if not choices:
            raise no_relay_available()
        self._metrics.counter(SELECTIONS, choices[0].relaxed).inc()
        self._assign(choices[0].id, now)
        self._compare(requested, choices)
        shown = [self._shown(choice, explain=explain) for choice in choices]
        return {
            "relay": shown[0],
            "fallbacks": shown[1:],
            "policy": policy,
            "relaxed": choices[0].relaxed,
            "expires_in_ms": EXPIRES_S * 1000,
            "directory_revision": self._registry.revision,
        }

    def reported(self, relay_id: str) -> None:
        """The relay just said its load, which includes the clients sent there before."""
        relay, candidate = self._registry.get(relay_id), self._candidates.get(relay_id)
        if relay is not None and candidate is not None:
            candidate.report(relay.current_connections, relay.capacity)
            self._untold.pop(relay_id, None)

    def share(self) -> None:
        """Begins to count the clients sent to each relay for the other directories; `take_assigned` is to be called again and again."""
        self._is_sharing = True

    def take_assigned(self) -> dict[str, int]:
        """Clients sent to each relay since the last call, without those that its report includes."""
        untold, self._untold = self._untold, {}
        return untold

    def assigned_elsewhere(self, counts: Mapping[str, int]) -> None:
        """Other directories sent clients there."""
        now = self._clock.now()
        for relay_id, count in counts.items():
            candidate = self._candidates.get(relay_id)
            if candidate is not None:
                candidate.assign(now, count)

    def plan(self, place: Place | None, home: str) -> dict[str, Any]:
        """What a client should measure: the relay it uses, the three that promise most, and one drawn at random."""
        requested = Request(*((place.latitude, place.longitude) if place else (None, None)), limit=NEAR_MEASURED)
        near = [choice.id for choice in self._choices(requested, "distance", self._clock.now())]
        chosen = {home: "home"} if home in self._listed else {}
        chosen |= {one: "near" for one in near if one not in chosen}
        drawn = self._registry.spread_ids(len(chosen) + 1, self._random)
        chosen |= dict.fromkeys([one for one in drawn if one not in chosen][:1], "explore")
        return {
            "relays": [
                {"id": one, "url": relay.url, "probe_url": relay.probe_url, "why": why}
                for one, why in chosen.items()
                if (relay := self._registry.get(one)) is not None
            ],
            "probes_each": 3,
            "budget_ms": MEASURE_BUDGET_MS,
            "move": {"at_most_share": MOVE_SHARE, "at_least_ms": MOVE_MS},
            "report_to": "/v1/rtt-reports",
        }

    def replacement(self, relay: Relay) -> Relay | None:
        """The listed relay with room that is nearest to one on its way out."""
        requested = Request(relay.latitude, relay.longitude, 1, relay.region)
        found = self._choices(requested, "load_aware", self._clock.now())
        return self._registry.get(found[0].id) if found else None

    def _assign(self, relay_id: str, now: float) -> None:
        self._candidates[relay_id].assign(now)
        if self._is_sharing:
            self._untold[relay_id] = self._untold.get(relay_id, 0) + 1

    def _choices(self, requested: Request, policy: PolicyName, now: float) -> list[Choice]:
        choices: list[Choice] = []
        looked_at: set[str] = set()
        for ids in self._stages(requested):
            fresh = [relay_id for relay_id in ids if relay_id not in looked_at]
            looked_at.update(fresh)
            choices += select((self._candidates[one] for one in fresh), requested, policy, now)
            if len(choices) >= requested.limit:
                break
        return choices[: requested.limit]

    def _stages(self, requested: Request) -> Iterator[Iterable[str]]:
        """Ids to choose among, each batch only looked at if the ones before left too little choice."""
        groups = [_ALL]
        if requested.region is not None:
            groups = [("region", requested.region), ("group", region_group(requested.region)), _ALL]
        features = [self._groups.get(("feature", one), _EMPTY_POOL) for one in requested.features]
        for group in groups:
            pool = min([self._groups.get(group, _EMPTY_POOL), *features], key=len)
            if len(pool) == 0:
                continue
            measured = [one for one in (*requested.rtts_ms, *requested.learned_ms) if one in self._listed]
            if requested.latitude is None or requested.longitude is None:
                found = pool.draw(self._random)
            else:
                found = pool.nearest(requested.latitude, requested.longitude)
            yield (one for one in (*found, *measured) if group in self._listed[one][2])
            if len(pool) > LOOKED_AT:
                yield (one for one in pool.ids if group in self._listed[one][2])

    def _compare(self, requested: Request, choices: Iterable[Choice]) -> None:
        """Notes how far what distance lets one expect is from what clients measure."""
        for choice in choices:
            rtt_ms = requested.rtts_ms.get(choice.id)
            if rtt_ms is not None and choice.distance_km is not None:
                self._metrics.histogram(RTT_ERROR).observe(abs(expected_rtt_ms(choice.distance_km) - rtt_ms))

    def _shown(self, choice: Choice, *, explain: bool) -> dict[str, Any]:
        relay = self._registry.get(choice.id)
        body: dict[str, Any] = listed_form(relay) if relay is not None else {"id": choice.id}
        terms = choice.terms
        latency = terms.get("measured", terms.get("learned", terms.get("distance", choice.score_ms)))
        body["latency"] = round(latency, 1)
        if choice.distance_km is not None:
            body["distance_km"] = round(choice.distance_km, 3)
        if explain:
            body["explain"] = {"score_ms": round(choice.score_ms, 3), **terms}
        return body

    def _follow(self, relay_id: str, relay: Relay | None) -> None:
        self._place(relay_id, relay)
        if relay is None:
            self._candidates.pop(relay_id, None)
            return
        candidate = self._candidates.get(relay_id)
        if candidate is None:
            candidate = self._candidates[relay_id] = Candidate(
                relay_id, relay.latitude, relay.longitude, connections=relay.current_connections
            )
        candidate.latitude, candidate.longitude = relay.latitude, relay.longitude
        candidate.region, candidate.features = relay.region, frozenset(relay.features)
        candidate.is_available = relay.healthy and not relay.is_draining
        candidate.penalty = self._health.of(relay_id).penalty_at(self._health.now(), self._health.policy)
        candidate.capacity, candidate.stress = relay.capacity, relay.stress
        if candidate.connections != relay.current_connections:  # said to another directory, or about to be `reported`
            candidate.report(relay.current_connections)

    def _place(self, relay_id: str, relay: Relay | None) -> None:
        """Puts the relay into the groups that it belongs to now, and takes it out of those it does not."""
        placed = None
        if relay is not None and self._registry.is_listed(relay_id):
            features = (("feature", one) for one in relay.features)
            groups = frozenset((_ALL, ("region", relay.region), ("group", region_group(relay.region)), *features))
            placed = relay.latitude, relay.longitude, groups
        before = self._listed.get(relay_id)
        if placed == before:
            return
        for group in before[2] if before else ():
            pool = self._groups[group]
            pool.remove(relay_id)
            if len(pool) == 0:
                del self._groups[group]
        if placed is None:
            del self._listed[relay_id]
            return
        self._listed[relay_id] = placed
        for group in placed[2]:
            self._groups.setdefault(group, _Pool()).add(relay_id, placed[0], placed[1])


class _Pool:
    """Listed relays that have something in common: by place once they are many, and to draw from."""

    def __init__(self) -> None:
        self._index: NearestIndex | None = None
        self._places: dict[str, tuple[int, float, float]] = {}
        self.ids: list[str] = []

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, relay_id: str, latitude: float, longitude: float) -> None:
        """Takes a relay in that is not there."""
        self._places[relay_id] = len(self.ids), latitude, longitude
        self.ids.append(relay_id)
        if self._index is not None:
            self._index.add(relay_id, latitude, longitude)
        elif len(self.ids) > LOOKED_AT:
            self._index = NearestIndex()
            for one, (_, lat, lon) in self._places.items():
                self._index.add(one, lat, lon)

    def remove(self, relay_id: str) -> None:
        """Takes a relay out; the last one fills its gap, so that a draw stays one index away."""
        place, _, _ = self._places.pop(relay_id)
        last = self.ids.pop()
        if last != relay_id:
            self.ids[place] = last
            self._places[last] = place, *self._places[last][1:]
        if self._index is not None:
            self._index.remove(relay_id)

    def nearest(self, latitude: float, longitude: float) -> Iterable[str]:
        """The nearest ones; all where they are few."""
        if self._index is None:
            return self.ids
        return (relay_id for relay_id, _ in islice(self._index.nearest(latitude, longitude), LOOKED_AT))

    def draw(self, random: Random) -> list[str]:
        """Some, in fresh order."""
        return random.sample(self.ids, min(len(self.ids), LOOKED_AT))


_EMPTY_POOL = _Pool()
