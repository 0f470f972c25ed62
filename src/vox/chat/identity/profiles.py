"""What profiles show besides what the community keeps in memory: read once, kept until it changes.

The community's memory holds what every list and permission needs; a biography is asked for one person at a time, so it is kept
for the people somebody looked at lately.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from vox.chat.database.schema import users
from vox.chat.database.unit_of_work import Read

MAX_KEPT: Final = 20_000
"""Profiles in memory, of about 500 bytes; beyond it the one longest unseen is dropped."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The rarely asked half of a user; `created_at` in Unix seconds."""

    bio: str | None
    created_at: int
    federated: bool
    home_domain: str | None


class Profiles:
    """The profiles of one server.

    Args:
        read: reads the database.
        max_kept: see MAX_KEPT.
    """

    def __init__(self, read: Read, max_kept: int = MAX_KEPT) -> None:
        self._from_database = read
        self._max_kept = max_kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Profile] = OrderedDict()
        self._changes = 0

    def kept(self, user_id: int) -> Profile | None:
        """A profile in memory."""
        return self._kept.get(user_id)

    async def read(self, user_id: int) -> Profile | None:
        """A profile from memory or from the database; None where there is no such user."""
        if (kept := self._kept.get(user_id)) is not None:
            return kept
        before = self._changes
        found = await self._from_database(lambda connection: _read(connection, user_id))
        with self._lock:
            # What changed while it was read must not be remembered as it was.
            if found is not None and before == self._changes:
                self._kept[user_id] = found
                if len(self._kept) > self._max_kept:
                    self._kept.popitem(last=False)
        return found

    def forget(self, user_id: int) -> None:
        """Drops a profile that has changed."""
        with self._lock:
            self._changes += 1
            self._kept.pop(user_id, None)

    def forget_all(self) -> None:
        """Drops all profiles."""
        with self._lock:
            self._changes += 1
            self._kept.clear()


def _read(connection: Connection, user_id: int) -> Profile | None:
    row = connection.execute(
        select(users.c.bio, users.c.created_at, users.c.federated, users.c.home_domain).where(users.c.id == user_id)
    ).first()
    return None if row is None else Profile(row.bio, row.created_at, bool(row.federated), row.home_domain)
