"""REST rate limits that all processes share, in Redis; this process's own buckets answer first and when Redis does not.

A refusal of the local bucket needs no question, because the shared one has seen at least as much. Redis away or slow: the local
verdict counts, so there is never no limit.
"""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

from vox.errors import DependencyError
from vox.http.rate_limits import MemoryRateLimits, RateCategory, RateDecision
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.stores.redis import PREFIX, connect, failures

TIMEOUT_S: Final = 0.1
PAUSE_S: Final = 1.0
"""After a failure Redis is left alone for so long, so that an outage does not cost every request the timeout."""
CONNECTIONS: Final = 16

_TAKE: Final = """
-- KEYS bucket; ARGV interval_s burst_s
-- GCRA: the bucket is the time at which it will be full again. {taken, full_in_s, wait_s}
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local after = full_at + tonumber(ARGV[1])
local wait = after - now - tonumber(ARGV[2])
if wait > ARGV[1] * 0.000001 then
  return {0, tostring(full_at - now), tostring(wait)}
end
redis.call('SET', KEYS[1], string.format('%.6f', after), 'PX', math.ceil((after - now) * 1000) + 1000)
return {1, tostring(after - now), '0'}
"""

_log = get_logger(__name__)


class RedisRateLimits:
    """Implements `vox.http.rate_limits.RateLimits`.

    Args:
        url: of Redis.
        scale: multiplies burst and refill of every category; 0 lets everything through.
        clock: for the pause after a failure.

    Raises:
        UsageError: redis_url_invalid, missing_dependency.
    """

    def __init__(self, url: str, scale: float, clock: Clock) -> None:
        self._scale = scale
        self._clock = clock
        self._local = MemoryRateLimits(scale)
        self._client = connect(url, timeout_s=TIMEOUT_S, connections=CONNECTIONS)
        self._script = self._client.register_script(_TAKE)
        self._away_until = 0.0
        self._is_away = False

    def take(self, key: str, category: RateCategory, now: float) -> RateDecision | Awaitable[RateDecision]:
        """Takes one token here and in Redis; a refusal costs nothing."""
        local = self._local.take(key, category, now)
        if local.retry_after_s is not None or not self._scale or now < self._away_until:
            return local
        return self._shared(key, category, local)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Closes the connections at the end."""
        try:
            yield
        finally:
            await self._client.aclose()
            await self._client.connection_pool.disconnect()

    async def _shared(self, key: str, category: RateCategory, local: RateDecision) -> RateDecision:
        interval_s = 1.0 / (category.refill_per_s * self._scale)
        burst_s = max(1, int(category.burst * self._scale)) * interval_s
        try:
            with failures():
                is_taken, full_in, wait = await self._script(
                    keys=[f"{PREFIX}limit:{category.name}:{key}"], args=[interval_s, burst_s]
                )
        except DependencyError as error:
            self._away_until = self._clock.now() + PAUSE_S
            if not self._is_away:
                _log.warning("limits count for this process alone: Redis does not answer", error=str(error))
            self._is_away = True
            return local
        if self._is_away:
            _log.info("limits are shared again")
            self._is_away = False
        full_in_s = float(full_in)
        if not is_taken:
            return RateDecision(0, full_in_s, float(wait))
        return RateDecision(max(0, int((burst_s - full_in_s) / interval_s + 1e-6)), full_in_s)
