"""Prefix search over names: what a look at every name finds, however the members change."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.community import Community, Person, State
from vox.chat.community.name_index import NameIndex
from vox.chat.events.ids import UserId
from vox.text.folding import folded

NAMES = st.sampled_from(["ann", "Änn", "Anna Lee", "bob", "BOB lee", "José", "jo", "", "李雷", "ann-b"])


def by_looking(state: State, prefix: str) -> set[int]:
    wanted = folded(prefix)
    return {
        person.id
        for person in state.users.values()
        if person.is_active
        and any(
            key.startswith(wanted)
            for name in (person.username, person.display_name, person.nickname)
            if name
            for key in (folded(name), *folded(name).split())
        )
    }


@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 5), NAMES, NAMES, st.booleans(), st.sampled_from(["a", "ann", "LEE", "jos", "李", "b"])
        ),
        max_size=25,
    )
)
def test_it_finds_what_looking_at_every_name_finds(steps: list[tuple[int, str, str, bool, str]]):
    state = State()
    community = Community(state)
    index = NameIndex(community)
    for number, name, nickname, is_active, prefix in steps:
        user_id = UserId(number)
        before = state.users.get(user_id) or Person(user_id, f"u{number}", "")
        state.users[user_id] = replace(before, display_name=name, nickname=nickname or None, is_active=is_active)
        state.version += 1
        assert {person.id for person in index.find(prefix, 50)} == by_looking(state, prefix)


def test_many_changes_at_once_and_users_who_are_gone():
    state = State()
    index = NameIndex(Community(state))
    state.users.update({UserId(n): Person(UserId(n), f"user{n:03}", "") for n in range(1, 201)})
    state.version = 1
    assert [person.id for person in index.find("USER", 3)] == [1, 2, 3]
    del state.users[UserId(2)]
    state.version = 2
    assert [person.id for person in index.find("user", 3)] == [1, 3, 4]
    assert index.find("zz", 3) == []
