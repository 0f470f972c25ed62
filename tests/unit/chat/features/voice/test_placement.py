"""Where rooms are put: the sum of the ways counts, and what is full or ill is not taken."""

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.voice.placement import Place, best, client_address
from vox.clients.directory import RelayInfo

BERLIN, NEW_YORK, LISBON = Place(52.5, 13.4), Place(40.7, -74.0), Place(38.7, -9.1)


def relay(name: str, place: Place, *, healthy: bool = True, used: int = 0) -> RelayInfo:
    return RelayInfo(
        name, name, f"https://{name}.example", place.latitude, place.longitude, "", 100, used, "", "", "", healthy
    )


RELAYS = [relay("berlin", BERLIN), relay("newyork", NEW_YORK), relay("lisbon", LISBON)]


def chosen(*points: Place, relays: list[RelayInfo] = RELAYS) -> str | None:
    found = best(relays, points)
    return None if found is None else found.id


def test_the_nearest_to_all_of_them():
    assert chosen(BERLIN) == "berlin"
    assert chosen(BERLIN, BERLIN, NEW_YORK) == "berlin"
    assert chosen(NEW_YORK, NEW_YORK, BERLIN) == "newyork"
    assert chosen() == "berlin"
    assert chosen(BERLIN, relays=[]) is None


def test_what_is_ill_is_not_taken_and_what_is_full_only_where_all_are():
    assert chosen(BERLIN, relays=[relay("berlin", BERLIN, healthy=False), RELAYS[2]]) == "lisbon"
    assert chosen(BERLIN, relays=[relay("berlin", BERLIN, used=95), RELAYS[2]]) == "lisbon"
    assert chosen(BERLIN, relays=[relay("berlin", BERLIN, used=95), relay("lisbon", LISBON, used=100)]) == "berlin"


places = st.builds(Place, st.floats(-90, 90), st.floats(-180, 180))


@given(places, st.lists(places, min_size=1, max_size=8))
def test_no_other_relay_is_nearer(caller: Place, where: list[Place]):
    relays = [relay(str(number), place) for number, place in enumerate(where)]
    assert best([one for one in relays if one.id == chosen(caller, relays=relays)], [caller]) == best(relays, [caller])


def test_clients_use_websockets():
    assert client_address("https://r.example/") == "wss://r.example"
    assert client_address("http://r.example:7880") == "ws://r.example:7880"
    assert client_address("wss://r.example") == "wss://r.example"
