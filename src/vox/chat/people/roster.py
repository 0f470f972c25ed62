"""Members in the order of their ids, from memory: what lists, counts and pages are cut from.

The order is computed once per version of the community, so a page costs its own length and not that of the community.
"""

from bisect import bisect_right
from typing import TYPE_CHECKING

from vox.chat.people.shapes import Items, Member

if TYPE_CHECKING:
    from vox.chat.community.state import Person
    from vox.chat.server import Chat


class Roster:
    """The active members of one server."""

    def __init__(self) -> None:
        self._version = -1
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

    def page(self, chat: "Chat", after: int, limit: int) -> Items[Member]:
        """Members with ids above `after`."""
        ids = self.ids(chat)
        start = bisect_right(ids, after)
        known = chat.community.users
        items = [member(known[user_id]) for user_id in ids[start : start + limit]]
        return Items(items, str(items[-1].user_id) if items else None)

    def _refresh(self, chat: "Chat") -> None:
        version = chat.community.version
        if version == self._version:
            return
        active = [person for person in tuple(chat.community.users.values()) if person.is_active]
        self._ids = sorted(person.id for person in active)
        self._local = sum(not person.is_federated for person in active)
        self._version = version


def member(person: "Person") -> Member:
    """A person as a list shows one."""
    return Member(
        person.id,
        person.username,
        person.display_name,
        person.avatar,
        person.nickname,
        sorted(person.role_ids),
    )
