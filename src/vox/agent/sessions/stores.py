"""The stores that a configuration asks for."""

from dataclasses import dataclass

from vox.agent.config.settings import AgentSettings
from vox.agent.sessions.contract import SessionStore
from vox.agent.sessions.idempotency import IdempotencyStore, MemoryIdempotencyStore
from vox.agent.sessions.memory import MemorySessionStore
from vox.agent.sessions.redis import RedisIdempotencyStore, RedisSessionStore, connect
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics, NullMetrics


@dataclass(frozen=True, slots=True)
class SessionStores:
    """Where sessions and idempotency keys are kept; opening and closing `sessions` does it for both."""

    sessions: SessionStore
    idempotency: IdempotencyStore


def make_stores(settings: AgentSettings, clock: Clock, metrics: Metrics | NullMetrics) -> SessionStores:
    """The stores that `session_store` names.

    Raises:
        UsageError: `redis_url` is no address of a Redis (redis_url_invalid), or the package redis is missing (missing_dependency).
    """
    ttl_s = settings.session_ttl_secs
    if settings.session_store == "redis":
        client = connect(settings.redis_url.get_secret_value())
        return SessionStores(RedisSessionStore(client, ttl_s), RedisIdempotencyStore(client))
    return SessionStores(MemorySessionStore(ttl_s, clock, metrics), MemoryIdempotencyStore(clock))
