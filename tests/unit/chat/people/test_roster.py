from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.community.state import Person
from vox.chat.people.roster import Roster


def chat(*people: Person, version: int = 1) -> Any:
    return SimpleNamespace(community=SimpleNamespace(version=version, users={one.id: one for one in people}))


def test_members_are_active_and_in_order_and_guests_from_elsewhere_are_not_counted_as_ours():
    found = chat(Person(3, "c", "C", is_federated=True), Person(1, "a", "A"), Person(2, "b", "B", is_active=False))
    roster = Roster()
    assert roster.ids(found) == [1, 3]
    assert roster.local_count(found) == 1


def test_a_new_version_of_the_community_is_looked_at_again():
    roster, found = Roster(), chat(Person(1, "a", "A"))
    assert roster.ids(found) == [1]
    found.community.users[2] = Person(2, "b", "B")
    found.community.version = 2
    assert roster.ids(found) == [1, 2]


@given(st.sets(st.integers(1, 50)), st.integers(1, 7))
def test_pages_together_are_everybody_once_and_in_order(ids: set[int], limit: int):
    roster, found = Roster(), chat(*(Person(one, str(one), "X") for one in ids))
    seen: list[int] = []
    after = 0
    while (page := roster.page(found, after, limit)).cursor is not None:
        assert 1 <= len(page.items) <= limit
        seen += [item.user_id for item in page.items]
        after = int(page.cursor)
    assert seen == sorted(ids)
