"""What `POST /start` remembers until the client's offer comes: a session, and where sessions are kept.

A session is not a call: it is what a client asked for, kept under an id until it expires. A store is shared by all instances
behind a load balancer where it is in Redis, so that the offer may reach another instance than `/start` did.
"""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What one client asked for.

    Args:
        body: the application's own data, which the call gets as its variables; None where it gave none.
        enable_default_ice_servers: whether the client wants to be told ICE servers.
    """

    body: dict[str, Any] | None = None
    enable_default_ice_servers: bool = False


class SessionStore(Protocol):
    """Keeps sessions by id, each for the configured time from `put` on; reading one does not prolong it."""

    async def open(self) -> None:
        """Prepares the store; an engine that is away is no error, because it may come back."""
        ...

    async def close(self) -> None:
        """Gives connections back; idempotent."""
        ...

    async def get(self, session_id: str) -> StoredSession | None:
        """The session, or None where there is none under this id or its time is over.

        Raises:
            DependencyError: the store cannot be reached.
        """
        ...

    async def put(self, session_id: str, session: StoredSession) -> None:
        """Keeps a session; it can be read from every instance when this returns.

        Raises:
            DependencyError: the store cannot be reached.
        """
        ...

    async def check(self) -> None:
        """Returns when the store works; `/ready` asks it.

        Raises:
            DependencyError: the store cannot be reached.
        """
        ...
