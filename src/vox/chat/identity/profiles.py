"""The part of a profile that the community does not keep in memory: read once, kept until it changes.

The community's memory holds what every list and permission check needs; a biography is requested for one user at a time, so it
is kept for recently requested users only.
"""

import threading
from collections import OrderedDict
from functools import partial
from typing import Final

from vox.chat.database.unit_of_work import Read
from vox.chat.events.ids import UserId
from vox.chat.identity.queries import Profile, find_profile

MAX_KEPT: Final = 20_000
"""Profiles in memory, of about 500 bytes; beyond it the oldest is dropped."""


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

    def kept(self, user_id: UserId) -> Profile | None:
        """A profile in memory."""
        return self._kept.get(user_id)

    async def read(self, user_id: UserId) -> Profile | None:
        """A profile from memory or from the database; None where there is no such user."""
        if (kept := self._kept.get(user_id)) is not None:
            return kept
        before = self._changes
        found = await self._from_database(partial(find_profile, user_id=user_id))
        with self._lock:
            # What changed while it was read must not be remembered as it was.
            if found is not None and before == self._changes:
                self._kept[user_id] = found
                if len(self._kept) > self._max_kept:
                    self._kept.popitem(last=False)
        return found

    def forget(self, user_id: UserId) -> None:
        """Drops a profile that has changed."""
        with self._lock:
            self._changes += 1
            self._kept.pop(user_id, None)

    def forget_all(self) -> None:
        """Drops all profiles."""
        with self._lock:
            self._changes += 1
            self._kept.clear()
