"""Members in the order of their ids, from memory: the source of lists, counts and pages.

The order is computed again only after a member joined or left, so a page costs its own length and not that of the community.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vox.chat.community.state import Person
    from vox.chat.server import Chat


class MemberIndex:
    """The active members of one server."""

    def __init__(self) -> None:
        self._comings = -1
        self._ids: list[int] = []
        self._local = 0

    def ids(self, chat: "Chat") -> list[int]:
        """All active members, ascending."""
        self._refresh(chat)
        return self._ids

    def local_count(self, chat: "Chat") -> int:
        """How many active members have their account here."""
        self._refresh(chat)
        return self._local

    def after(self, chat: "Chat", user_id: int) -> Iterator["Person"]:
        """Active members with higher ids, ascending."""
        ids, known = self.ids(chat), chat.community.users
        return (known[ids[at]] for at in range(bisect_right(ids, user_id), len(ids)))

    def _refresh(self, chat: "Chat") -> None:
        comings = chat.community.membership_version
        if comings == self._comings:
            return
        active = [person for person in tuple(chat.community.users.values()) if person.is_active]
        self._ids = sorted(person.id for person in active)
        self._local = sum(not person.is_federated for person in active)
        self._comings = comings
