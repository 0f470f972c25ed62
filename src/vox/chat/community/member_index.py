"""Members in the order of their ids, from memory: the source of lists, counts and pages.

The order is computed again only after a member joined or left, so a page costs its own length and not that of the community.
"""

from bisect import bisect_right
from collections.abc import Iterator

from vox.chat.community.community import Community
from vox.chat.community.state import Person
from vox.chat.events.ids import UserId


class MemberIndex:
    """The active members of one server.

    Args:
        community: whose.
    """

    def __init__(self, community: Community) -> None:
        self._community = community
        self._comings = -1
        self._ids: list[UserId] = []
        self._local = 0

    def ids(self) -> list[UserId]:
        """All active members, ascending."""
        self._refresh()
        return self._ids

    def local_count(self) -> int:
        """How many active members have their account here."""
        self._refresh()
        return self._local

    def after(self, user_id: int) -> Iterator[Person]:
        """Active members with higher ids, ascending."""
        ids, known = self.ids(), self._community.users
        return (known[ids[at]] for at in range(bisect_right(ids, user_id), len(ids)))

    def _refresh(self) -> None:
        comings = self._community.membership_version
        if comings == self._comings:
            return
        people = tuple(self._community.users.values())
        active = [person for person in people if person.is_active and not person.is_contact]
        self._ids = sorted(person.id for person in active)
        self._local = sum(not person.is_federated for person in active)
        self._comings = comings
