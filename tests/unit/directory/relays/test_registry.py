"""What clients are told, whatever relays came, went, filled up and moved before."""

from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.directory.relays.geography import distance_km
from vox.directory.relays.place import Place
from vox.directory.relays.registry import LEAST_PASSED_OVER, PASSED_OVER_SHARE, Registry
from vox.directory.relays.relay import Relay

HERE = Place(10.0, 10.0)


def relay(number: int, *, connections: int = 0, latitude: float = 10.0) -> Relay:
    return Relay(
        id=f"relay-{number:05}",
        name=f"Relay {number}",
        url=f"wss://relay-{number}.example.com",
        latitude=latitude,
        longitude=10.0 + number / 1000,
        region="here",
        capacity=100,
        public_key="a2V5",
        registered_at="2026-01-01T00:00:00.000Z",
        last_seen_at="2026-01-01T00:00:00.000Z",
        current_connections=connections,
        healthy=True,
        state="healthy",
    )


def by_looking_at_all(registry: Registry) -> list[str]:
    def away(one: Relay) -> tuple[float, str]:
        return distance_km(HERE.latitude, HERE.longitude, one.latitude, one.longitude), one.id

    return [one.id for one in sorted((one for one in registry if one.is_listed), key=away)]


STEPS = st.lists(
    st.tuples(st.integers(0, 70), st.sampled_from(["well", "full", "draining", "moved", "gone"])), max_size=200
)


@given(STEPS)
def test_the_nearest_are_those_that_are_listed_now(steps: list[tuple[int, str]]):
    registry = Registry()
    for number in range(70):
        registry.put(relay(number))
    for number, what in steps:
        match what:
            case "gone":
                registry.drop(f"relay-{number:05}")
            case "full":
                registry.put(relay(number, connections=100))
            case "moved":
                registry.put(relay(number, latitude=-40.0, connections=number % 2 * 100))
            case "draining":
                registry.put(replace(relay(number), is_draining=True))
            case _:
                registry.put(relay(number))
    assert registry.nearest_ids(HERE, 100) == by_looking_at_all(registry)
    assert msgspec.json.decode(registry.nearest_json(HERE, 100))["count"] == registry.listed_count


@pytest.mark.parametrize("count", [LEAST_PASSED_OVER * 2, 4000])
def test_however_many_are_full_few_are_passed_over(count: int):
    registry = Registry()
    relays = [relay(number) for number in range(count)]
    for one in relays:
        registry.put(one)
    for one in Random(1).sample(relays, count - 10):  # a city is full, but for ten
        registry.put(replace(one, current_connections=100))
        passed_over = len(registry._index) - registry.listed_count
        assert passed_over <= max(LEAST_PASSED_OVER, registry.listed_count * PASSED_OVER_SHARE)
    assert registry.nearest_ids(HERE, 100) == by_looking_at_all(registry)
    assert registry.listed_count == 10


def test_a_relay_that_is_gone_is_not_kept_in_the_index():
    registry = Registry()
    for number in range(20):
        registry.put(relay(number))
        registry.put(relay(number, connections=100))
        registry.drop(f"relay-{number:05}")
    assert len(registry._index) == 0
    assert registry.nearest_ids(HERE, 10) == []
