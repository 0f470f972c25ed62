"""Picks relays for a client: keeps selection's candidates in step with the registry, and counts whom it sent where."""

from collections.abc import Iterable
from itertools import islice
from random import Random
from typing import Any

from vox.directory.bodies import Place
from vox.directory.errors import no_relay_available
from vox.directory.health_book import HealthBook
from vox.directory.metrics import SELECTIONS
from vox.directory.registry import Registry
from vox.directory.relay import Relay, listed_form
from vox.directory.selection import Candidate, Choice, PolicyName, Request, select
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics

LOOKED_AT = 200
"""Nearest relays that are scored; beyond them distance outweighs whatever else there is."""
CHOSEN = 3
EXPIRES_S = 300


class Chooser:
    """Answers `select`."""

    def __init__(self, registry: Registry, book: HealthBook, clock: Clock, metrics: Metrics, random: Random) -> None:
        self._registry = registry
        self._book = book
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._candidates: dict[str, Candidate] = {}
        self._heard: dict[str, str] = {}
        registry.subscribe(self._follow)

    def choose(self, wanted: Request, policy: PolicyName, *, explain: bool) -> dict[str, Any]:
        """One relay and up to two to fall back on.

        Raises:
            VoxError: no_relay_available.
        """
        now = self._clock.now()
        found = [self._candidates[relay_id] for relay_id in self._looked_at(wanted)]
        relaxed = "no"
        choices = select(found, wanted, policy, now)
        if not choices:  # everybody full by our own count: an estimate must not turn clients away
            relaxed = "room"
            choices = select(found, _without_room(wanted), policy, now)
        if not choices:
            raise no_relay_available()
        if relaxed == "no" and choices[0].is_elsewhere:
            relaxed = "region"
        self._metrics.counter(SELECTIONS, relaxed).inc()
        self._candidates[choices[0].id].assign(now)
        shown = [self._shown(choice, explain=explain) for choice in choices[:CHOSEN]]
        return {
            "relay": shown[0],
            "fallbacks": shown[1:],
            "policy": policy,
            "relaxed": relaxed,
            "expires_in_ms": EXPIRES_S * 1000,
            "directory_revision": self._registry.revision,
        }

    def _looked_at(self, wanted: Request) -> Iterable[str]:
        registry = self._registry
        chosen: dict[str, None] = {}
        if wanted.region is not None:
            there = (relay.id for relay in registry.listed() if relay.region == wanted.region)
            chosen |= dict.fromkeys(islice(there, LOOKED_AT))
        if wanted.latitude is not None and wanted.longitude is not None:
            chosen |= dict.fromkeys(registry.nearest_ids(Place(wanted.latitude, wanted.longitude), LOOKED_AT))
        else:
            chosen |= dict.fromkeys(registry.spread_ids(LOOKED_AT, self._random))
        chosen |= {one: None for one in wanted.rtts_ms if registry.is_listed(one)}
        return chosen

    def _shown(self, choice: Choice, *, explain: bool) -> dict[str, Any]:
        relay = self._registry.get(choice.id)
        body: dict[str, Any] = listed_form(relay) if relay is not None else {"id": choice.id}
        body["latency"] = round(choice.terms.get("measured", choice.terms.get("distance", choice.score_ms)), 1)
        if choice.distance_km is not None:
            body["distance_km"] = round(choice.distance_km, 3)
        if explain:
            body["explain"] = {"score_ms": round(choice.score_ms, 3), **choice.terms}
        return body

    def _follow(self, relay_id: str, relay: Relay | None) -> None:
        if relay is None:
            self._candidates.pop(relay_id, None)
            self._heard.pop(relay_id, None)
            return
        candidate = self._candidates.get(relay_id)
        if candidate is None:
            candidate = self._candidates[relay_id] = Candidate(relay_id, relay.latitude, relay.longitude)
        candidate.latitude, candidate.longitude = relay.latitude, relay.longitude
        candidate.region, candidate.features = relay.region, frozenset(relay.features)
        candidate.is_available = relay.healthy and not relay.is_draining
        candidate.penalty = self._book.of(relay_id).penalty_at(self._book.now(), self._book.policy)
        if self._heard.get(relay_id) != relay.last_seen_at:
            self._heard[relay_id] = relay.last_seen_at
            candidate.report(relay.current_connections, relay.capacity)


def _without_room(wanted: Request) -> Request:
    return Request(
        latitude=wanted.latitude,
        longitude=wanted.longitude,
        limit=wanted.limit,
        region=wanted.region,
        features=wanted.features,
        rtts_ms=wanted.rtts_ms,
        key=wanted.key,
        draw=wanted.draw,
        needs_room=False,
    )
