"""When clients' failures are enough to doubt a relay, and when they are one voice."""

from hypothesis import given
from hypothesis import strategies as st

from vox.directory.selection import failure_reports
from vox.directory.selection.failure_reports import (
    LEAST_SESSIONS,
    MOST_NETWORKS,
    MOST_PER_AREA,
    WINDOW_S,
    FailureReports,
)


def reported(well: list[str], failed: list[str], at: float = 0.0) -> FailureReports:
    reports = FailureReports()
    for address in well:
        reports.note(address, "a", at, has_failed=False)
    for address in failed:
        reports.note(address, "a", at, has_failed=True)
    return reports


def everywhere(first: int, count: int) -> list[str]:
    """Addresses of as many providers."""
    return [f"20.{number}.1.7" for number in range(first, first + count)]


def test_more_than_a_tenth_of_thirty_is_enough_and_a_tenth_is_not():
    assert reported(everywhere(0, 26), everywhere(26, 4)).is_failing("a", 1.0)
    assert not reported(everywhere(0, 27), everywhere(27, 3)).is_failing("a", 1.0)
    assert not reported([], everywhere(0, LEAST_SESSIONS - 1)).is_failing("a", 1.0)
    assert reported([], everywhere(0, LEAST_SESSIONS)).is_failing("a", 1.0)
    assert not reported([], everywhere(0, LEAST_SESSIONS)).is_failing("b", 1.0)


def test_after_two_minutes_nothing_of_it_counts():
    reports = reported([], everywhere(0, LEAST_SESSIONS))
    assert reports.is_failing("a", WINDOW_S)
    assert not reports.is_failing("a", WINDOW_S + 0.1)


@given(st.integers(1, 400), st.integers(0, 60), st.booleans())
def test_one_provider_decides_nothing_however_loud(networks: int, well: int, is_ipv6: bool):
    """All /24 of a /16 say that sessions fail, or all /48 of a /32, beside others that are content."""
    one = [f"2600:1:{n:x}::7" if is_ipv6 else f"77.1.{n % 256}.{n // 256}" for n in range(networks)]
    assert not reported(everywhere(0, well), one * 2).is_failing("a", 1.0)


def test_a_loud_provider_beside_two_single_failures_is_eight_voices_and_no_more():
    others = everywhere(0, 2)
    loud = [f"77.1.{number}.7" for number in range(LEAST_SESSIONS)]
    assert not reported([], [*others, *loud]).is_failing("a", 1.0)
    assert reported([], [*loud, *everywhere(0, LEAST_SESSIONS - MOST_PER_AREA)]).is_failing("a", 1.0)


def test_who_repeats_itself_is_one_voice_and_its_last_word_counts():
    loud = ["77.1.1.7"] * 100
    assert not reported(everywhere(0, 28), [*loud, "78.1.1.7", "79.1.1.7"]).is_failing("a", 1.0)
    reports = reported([], everywhere(0, LEAST_SESSIONS))
    for address in everywhere(0, LEAST_SESSIONS):
        reports.note(address, "a", 1.0, has_failed=False)
    assert not reports.is_failing("a", 1.0)


def test_addresses_of_one_form_in_another_are_the_same_and_no_address_is_nobody():
    mapped = [f"::ffff:{address}" for address in everywhere(0, LEAST_SESSIONS)]
    reports = reported(everywhere(0, LEAST_SESSIONS), [*mapped, "", "proxy"])
    assert len(reports) == LEAST_SESSIONS


def test_memory_is_bounded(monkeypatch):
    reports = reported([], [f"{a}.{b}.1.1" for a in range(1, 5) for b in range(200)])
    assert len(reports) == MOST_NETWORKS
    monkeypatch.setattr(failure_reports, "MOST_REPORTS", MOST_NETWORKS + 10)
    for number in range(200):
        reports.note("20.1.1.1", f"r{number}", 1.0, has_failed=True)
    assert len(reports) <= MOST_NETWORKS + 10
    reports.note("20.1.1.1", "last", 1.0, has_failed=True)
    reports.forget("last")
    reports.forget("last")
    assert 0 < len(reports) <= MOST_NETWORKS + 10
