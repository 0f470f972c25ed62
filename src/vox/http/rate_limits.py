"""Rate limits of every part: a token bucket for each key and category, in memory; `redis_rate_limits` shares them.

A bucket is one number (GCRA: the time at which it will be full again), so the decision is arithmetic and the same in memory
and in Redis. A key that is not remembered counts as full, so `max_keys` must exceed the keys that one client can invent:
key clients by `vox.security.addresses.network_key`, which groups IPv6 by /64.
"""

import math
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Protocol

MAX_KEYS: Final = 200_000
"""Buckets remembered in memory; beyond it the least recently used is forgotten and starts full."""
MAX_REFUSED: Final = 50_000
"""Addresses whose refused tokens are remembered."""


@dataclass(frozen=True, slots=True)
class RateCategory:
    """How many requests at once, and how many a second in the long run."""

    name: str
    burst: int
    refill_per_s: float

    def __post_init__(self) -> None:
        if self.refill_per_s <= 0 or self.burst < 1:
            raise ValueError("a rate limit needs a rate above 0 and a burst of at least 1")


@dataclass(frozen=True, slots=True)
class RateDecision:
    """The answer for one request.

    Args:
        remaining: requests that may follow at once.
        full_in_s: seconds until the bucket is full again.
        retry_after_s: seconds until a request is let through; None where this one was.
    """

    remaining: int
    full_in_s: float
    retry_after_s: float | None = None


class RateLimits(Protocol):
    """Where the buckets are kept."""

    def take(self, key: str, category: RateCategory, now: float) -> "RateDecision | Awaitable[RateDecision]":
        """Takes one token; a refusal costs nothing."""
        ...


class MemoryRateLimits:
    """Buckets of this process.

    Args:
        scale: multiplies burst and refill of every category; 0 lets everything through.
        max_keys: buckets remembered, at least 1; beyond it the least recently used is forgotten and starts full.
    """

    def __init__(self, scale: float = 1.0, max_keys: int = MAX_KEYS) -> None:
        if scale < 0 or max_keys < 1:
            raise ValueError("rate limits need a scale of at least 0 and at least one key")
        self._scale = scale
        self._max_keys = max_keys
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def take(self, key: str, category: RateCategory, now: float) -> RateDecision:
        """Takes one token; a refusal costs nothing."""
        if not self._scale:
            return RateDecision(category.burst, 0.0)
        bucket = (key, category.name)
        verdict, full_at = take_token(self._full_at.get(bucket, 0.0), category, self._scale, now)
        self._full_at[bucket] = full_at
        self._full_at.move_to_end(bucket)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return verdict


def take_token(full_at: float, category: RateCategory, scale: float, now: float) -> tuple[RateDecision, float]:
    """One token from a bucket that will be full at `full_at`: the verdict and when it is full from now on."""
    interval_s = 1.0 / (category.refill_per_s * scale)
    burst_s = max(1, int(category.burst * scale)) * interval_s
    full_at = max(full_at, now)
    after = full_at + interval_s
    # Sums of intervals are off by a few billionths; that must not cost a caller who waited as told.
    wait_s = after - now - burst_s
    if wait_s > interval_s * 1e-6:
        return RateDecision(0, full_at - now, wait_s), full_at
    return RateDecision(max(0, math.floor((burst_s - (after - now)) / interval_s + 1e-6)), after - now), after


class RefusedTokens:
    """Refused tokens by address: after too many, an address's unknown tokens are refused for a while without a look-up.

    One number an address, as in the buckets: when all its refusals are forgotten. Those that were under way together count in full,
    so an address pays for them afterwards; for no longer than another period.

    Args:
        burst: refusals at once.
        period_s: the time after which they are forgotten, one by one.
        max_addresses: addresses remembered; the one that has been quiet longest is forgotten first.
    """

    def __init__(self, burst: float, period_s: float, max_addresses: int = MAX_REFUSED) -> None:
        self._interval_s = period_s / burst
        self._period_s = period_s
        self._max_addresses = max_addresses
        self._forgotten_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """How long an address has to wait with its next try; 0 for not at all."""
        forgotten_at = self._forgotten_at.get(address)
        if forgotten_at is None:
            return 0.0
        wait_s = forgotten_at + self._interval_s - now - self._period_s
        return wait_s if wait_s > self._interval_s * 1e-6 else 0.0

    def add(self, address: str, now: float) -> None:
        """A token of this address was refused."""
        known = self._forgotten_at
        forgotten_at = max(known.pop(address, now), now) + self._interval_s
        known[address] = min(forgotten_at, now + 2 * self._period_s)
        while len(known) > self._max_addresses or next(iter(known.values())) <= now:
            known.popitem(last=False)
