"""The contacts of each user: people who share a DM or a friendship receive each other's presence at once, however many are online."""

from collections.abc import Iterable, Mapping

from vox.chat.events.ids import DmId, UserId


class Acquaintances:
    """The DMs and friendships of all users; pure memory, kept up to date by events."""

    def __init__(self) -> None:
        self._dms: dict[DmId, frozenset[UserId]] = {}
        self._dms_of: dict[UserId, set[DmId]] = {}
        self._friends: dict[UserId, set[UserId]] = {}

    def load(self, dms: Mapping[DmId, frozenset[UserId]], friendships: Iterable[tuple[UserId, UserId]]) -> None:
        """Takes what the database knows; what events have said meanwhile stays."""
        for dm_id, participants in tuple(dms.items()):
            self.dm_is(dm_id, participants)
        for one, other in friendships:
            self.befriend(one, other)

    def forget(self) -> None:
        """Forgets all contacts, until the next `load`."""
        for known in (self._dms, self._dms_of, self._friends):
            known.clear()

    def dm_is(self, dm_id: DmId, participants: frozenset[UserId]) -> None:
        """A DM has these participants now."""
        before = self._dms.get(dm_id, frozenset())
        if participants:
            self._dms[dm_id] = participants
        else:
            self._dms.pop(dm_id, None)
        for user_id in participants - before:
            self._dms_of.setdefault(user_id, set()).add(dm_id)
        for user_id in before - participants:
            left = self._dms_of[user_id]
            left.discard(dm_id)
            if not left:
                del self._dms_of[user_id]

    def befriend(self, one: UserId, other: UserId) -> None:
        """Two are friends now."""
        self._friends.setdefault(one, set()).add(other)
        self._friends.setdefault(other, set()).add(one)

    def part(self, one: UserId, other: UserId) -> None:
        """Two are friends no longer."""
        self._friends.get(one, set()).discard(other)
        self._friends.get(other, set()).discard(one)

    def of(self, user_id: UserId) -> set[UserId]:
        """All users who share a DM or a friendship with this one."""
        found = set(self._friends.get(user_id, ()))
        for dm_id in self._dms_of.get(user_id, ()):
            found |= self._dms[dm_id]
        found.discard(user_id)
        return found
