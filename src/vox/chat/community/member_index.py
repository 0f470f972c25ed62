"""Members in the order of their ids, from memory: what lists, counts and pages are cut from.

The order is computed again only when somebody came or went, so a page costs its own length and not that of the community.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from vox.chat.api.pages import Items
from vox.chat.features.members.schemas import Member

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

    def page(self, chat: "Chat", after: int, limit: int) -> Items[Member]:
        """Members with ids above `after`."""
        items = [member(person) for person in islice(self.after(chat, after), limit)]
        return Items(items, str(items[-1].user_id) if items else None)

    def _refresh(self, chat: "Chat") -> None:
        comings = chat.community.membership_version
        if comings == self._comings:
            return
        active = [person for person in tuple(chat.community.users.values()) if person.is_active]
        self._ids = sorted(person.id for person in active)
        self._local = sum(not person.is_federated for person in active)
        self._comings = comings


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
