"""Lists stay what a directory that remembers nothing would answer, whatever happens between the questions."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from vox.directory.relays.geography import distance_km
from vox.directory.relays.place import Place
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay, list_form

TOWNS = [(51.5, -0.1), (48.9, 2.4), (-33.9, 151.2), (0.0, 179.95), (78.2, 15.6)]
VIEWS = [
    Place(51.0, 0.5),
    Place(51.0, 0.5001),
    Place(-90.0, 0.0),
    Place(90.0, 180.0),
    Place(1.5, -179.9),
    Place(20.0, 10.0),
]


def relay(number: int, random: Random) -> Relay:
    lat, lon = random.choice(TOWNS)
    return Relay(
        id=f"relay-{number:05}",
        name=f"Relay {number}",
        url=f"wss://relay-{number}.example.com",
        latitude=round(lat + random.gauss(0, 0.2), 4),
        longitude=round((lon + random.gauss(0, 0.2) + 180) % 360 - 180, 4),
        region="here",
        capacity=100,
        public_key="a2V5",
        registered_at="2026-01-01T00:00:00.000Z",
        last_seen_at="2026-01-01T00:00:00.000Z",
        healthy=True,
        state="healthy",
    )


def without_memory(registry: Registry, held: set[str], place: Place, limit: int) -> bytes:
    listed = [one for one in registry if one.is_listed and one.id not in held]
    here = place.latitude, place.longitude
    away = sorted((distance_km(*here, one.latitude, one.longitude), one.id, one) for one in listed)[:limit]
    forms = b",".join(b'%b,"distance_km":%.3f}' % (list_form(one), km) for km, _, one in away)
    return b'{"relays":[%b],"count":%d}' % (forms, len(away))


def heartbeat(one: Relay, random: Random, moment: int) -> Relay:
    connections = random.choice([0, 7, 99, 100, 100])
    return replace(one, current_connections=connections, last_seen_at=f"2026-01-01T00:00:{moment % 60:02}.000Z")


CHANGES: dict[str, Callable[[Relay, Random, int], Relay]] = {
    "heartbeat": heartbeat,
    "expiry": lambda one, _random, _moment: replace(one, healthy=not one.healthy),
    "drain": lambda one, _random, _moment: replace(one, is_draining=not one.is_draining),
    "move": lambda one, random, _moment: replace(one, latitude=random.uniform(-90, 90)),
    "rename": lambda one, _random, moment: replace(one, name=f"Relay {moment}"),
    "capacity": lambda one, random, _moment: replace(one, capacity=random.choice([5, 100, 1000])),
}


@pytest.mark.parametrize("seed", range(4))
def test_lists_are_those_of_a_directory_without_a_memory(seed: int):
    random = Random(seed)
    registry, held = Registry(), set[str]()
    for number in range(150):
        registry.put(relay(number, random))
    for moment in range(250):
        for _ in range(random.choice([0, 1, 1, 5])):
            ids = sorted(one.id for one in registry)
            relay_id = random.choice(ids)
            present = registry.get(relay_id)
            assert present is not None
            match what := random.choice(["join", "leave", "hold", *["heartbeat"] * 4, *CHANGES]):
                case "join":
                    registry.put(relay(1000 + moment, random))
                case "leave":
                    registry.drop(relay_id)
                    registry.release(relay_id)
                    held.discard(relay_id)
                case "hold" if relay_id in held:
                    registry.release(relay_id)
                    held.discard(relay_id)
                case "hold":
                    registry.hold(relay_id)
                    held.add(relay_id)
                case _:
                    registry.put(CHANGES[what](present, random, moment))
        place, limit = random.choice(VIEWS), random.choice([1, 10, 10, 11, 100])
        assert registry.nearest_json(place, limit) == without_memory(registry, held, place, limit)
