"""Says who asks too often: a token bucket for each key, pure and of bounded memory.

The one thing to know before changing it: a key costs one number (GCRA: the time at which its bucket will be full
again), and a key that nobody remembers counts as full. So the least recently used key is forgotten first, and
`max_keys` must exceed the number of keys that one stranger can invent; key IPv6 by /64, for instance.
"""

from collections import OrderedDict
from collections.abc import Hashable


class RateLimiter:
    """Lets each key act `burst` times at once and `rate_per_s` times a second in the long run.

    Args:
        rate_per_s: tokens that come back each second; above 0.
        burst: tokens in a full bucket; at least 1.
        max_keys: keys remembered; beyond it the least recently used one is forgotten and starts afresh.
    """

    def __init__(self, rate_per_s: float, burst: int, max_keys: int = 100_000) -> None:
        if rate_per_s <= 0 or burst < 1 or max_keys < 1:
            raise ValueError("a rate above 0, a burst and a number of keys of at least 1 are needed")
        self._interval_s = 1.0 / rate_per_s
        self._tolerance_s = (burst - 1) * self._interval_s
        self._max_keys = max_keys
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable, now: float) -> float | None:
        """Takes a token: None where there was one, else the seconds after which there will be. A refusal costs nothing.

        Args:
            key: who asks.
            now: seconds on a clock that does not run backwards.
        """
        full_at = max(self._full_at.get(key, now), now)
        wait_s = full_at - now - self._tolerance_s
        # Sums of intervals are off by a few billionths; that must not cost a caller who waited as told.
        if wait_s > self._interval_s * 1e-6:
            self._full_at.move_to_end(key)
            return wait_s
        self._full_at[key] = full_at + self._interval_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return None
