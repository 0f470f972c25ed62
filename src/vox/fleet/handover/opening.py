"""The store that a configuration names."""

from pathlib import Path

from vox.errors import UsageError
from vox.fleet.handover.contract import HandoverStore
from vox.fleet.handover.memory import MemoryHandover
from vox.fleet.handover.redis import RedisHandover
from vox.fleet.handover.sqlite import SqliteHandover
from vox.runtime.clock import Clock

MEMORY = "memory"


def make_store(address: str, folder: Path, clock: Clock) -> HandoverStore:
    """A store, to be opened by `async with`.

    Args:
        address: a path to a SQLite file (also as sqlite:///PATH), a Redis URL, or `memory`.
        folder: where a relative path begins.
        clock: for what expires.

    Raises:
        UsageError: it is none of these.
    """
    if address == MEMORY:
        return MemoryHandover(clock)
    scheme, separator, rest = address.partition("://")
    if not separator:
        return SqliteHandover(folder / address, clock)
    if scheme == "sqlite":
        return SqliteHandover(folder / rest.removeprefix("/"), clock)
    if scheme in {"redis", "rediss", "unix"}:
        return RedisHandover(address)
    raise UsageError(  # without the address, which may hold a password
        "handover_store names no store",
        code="handover_store_invalid",
        hint="write the path of a SQLite file, redis://HOST:6379/0, or memory",
    )
