import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.api.rate_categories import (
    CATEGORIES,
    Category,
    MemoryRateLimits,
    RefusedTokens,
    category_of,
    network_key,
    take_token,
)

SLOW = Category("slow", 5, 0.1)


def test_the_burst_passes_and_the_next_waits_for_one_refill():
    limits = MemoryRateLimits()
    assert [limits.take("a", SLOW, 0.0).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    refused = limits.take("a", SLOW, 0.0)
    assert refused.retry_after_s is not None
    assert abs(refused.retry_after_s - 10.0) < 1e-6
    assert limits.take("a", SLOW, 10.0).retry_after_s is None
    assert limits.take("a", SLOW, 10.0).retry_after_s is not None


def test_keys_and_categories_have_buckets_of_their_own():
    limits = MemoryRateLimits()
    for _ in range(5):
        limits.take("a", SLOW, 0.0)
    assert limits.take("b", SLOW, 0.0).retry_after_s is None
    assert limits.take("a", CATEGORIES["messages"], 0.0).retry_after_s is None


def test_a_scale_of_nothing_lets_everything_through():
    limits = MemoryRateLimits(0)
    assert all(limits.take("a", SLOW, 0.0).retry_after_s is None for _ in range(100))


def test_forgotten_keys_bound_the_memory():
    limits = MemoryRateLimits(max_keys=10)
    for number in range(100):
        limits.take(str(number), SLOW, 0.0)
    assert limits.take("0", SLOW, 0.0).remaining == 4


def test_refusals_under_way_together_are_paid_for_afterwards_but_not_for_ever():
    refused = RefusedTokens(10, 60.0)
    for _ in range(15):
        refused.add("a", 0.0)
    assert refused.wait_s("a", 0.0) == pytest.approx(36.0)
    assert refused.wait_s("a", 36.0) == 0.0
    for _ in range(1000):
        refused.add("a", 36.0)
    assert refused.wait_s("a", 36.0) == pytest.approx(66.0)


def test_addresses_with_refused_tokens_bound_the_memory():
    refused = RefusedTokens(1, 60.0, max_addresses=10)
    for number in range(100):
        refused.add(str(number), 0.0)
    assert [refused.wait_s(str(number), 0.0) > 0 for number in (0, 89, 90, 99)] == [False, False, True, True]
    refused.add("late", 61.0)
    assert list(refused._forgotten_at) == ["late"]


@given(st.lists(st.floats(0, 5), max_size=80), st.integers(1, 20), st.floats(1, 60))
def test_no_schedule_gets_more_tokens_looked_up(waits, burst, period_s):
    refused = RefusedTokens(burst, period_s)
    now, looked_up = 0.0, 0
    for wait in waits:
        now += wait
        wait_s = refused.wait_s("a", now)
        if wait_s:
            assert refused.wait_s("a", now + wait_s) == 0.0
        else:
            looked_up += 1
            refused.add("a", now)
    assert looked_up <= burst + burst / period_s * now + 1e-6


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 20), st.floats(0.05, 5))
def test_no_schedule_gets_more_than_the_burst_and_the_refill(waits, burst, refill):
    category = Category("any", burst, refill)
    now, passed, full_at = 0.0, 0, 0.0
    for wait in waits:
        now += wait
        verdict, full_at = take_token(full_at, category, 1.0, now)
        if verdict.retry_after_s is None:
            passed += 1
        else:
            assert take_token(full_at, category, 1.0, now + verdict.retry_after_s)[0].retry_after_s is None
    assert passed <= burst + refill * now + 1e-6


def test_paths_are_classified_in_the_order_of_the_original():
    expected = {
        "/api/v1/feeds/1/messages": "messages",
        "/api/v1/messages/search": "messages",
        "/api/v1/webhooks/1/token/execute": "messages",
        "/api/v1/webhooks/1/token": "webhooks",
        "/api/v1/gifs/search": "search",
        "/api/v1/auth/login": "auth",
        "/api/v1/feeds/1": "channels",
        "/api/v1/rooms/1/voice/join": "channels",
        "/api/v1/threads/1": "channels",
        "/api/v1/stickers": "emoji",
        "/api/v1/keys/prekeys/1": "e2ee",
        "/api/v1/dms": "messages",
        "/api/v1/reports": "moderation",
        "/api/v1/users/1": "members",
        "/api/v1/bans": "server",
        "/api/v1/sync": "server",
        "/health": "server",
    }
    assert {path: category_of(path).name for path in expected} == expected


def test_one_subscriber_owns_a_whole_ipv6_network():
    assert network_key("2001:db8::1") == network_key("2001:db8::ffff:1")
    assert network_key("2001:db8::1") != network_key("2001:db8:0:1::1")
    assert network_key("192.0.2.1") == "192.0.2.1"
