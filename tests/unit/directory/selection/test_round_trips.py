from hypothesis import given
from hypothesis import strategies as st

from vox.directory.selection import round_trips
from vox.directory.selection.round_trips import FRESH_S, LEAST_NETWORKS, RoundTrips
from vox.protocols.relay_directory import is_worth_moving


def test_the_median_of_five_networks_is_learned_and_one_liar_does_not_move_it():
    table = RoundTrips()
    for network, rtt_ms in enumerate((20.0, 22.0, 24.0, 26.0)):
        table.note(f"198.51.{network}.9", "a", rtt_ms, 0.0)
    assert table.learned("198.51.200.1", 0.0) == {}
    table.note("198.51.9.9", "a", 0.0, 0.0)
    assert table.learned("198.51.200.1", 0.0) == {"a": 22.0}
    assert table.learned("198.52.0.1", 0.0) == {}
    assert table.learned("198.51.200.1", FRESH_S + 1) == {}


def test_ipv6_counts_by_48_within_32_and_mapped_addresses_are_ipv4():
    table = RoundTrips()
    for network in range(LEAST_NETWORKS):
        table.note(f"2001:db8:{network}::1", "a", 10.0, 0.0)
        table.note(f"2001:db8:7:{network}::1", "b", 10.0, 0.0)  # one /48
        table.note(f"::ffff:198.51.{network}.1", "c", 5.0, 0.0)
    assert table.learned("2001:db8:ffff::1", 0.0) == {"a": 10.0}
    assert table.learned("198.51.77.1", 0.0) == {"c": 5.0}


def test_what_is_no_address_says_nothing():
    table = RoundTrips()
    table.note("", "a", 1.0, 0.0)
    table.note("testclient", "a", 1.0, 0.0)
    assert (len(table), table.learned("", 0.0)) == (0, {})


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 400)), max_size=300))
def test_what_is_remembered_is_counted_right(reports: list[tuple[int, int]]):
    table = RoundTrips()
    for address, relay in reports:
        table.note(
            ".".join(str(byte) for byte in (address % 3, address % 2, *address.to_bytes(4)[2:])), f"r{relay}", 1.0, 0.0
        )
    assert len(table) == sum(len(one) for area in table._areas.values() for one in area.values())


def test_what_is_remembered_stays_bounded(monkeypatch):
    monkeypatch.setattr(round_trips, "MOST_REPORTS", 500)
    table = RoundTrips()
    for number in range(3000):
        table.note(f"198.{number % 7}.{number % 256}.1", f"r{number % 300}", 1.0, float(number))
        assert len(table) <= 500
    for number in range(400):
        table.note(f"198.9.{number % 256}.1", "one", 1.0, 0.0)
    assert len(table._areas["4:c609"]["one"]) == round_trips.MOST_NETWORKS


def test_a_client_moves_for_a_clear_win_only():
    assert is_worth_moving(60.0, 39.0)
    assert not is_worth_moving(60.0, 41.0)  # more than two thirds
    assert not is_worth_moving(24.0, 14.0)  # not more than 10 ms
    assert is_worth_moving(24.1, 14.0)
