"""Members by the beginning of their names, from memory, so that both databases answer alike.

Case, accents and the other things that searches ignore make no difference. A name is found by each of its words.
"""

import threading
from bisect import bisect_left, insort
from typing import Final

from vox.chat.community.community import Community
from vox.chat.community.state import Person
from vox.chat.events.ids import UserId
from vox.text.folding import folded

MOST_SINGLE_CHANGES: Final = 64
"""With more changes at once the whole order is made anew."""
MOST_LOOKED_AT: Final = 2000
"""Names looked at for one answer."""

_Key = tuple[str, UserId]


class NameIndex:
    """The names of one server's members; any thread may ask.

    Args:
        community: whose. A person who changes there is another object, so that changes are found by looking.
    """

    def __init__(self, community: Community) -> None:
        self._community = community
        self._lock = threading.Lock()
        self._version = -1
        self._people: dict[UserId, Person] = {}
        self._keys: list[_Key] = []

    def find(self, prefix: str, limit: int) -> list[Person]:
        """Active members with a name, or a word of one, that begins so; by that name.

        Args:
            prefix: as it was typed.
            limit: how many at most.
        """
        beginning = folded(prefix)
        with self._lock:
            self._refresh()
            found: dict[UserId, Person] = {}
            start = bisect_left(self._keys, (beginning, UserId(0)))
            for key, user_id in self._keys[start : start + MOST_LOOKED_AT]:
                if len(found) >= limit or not key.startswith(beginning):
                    break
                found[user_id] = self._people[user_id]
        return list(found.values())

    def _refresh(self) -> None:
        version, users = self._community.version, self._community.users
        if version == self._version:
            return
        people = tuple(users.values())
        changed = [person for person in people if self._people.get(person.id) is not person]
        gone = self._people.keys() - users.keys() if len(self._people) + len(changed) > len(people) else ()
        if len(changed) + len(gone) > MOST_SINGLE_CHANGES:
            self._people = {person.id: person for person in people}
            self._keys = sorted(key for person in people for key in _keys_of(person))
        else:
            for person in changed:
                self._remove(person.id)
                self._people[person.id] = person
                for key in _keys_of(person):
                    insort(self._keys, key)
            for user_id in gone:
                self._remove(user_id)
        self._version = version

    def _remove(self, user_id: UserId) -> None:
        person = self._people.pop(user_id, None)
        for key in _keys_of(person) if person is not None else ():
            del self._keys[bisect_left(self._keys, key)]


def _keys_of(person: Person) -> set[_Key]:
    if not person.is_active:
        return set()
    names = {folded(name) for name in (person.username, person.display_name, person.nickname) if name}
    words = {word for name in names for word in name.split()}
    return {(key, person.id) for key in names | words if key}
