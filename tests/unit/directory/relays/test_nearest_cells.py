"""What the cells answer is what a full scan finds, and they are seldom without an answer."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.directory.relays import nearest_cells
from vox.directory.relays.geography import NearestIndex, distance_km
from vox.directory.relays.nearest_cells import MOST_ASKED, NearestCells

latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -45.0, 0.0, 8.0, 82.0, 90.0]))
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, -179.999, 0.0, 179.999, 180.0]))
places = st.tuples(latitudes, longitudes)
towns = st.builds(lambda lat, lon: (lat / 1000, lon / 1000), st.integers(-300, 300), st.integers(-300, 300))


def full_scan(relays, here, accepted):
    found = ((distance_km(*here, *place), relay_id) for relay_id, place in relays.items() if relay_id in accepted)
    return sorted(found)


def indexed(relays):
    cells = NearestCells()
    index = NearestIndex(cells.exchange)
    for relay_id, place in relays.items():
        index.add(relay_id, *place)
    return cells, index


def cities(rng, count, spread):
    centres = [(rng.uniform(-60, 70), rng.uniform(-180, 180)) for _ in range(12)]
    for number in range(count):
        lat, lon = rng.choice(centres)
        yield f"relay-{number}", (lat + rng.gauss(0, spread), (lon + rng.gauss(0, spread) + 180) % 360 - 180)


@given(
    st.lists(st.one_of(places, towns), min_size=1, max_size=60),
    st.lists(st.one_of(places, towns), min_size=1, max_size=3),
    st.sets(st.integers(0, 59), max_size=5),
    st.integers(1, MOST_ASKED),
)
def test_an_answer_is_the_beginning_of_a_full_scan(spots, views, passed_over, limit):
    relays = {f"relay-{number}": spot for number, spot in enumerate(spots)}
    accepted = set(relays) - {f"relay-{number}" for number in passed_over}
    cells, _ = indexed(relays)
    for here in views:
        lat, lon = here
        found = cells.nearest(lat, lon, limit, accepted)
        if found is not None:
            assert found == full_scan(relays, here, accepted)[: len(found)]
            assert len(found) >= min(limit, len(accepted))


@pytest.mark.parametrize("spread", [3.0, 0.2, 0.001])
@pytest.mark.parametrize("seed", range(2))
def test_many_relays_that_come_go_move_and_fill_up_between_questions(seed, spread, monkeypatch):
    monkeypatch.setattr(nearest_cells, "_MOST_CHANGES", 40)
    rng = random.Random(f"{seed} {spread}")
    relays = dict(cities(rng, 1200, spread))
    cells, index = indexed(relays)
    accepted = set(relays)
    views = [(rng.uniform(-90, 90), rng.uniform(-180, 180)) for _ in range(6)] + [
        (90.0, 0.0),
        (-90.0, 7.0),
        (5.0, 180.0),
    ]
    views += [(lat + rng.gauss(0, 0.3), min(lon, 179.0)) for lat, lon in rng.sample(sorted(relays.values()), 3)]
    answered = asked = 0
    for _ in range(60):
        for relay_id in rng.sample(sorted(relays), rng.choice([0, 0, 1, 3])):
            lat, lon = relays[relay_id]
            match rng.choice(["go", "move", "fill up", "drain", "join"]):
                case "go":
                    index.remove(relay_id)
                    del relays[relay_id]
                    accepted.discard(relay_id)
                case "move":
                    relays[relay_id] = (rng.uniform(-90, 90), lon)
                    index.add(relay_id, *relays[relay_id])
                case "join":
                    fresh = f"relay-{rng.getrandbits(40)}"
                    relays[fresh] = rng.choice([(lat, lon), (lat + 0.01, lon), rng.choice(views)])
                    index.add(fresh, *relays[fresh])
                    accepted.add(fresh)
                case _:
                    accepted ^= {relay_id}
        for here in rng.sample(views, 3):
            found = cells.nearest(*here, 10, accepted)
            asked += 1
            if found is not None:
                answered += 1
                assert len(found) >= 10
                assert found == full_scan(relays, here, accepted)[: len(found)]
    assert answered > asked * 0.9


def test_a_cell_that_was_not_asked_for_many_changes_knows_of_the_first_of_them():
    relays = dict(cities(random.Random(3), 300, 0.2))
    cells, index = indexed(relays)
    assert cells.nearest(10.0, 20.0, 10, relays) is not None
    relays["near"] = (10.0, 20.0)
    index.add("near", 10.0, 20.0)
    for number in range(nearest_cells._MOST_CHANGES * 2):  # pyright: ignore[reportPrivateUsage]
        relays["far"] = (-80.0, number / 100)
        index.add("far", *relays["far"])
    found = cells.nearest(10.0, 20.0, 10, relays)
    assert found is not None
    assert found == full_scan(relays, (10.0, 20.0), relays)[: len(found)]
    assert found[0] == (0.0, "near")


def test_relays_in_one_room_are_answered_in_order():
    relays = {f"relay-{number:03}": (51.5, -0.12) for number in range(300)} | {"relay-x": (51.6, -0.12)}
    cells, _ = indexed(relays)
    found = cells.nearest(51.0, 0.0, 10, relays)
    assert found is not None
    assert found == full_scan(relays, (51.0, 0.0), relays)[: len(found)]


def test_who_is_not_sure_says_so():
    relays = {f"relay-{number:03}": (number / 10, 0.0) for number in range(100)}
    cells, _ = indexed(relays)
    assert cells.nearest(0.0, 0.0, MOST_ASKED + 1, relays) is None
    assert cells.nearest(0.0, 0.0, 10, {"relay-099"}) is None
    assert NearestCells().nearest(0.0, 0.0, 10, ()) == []


def test_what_is_remembered_stays_bounded(monkeypatch):
    monkeypatch.setattr(nearest_cells, "_MOST_REMEMBERED", 2000)
    rng = random.Random(1)
    relays = dict(cities(rng, 300, 0.2))
    cells, _ = indexed(relays)
    for _ in range(300):
        here = rng.uniform(-90, 90), rng.uniform(-180, 180)
        found = cells.nearest(*here, 10, relays)
        assert found is not None
        assert found == full_scan(relays, here, relays)[: len(found)]
        assert cells.remembered <= 2000
