"""Connections to Redis as this project wants them: with deadlines, without silent retries, and errors of our own.

The one thing to know: the library would connect again unseen in the middle of a command. What was done and what was lost is
then anybody's guess, so retrying is left to those who know what they repeat.
"""

import contextlib
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final
from urllib.parse import urlsplit

from vox.errors import DependencyError, UsageError

PREFIX: Final = "{vox}:"
"""Of every key; the braces keep them in one slot of a cluster."""
TIMEOUT_S: Final = 5.0
CODE: Final = "redis_failed"
URL_HINT: Final = (
    "write redis://HOST:6379/0, with :PASSWORD@ before the host where it has one (percent-encoded), rediss:// for TLS, "
    "or unix:///PATH"
)


def connect(
    url: str,
    *,
    timeout_s: float = TIMEOUT_S,
    connections: int = 8,
    on_connect: Callable[[Any], Awaitable[None]] | None = None,
) -> Any:
    """A client of `redis.asyncio`; it connects with its first command.

    Args:
        url: redis://, rediss:// or unix://.
        timeout_s: for connecting and for each answer.
        connections: at most so many at once; further commands wait.
        on_connect: in place of the library's greeting, for each new connection.

    Raises:
        UsageError: the URL is none (redis_url_invalid), or the library is missing (missing_dependency).
    """
    try:
        import redis.asyncio as library  # noqa: PLC0415  an extra; only where Redis is configured
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "the package redis is missing",
            code="missing_dependency",
            hint="run `make setup`, or `pip install '.[redis]'` in a checkout of Vox",
        ) from None
    more: dict[str, Any] = {} if on_connect is None else {"redis_connect_func": on_connect}
    is_usable = has_usable_form(url)
    pool: Any = None
    try:
        pool_type: Any = library.BlockingConnectionPool
        pool = pool_type.from_url(
            url,
            max_connections=connections,
            timeout=timeout_s,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            **more,
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        # No cause: of a URL that was cut at the wrong place it shows a part of the password.
        raise UsageError("the Redis URL cannot be used", code="redis_url_invalid", hint=URL_HINT)
    return library.Redis.from_pool(pool)


def has_usable_form(url: str) -> bool:
    """Whether a URL names one Redis: the library takes what it cannot read (a database, an unescaped password) for nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path.strip("/")) and not parts.fragment
    database = parts.path.removeprefix("/")
    return parts.scheme in {"redis", "rediss"} and not parts.fragment and (not database or database.isdecimal())


def channel(client: Any, name: str) -> str:
    """The name of a channel; unlike keys, channels are shared by all databases of a Redis, so its number is part of it."""
    return f"{PREFIX}{client.connection_pool.connection_kwargs.get('db') or 0}:{name}"


@contextlib.contextmanager
def failures() -> Generator[None]:
    """Turns the library's exceptions into Vox's.

    Raises:
        DependencyError: Redis failed or did not answer (redis_failed).
    """
    try:
        from redis.exceptions import RedisError  # noqa: PLC0415  an extra
    except ImportError:
        yield
        return
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise DependencyError(f"Redis failed: {error}", code=CODE, retryable=True) from error
