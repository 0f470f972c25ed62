"""Audiences survive the column of the log and the bus; nothing else is read as one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.audience import (
    EVERYONE,
    Audience,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    SpaceOverride,
    Users,
    Viewers,
    audience_from,
    audience_text,
)
from vox.chat.events.ids import FeedId, RoleId

ids = st.integers(0, 2**63 - 1)
overrides = st.builds(SpaceOverride, st.sampled_from(["role", "user"]), ids, ids, ids)
audiences = st.one_of(
    st.just(EVERYONE),
    st.builds(Viewers, st.sampled_from(["feed", "room"]), ids),
    st.builds(Readers, ids),
    st.builds(Participants, ids, st.lists(ids, max_size=3).map(tuple)),
    st.builds(Users, st.lists(ids, max_size=3).map(tuple)),
    st.builds(PermissionHolders, ids),
    st.builds(InviteViewers, st.none() | ids, st.none() | ids),
    st.builds(FormerViewers, st.lists(overrides, max_size=3).map(tuple)),
)


@given(audiences, audiences)
def test_the_text_says_which_audience_it_is(one: Audience, other: Audience) -> None:
    assert audience_from(audience_text(one)) == one
    assert (audience_text(one) == audience_text(other)) is (one == other)


@given(audiences)
def test_an_audience_is_a_key(one: Audience) -> None:
    assert {one: 1}[audience_from(audience_text(one))] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        '{"type":"nobody"}',
        '{"type":"viewers","kind":"dm","id":1}',
        '{"type":"readers"}',
        '{"type":"users","ids":["1"]}',
        '{"type":"former","overrides":[["group",1]]}',
    ],
)
def test_what_is_no_audience_is_not_guessed_at(text: str) -> None:
    """Read as a wider audience it would show what was hidden."""
    with pytest.raises(msgspec.DecodeError):
        audience_from(text)


def test_the_form_in_the_log_is_a_promise_to_older_rows() -> None:
    assert audience_text(EVERYONE) == '{"type":"everyone"}'
    assert audience_text(Viewers("feed", FeedId(7))) == '{"type":"viewers","kind":"feed","id":7}'
    assert audience_text(FormerViewers((SpaceOverride("role", RoleId(1), 2, 3),))) == (
        '{"type":"former","overrides":[["role",1,2,3]]}'
    )
