"""What makes several processes one server, chosen by the settings: with a Redis URL all of it, without it nothing."""

from dataclasses import replace

from vox.chat.bus.redis_bus import RedisBus
from vox.chat.config.settings import ChatSettings
from vox.chat.context import Parts
from vox.chat.database.worker_lease import LeasedSnowflakes, RedisWorkerLeases
from vox.http.redis_rate_limits import RedisRateLimits


def with_redis(settings: ChatSettings, parts: Parts) -> Parts:
    """The parts with the bus, the limits and the numbers of Redis where the settings name one; those given stay.

    Nothing connects before the server runs.

    Raises:
        UsageError: redis_url_invalid, missing_dependency.
    """
    url = settings.redis_bus_url.get_secret_value()
    if not url:
        return parts
    limits = RedisRateLimits(url, settings.rate_limit_scale, parts.clock) if parts.limits is None else None
    spam_limits = RedisRateLimits(url, 1.0, parts.clock) if parts.spam_limits is None else None
    return replace(
        parts,
        bus=parts.bus or RedisBus(url, parts.clock),
        limits=parts.limits or limits,
        spam_limits=parts.spam_limits or spam_limits,
        ids=parts.ids or LeasedSnowflakes(parts.clock, RedisWorkerLeases(url)),
        running=(*parts.running, *(made.running for made in (limits, spam_limits) if made is not None)),
    )
