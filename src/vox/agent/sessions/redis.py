"""Sessions and idempotency keys in Redis, for several instances behind one address.

Sessions have the name and the form that other servers of this API use: `voxray:session:{id}`, a JSON string with a time to live.
Every command has a deadline and is tried once: a client that gets no session may ask again, one that waits has hung up.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from vox.agent.sessions import idempotency
from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.encoding import decode, encode
from vox.errors import DependencyError, UsageError
from vox.stores import redis

SESSION_PREFIX: Final = "voxray:session:"
IDEMPOTENCY_PREFIX: Final = "voxray:idempotency:"
DEADLINE_S: Final = 5.0
"""For one command, the wait for a free connection included."""
CONNECTIONS: Final = 16


def connect(url: str) -> Any:
    """A client for both stores; it connects with its first command.

    Raises:
        UsageError: the URL is none (redis_url_invalid), or the package redis is missing (missing_dependency).
    """
    try:
        return redis.connect(url, timeout_s=DEADLINE_S, connections=CONNECTIONS)
    except UsageError as error:
        if error.code != "redis_url_invalid":
            raise
    raise UsageError("redis_url is not the address of a Redis", code="redis_url_invalid", hint=redis.URL_HINT)


class RedisSessionStore:
    """Implements `SessionStore`.

    Args:
        client: of `connect`; closed with the store.
        ttl_s: how long a session is kept, in whole seconds.
    """

    def __init__(self, client: Any, ttl_s: int) -> None:
        self._client = client
        self._ttl_s = ttl_s

    async def open(self) -> None:
        """Connects with the first command."""

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def get(self, session_id: str) -> StoredSession | None:
        """The session, or None where Redis has none under this id.

        Raises:
            DependencyError: Redis failed or did not answer (redis_failed), or holds something else there (session_unreadable).
        """
        async with _deadline():
            data: bytes | None = await self._client.get(SESSION_PREFIX + session_id)
        try:
            return None if data is None else decode(data)
        except ValueError:
            raise DependencyError(
                f"what Redis holds under {SESSION_PREFIX}{session_id} is no session",
                code="session_unreadable",
                hint="another program writes these keys: give Vox a Redis database of its own",
            ) from None

    async def put(self, session_id: str, session: StoredSession) -> None:
        """Keeps a session.

        Raises:
            DependencyError: Redis failed or did not answer (redis_failed).
        """
        async with _deadline():
            await self._client.set(SESSION_PREFIX + session_id, encode(session), ex=self._ttl_s)

    async def check(self) -> None:
        """Asks Redis for a sign of life.

        Raises:
            DependencyError: it gives none (redis_failed).
        """
        async with _deadline():
            await self._client.ping()


class RedisIdempotencyStore:
    """Implements `IdempotencyStore` for all instances.

    Args:
        client: of `connect`; the session store closes it.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    async def begin(self, key: str, fingerprint: str) -> idempotency.Recorded | None:
        """Reserves a key, or says what is recorded."""
        name = IDEMPOTENCY_PREFIX + key
        mine = idempotency.Recorded(fingerprint)
        async with _deadline():
            if await self._client.set(name, idempotency.encode(mine), nx=True, ex=int(idempotency.PENDING_S)):
                return None
            known: bytes | None = await self._client.get(name)
        try:
            return mine if known is None else idempotency.decode(known)
        except ValueError:
            return mine  # as good as taken, and so is a key that was freed in between

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Keeps the answer."""
        record = idempotency.encode(idempotency.Recorded(fingerprint, answer))
        async with _deadline():
            await self._client.set(IDEMPOTENCY_PREFIX + key, record, ex=int(idempotency.KEPT_S))

    async def abandon(self, key: str) -> None:
        """Frees the key."""
        async with _deadline():
            await self._client.delete(IDEMPOTENCY_PREFIX + key)


@asynccontextmanager
async def _deadline() -> AsyncGenerator[None]:
    """One command's time, and Vox's errors for what the library raises."""
    with redis.failures():
        async with asyncio.timeout(DEADLINE_S):
            yield
