"""What the agent needs of a store to hand calls over; the command that builds the server brings one."""

from collections.abc import Collection, Mapping
from typing import Protocol, Self


class Kept(Protocol):
    """The newest state of a call, and its owner's fence: a number that grows with each change of hands."""

    @property
    def call_id(self) -> str:
        """Of the call."""
        ...

    @property
    def fence(self) -> int:
        """Of its owner."""
        ...

    @property
    def record(self) -> bytes:
        """Its state."""
        ...

    @property
    def offers(self) -> int:
        """How often it was offered since it was taken last."""
        ...


class CheckpointStore(Protocol):
    """Keeps calls for other processes; each method raises DependencyError where the store does not answer."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_error: object) -> None: ...

    async def save(self, call_id: str, fence: int, record: bytes, *, line: str = "") -> bool:
        """Keeps the newest state; False where the call has ended or belongs to another owner."""
        ...

    async def renew(self, calls: Mapping[str, int]) -> Collection[str]:
        """Keeps calls, given with their fences, a while longer; those that the caller no longer owns."""
        ...

    async def invite(self, name: str, token: str, *, ttl_s: float, fence: int = 0) -> Kept | None:
        """Makes a token by which another process goes on with a call, given by its id or line; None where it cannot be."""
        ...

    async def withdraw(self, call_id: str, fence: int) -> bool:
        """Makes the call's token worthless; False where it was used."""
        ...

    async def claim(self, token: str) -> Kept | None:
        """Takes a call over, once; None for a token that is not good."""
        ...

    async def finish(self, call_id: str, fence: int) -> bool:
        """Marks a call as ended; False where it belongs to another owner."""
        ...

    async def check(self) -> None:
        """Returns once the store has answered."""
        ...
