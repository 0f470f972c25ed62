import random
from itertools import islice
from math import atan2, cos, pi, radians, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.directory.relays.geography import EARTH_RADIUS_KM, NearestIndex, distance_km

HALF_ROUND = pi * EARTH_RADIUS_KM

latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -45.0, 0.0, 45.0, 90.0]))
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, -179.999, 0.0, 179.999, 180.0]))
places = st.tuples(latitudes, longitudes)
towns = st.builds(lambda lat, lon: (lat / 1000, lon / 1000), st.integers(-2000, 2000), st.integers(-2000, 2000))


def documented(lat1, lon1, lat2, lon2):
    """The formula of the documentation, letter by letter."""
    d_lat, d_lon = radians(lat2 - lat1), radians(lon2 - lon1)
    a = sin(d_lat / 2) * sin(d_lat / 2) + cos(radians(lat1)) * cos(radians(lat2)) * sin(d_lon / 2) * sin(d_lon / 2)
    return 6371 * (2 * atan2(sqrt(a), sqrt(max(0.0, 1 - a))))


def full_scan(relays, lat, lon):
    return sorted(
        ((relay_id, distance_km(lat, lon, *place)) for relay_id, place in relays.items()),
        key=lambda found: (found[1], found[0]),
    )


def index_of(relays):
    index = NearestIndex()
    for relay_id, place in relays.items():
        index.add(relay_id, *place)
    return index


@pytest.mark.parametrize(
    ("here", "there", "km"),
    [
        ((40.7128, -74.0060), (51.5074, -0.1278), 5570.2),
        ((-33.8688, 151.2093), (35.6762, 139.6503), 7825.8),
        ((0, 0), (0, 0), 0),
        ((40.7128, -74.0060), (40.7128, -74.0060), 0),
        ((0, 179.5), (0, -179.5), 111.19),  # across the antimeridian, not around the world
        ((10, 180), (10, -180), 0),
        ((90, 0), (90, 123), 0),  # one pole, however it is written
        ((90, 0), (-90, 77), HALF_ROUND),
        ((0, 0), (0, 180), HALF_ROUND),
        ((89.9, 0), (89.9, 180), 22.24),  # over the pole
    ],
)
def test_distances_between_known_places(here, there, km):
    assert distance_km(*here, *there) == pytest.approx(km, abs=0.1)


@given(places, places)
def test_the_distance_is_the_documented_formula(here, there):
    assert distance_km(*here, *there) == pytest.approx(documented(*here, *there), abs=1e-6)
    assert distance_km(*here, *there) == pytest.approx(distance_km(*there, *here), abs=1e-6)
    assert 0 <= distance_km(*here, *there) <= HALF_ROUND


@given(st.lists(st.one_of(places, towns), max_size=60), st.one_of(places, towns))
def test_the_order_is_that_of_a_full_scan(spots, here):
    relays = {f"relay-{number}": spot for number, spot in enumerate(spots)}
    assert list(index_of(relays).nearest(*here)) == full_scan(relays, *here)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.one_of(st.none(), places, towns)), max_size=40),
    st.lists(places, min_size=1, max_size=3),
)
def test_what_is_added_moved_and_removed_is_seen_at_once(changes, views):
    index, relays = NearestIndex(), {}
    for relay_id, place in changes:
        if place is None:
            index.remove(relay_id)
            relays.pop(relay_id, None)
        else:
            index.add(relay_id, *place)
            relays[relay_id] = place
        for here in views:
            assert list(index.nearest(*here)) == full_scan(relays, *here)
    assert len(index) == len(relays)
    assert all(relay_id in index for relay_id in relays)


@pytest.mark.parametrize("spread", ["even", "cities", "one city", "one room", "one place", "line"])
def test_many_relays_in_any_arrangement(spread):
    rng = random.Random(spread)
    cities = [(rng.uniform(-60, 70), rng.uniform(-180, 180)) for _ in range(12)]

    def place():
        match spread:
            case "even":
                return rng.uniform(-90, 90), rng.uniform(-180, 180)
            case "cities":
                lat, lon = rng.choice(cities)
                return lat + rng.gauss(0, 0.2), lon + rng.gauss(0, 0.2)
            case "one city":
                return 51.5 + rng.gauss(0, 0.01), rng.gauss(0, 0.01)
            case "one room":  # so close together that the rounding of a cosine hides who is nearer
                return 51.5 + rng.gauss(0, 1e-7), rng.gauss(0, 1e-7)
            case "one place":
                return 51.5, -0.12
            case _:
                return 0.0, rng.uniform(-180, 180)

    relays = {f"relay-{number}": place() for number in range(1500)}
    index = index_of(relays)
    for _ in range(15):
        here = place() if rng.random() < 0.5 else (rng.uniform(-90, 90), rng.uniform(-180, 180))
        expected = full_scan(relays, *here)
        assert list(islice(index.nearest(*here), 10)) == expected[:10]
        assert list(index.nearest(*here)) == expected
        for relay_id in rng.sample(sorted(relays), 5):
            relays[relay_id] = place()
            index.add(relay_id, *relays[relay_id])


def test_equal_distances_are_ordered_by_id():
    relays = {"c": (10, 20), "a": (10, 20), "b": (10, 20), "east": (0, 5), "Yeast": (0, -5)}
    index = index_of(relays)
    assert [relay_id for relay_id, _ in index.nearest(10, 20)][:3] == ["a", "b", "c"]
    assert [relay_id for relay_id, _ in index.nearest(0, 0)][:2] == ["Yeast", "east"]


@pytest.mark.parametrize("latitude", [10.0, 33.3, 60.1])
@pytest.mark.parametrize("pole", [-90.0, 90.0])
def test_a_ring_of_equal_distances_is_ordered_by_id(latitude, pole):
    """The cosines of such sites differ by their rounding, and more of them are equal than are looked at first."""
    rng = random.Random(latitude)
    relays = {f"relay-{number:02}": (latitude, rng.uniform(-180, 180)) for number in range(40)}
    assert list(index_of(relays).nearest(pole, 0.0)) == full_scan(relays, pole, 0.0)


def test_those_that_are_not_accepted_are_passed_over():
    relays = {f"relay-{number:03}": (0, number / 10) for number in range(500)}
    index = index_of(relays)
    last = index.nearest(0, 0, accept=lambda relay_id: relay_id >= "relay-490")
    assert next(last) == ("relay-490", pytest.approx(49 * 111.19, rel=0.001))
    assert [relay_id for relay_id, _ in last] == [f"relay-{number}" for number in range(491, 500)]
    assert list(index.nearest(0, 0, accept=lambda relay_id: False)) == []


def test_an_empty_index_and_unknown_ids():
    index = NearestIndex()
    index.remove("nobody")
    assert list(index.nearest(0, 0)) == []
    index.add("a", 1, 2)
    index.remove("a")
    assert list(index.nearest(0, 0)) == []
    assert len(index) == 0


def test_what_is_remembered_stays_bounded(monkeypatch):
    monkeypatch.setattr("vox.directory.relays.geography._MOST_REMEMBERED", 2_000)
    rng = random.Random(1)
    relays = {f"relay-{number}": (rng.uniform(-90, 90), rng.uniform(-180, 180)) for number in range(400)}
    index = index_of(relays)
    for _ in range(300):
        here = rng.uniform(-90, 90), rng.uniform(-180, 180)
        assert list(islice(index.nearest(*here), 5)) == full_scan(relays, *here)[:5]
        held = sum(near.weight for level in index._near for near in level.values())
        assert held == index._remembered
        assert held <= 2_400  # one neighbourhood may be as large as all relays
