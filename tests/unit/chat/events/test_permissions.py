"""Masks against a reference that goes bit by bit through the rules as they are written in the specification."""

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.permissions import (
    ALL,
    EVERYONE_DEFAULT,
    AllowDeny,
    P,
    base,
    exceeds,
    holds,
    resolve,
)

_BITS = st.sampled_from([0, 1, 4, 5, 25, 62])
_MASKS = st.sets(_BITS).map(lambda bits: sum(1 << bit for bit in bits))
_OVERRIDES = st.builds(AllowDeny, _MASKS, _MASKS)


def test_the_numbers_clients_know() -> None:
    assert EVERYONE_DEFAULT == 6443107135
    assert ALL == 9223372036854775807
    assert P.ADMINISTRATOR == 4611686018427387904
    assert [P.VIEW_SPACE, P.READ_HISTORY, P.MANAGE_SPACES, P.MANAGE_REPORTS] == [1, 32, 1 << 24, 1 << 38]


def test_an_override_of_everyone_hides_a_space_and_one_of_a_role_opens_it_again() -> None:
    view = P.VIEW_SPACE | P.READ_HISTORY
    hidden = AllowDeny(deny=P.VIEW_SPACE)
    assert resolve(view, hidden) == 0
    assert resolve(view, hidden, [AllowDeny(allow=P.VIEW_SPACE)]) == view


def test_the_users_own_override_has_the_last_word() -> None:
    opened = [AllowDeny(allow=P.VIEW_SPACE)]
    assert resolve(P.VIEW_SPACE, roles=opened, own=AllowDeny(deny=P.VIEW_SPACE)) == 0
    assert resolve(0, roles=[AllowDeny(deny=P.VIEW_SPACE)], own=AllowDeny(allow=P.VIEW_SPACE)) == P.VIEW_SPACE


def test_among_roles_what_one_allows_no_other_denies() -> None:
    roles = [AllowDeny(deny=P.SEND_MESSAGES), AllowDeny(allow=P.SEND_MESSAGES)]
    assert resolve(P.VIEW_SPACE, roles=roles) == P.VIEW_SPACE | P.SEND_MESSAGES


def test_who_cannot_view_a_space_can_do_nothing_in_it() -> None:
    assert resolve(P.SEND_MESSAGES | P.MANAGE_MESSAGES) == 0


def test_no_override_touches_an_administrator() -> None:
    assert resolve(base(0, [P.ADMINISTRATOR]), own=AllowDeny(deny=ALL)) == ALL


@given(_MASKS, st.lists(_MASKS, max_size=3), _OVERRIDES, st.lists(_OVERRIDES, max_size=3), _OVERRIDES)
def test_a_mask_is_what_the_rules_say_bit_by_bit(
    everyone: int, assigned: list[int], for_everyone: AllowDeny, for_roles: list[AllowDeny], own: AllowDeny
) -> None:
    assert base(everyone, assigned) == _reference([everyone, *assigned], [])
    stages = [[for_everyone], for_roles, [own]]
    found = _reference([everyone, *assigned], stages)
    expected = found if found & 1 else 0
    assert resolve(base(everyone, assigned), for_everyone, for_roles, own) == expected


@given(_MASKS, _MASKS)
def test_nobody_can_grant_what_he_lacks(own: int, granted: int) -> None:
    lacking = exceeds(own, granted)
    if holds(own, P.ADMINISTRATOR):
        assert lacking == 0
    else:
        assert all(bool(lacking >> bit & 1) == bool(granted >> bit & 1 and not own >> bit & 1) for bit in range(63))


def _reference(masks: list[int], stages: list[list[AllowDeny]]) -> int:
    admin = 62
    held = {bit for bit in range(63) if any(mask >> bit & 1 for mask in masks)}
    if admin in held:
        return ALL
    for stage in stages:
        for bit in range(63):
            if any(override.allow >> bit & 1 for override in stage):
                held.add(bit)
            elif any(override.deny >> bit & 1 for override in stage):
                held.discard(bit)
    return ALL if admin in held else sum(1 << bit for bit in held)
