"""Requests are spaced as the server's headers say, and never slower than they have to be."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox.chat.api.rate_categories import category_of as category_at_the_server
from vox.chat.features.routes import all_routes
from vox.clients.chat.rate_limits import RateLimits, category_of
from vox.http.rate_limits import MemoryRateLimits, RateCategory

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def headers(limit: int, remaining: int, reset_in: float, *, has_date: bool = True) -> dict[str, str]:
    at = NOON.timestamp() + reset_in
    found = {"x-ratelimit-limit": f"{limit}", "x-ratelimit-remaining": f"{remaining}", "x-ratelimit-reset": f"{at:.0f}"}
    return {**found, "date": format_datetime(NOON, usegmt=True)} if has_date else found


def test_every_route_of_the_server_counts_in_the_category_that_the_client_thinks():
    paths = {route.template for table in all_routes() for route in table}
    assert {path: category_of(path) for path in paths} == {path: category_at_the_server(path).name for path in paths}
    assert category_of("/api/v1/webhooks/3/execute") == "messages"


def test_an_unknown_category_does_not_wait():
    assert RateLimits().reserve("messages", 5.0) == 0.0


def test_requests_wait_for_one_token_each_once_the_bucket_is_empty():
    limits = RateLimits()
    limits.reserve("files", 0.0)
    limits.answered("files", headers(10, 1, 18), 0.0, 0.0)  # nine taken, full again in 18 s: one token in two seconds
    assert [limits.reserve("files", 0.0) for _ in range(3)] == [0.0, 2.0, 4.0]
    assert limits.reserve("files", 100.0) == 0.0


@pytest.mark.parametrize("skew_s", [-3600.0, 0.0, 3600.0])
def test_a_clock_that_differs_from_the_servers_changes_nothing(skew_s: float):
    limits = RateLimits()
    limits.reserve("files", 0.0)
    limits.answered("files", headers(10, 0, 20), 0.0, NOON.timestamp() + skew_s)
    assert limits.reserve("files", 0.0) == 2.0


def test_without_a_date_the_own_clock_counts():
    limits = RateLimits()
    limits.reserve("files", 0.0)
    limits.answered("files", headers(10, 0, 20, has_date=False), 0.0, NOON.timestamp())
    assert limits.reserve("files", 0.0) == 2.0


def test_a_refusal_holds_back_the_whole_category_and_no_other():
    limits = RateLimits()
    limits.reserve("files", 0.0)
    limits.refused("files", 3.0, 10.0)
    assert limits.reserve("files", 11.0) == 2.0
    assert limits.reserve("messages", 11.0) == 0.0
    assert limits.reserve("files", 14.0) == 0.0


@pytest.mark.parametrize("value", [None, "", "-1", "1e9", "٣", "9" * 30])
def test_headers_that_are_no_numbers_are_ignored(value: str | None):
    limits = RateLimits()
    limits.reserve("files", 0.0)
    given_headers = {**headers(10, 0, 20)}
    if value is None:
        del given_headers["x-ratelimit-limit"]
    else:
        given_headers["x-ratelimit-limit"] = value
    limits.answered("files", given_headers, 0.0, 0.0)
    assert limits.reserve("files", 0.0) == 0.0


def test_requests_under_way_are_counted_before_their_answers_come():
    limits = RateLimits()
    for _ in range(3):
        limits.reserve("files", 0.0)
    limits.answered("files", headers(10, 2, 16), 0.0, 0.0)  # two tokens, and two requests that will take them
    assert limits.reserve("files", 0.0) == 2.0
    limits.ended("files")
    limits.ended("files")
    limits.answered("files", headers(10, 2, 16), 0.0, 0.0)
    assert limits.reserve("files", 0.0) == 0.0


@settings(max_examples=50)
@given(st.integers(1, 30), st.floats(0.05, 5), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_a_client_that_waits_as_told_is_hardly_ever_refused(burst: int, refill: float, pauses: list[float]):
    """The reset is told in whole seconds, so the derived pace is a little off: a refusal now and then remains, and is waited for."""
    server, client, now, refused = MemoryRateLimits(), RateLimits(), NOON.timestamp(), 0
    category = RateCategory("x", burst, refill)
    for pause in pauses:
        now += pause
        now += client.reserve("x", now)
        decision = server.take("user", category, now)
        if decision.retry_after_s is not None:
            refused += 1
            client.refused("x", decision.retry_after_s, now)
            continue
        reset = f"{now + decision.full_in_s:.0f}"
        found = {
            "x-ratelimit-limit": str(burst),
            "x-ratelimit-remaining": str(decision.remaining),
            "x-ratelimit-reset": reset,
        }
        client.answered("x", found, now, now)
    assert refused <= 1 + len(pauses) // 2
