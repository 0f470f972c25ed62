"""What a member may do with media."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.permissions import P
from vox.chat.features.voice.grants import (
    Standing,
    claims_of,
    guest_permission,
    is_granted,
    may_stay,
    permission_of,
    user_of,
)
from vox.clients.rooms.contract import Permission

IN = int(P.VIEW_SPACE | P.CONNECT)
standings = st.builds(
    Standing, st.integers(0, 2**39), is_stage=st.booleans(), is_speaker=st.booleans(), server_mute=st.booleans(),
    server_deaf=st.booleans(),
)  # fmt: skip


@given(standings)
def test_token_and_permission_say_the_same(standing: Standing):
    due = permission_of(standing)
    grant = claims_of("vox-1", "user-1", due).video
    given_by_token = Permission(
        grant.may_subscribe(), grant.may_publish(), grant.may_publish_data(), frozenset(grant.can_publish_sources)
    )
    assert is_granted(given_by_token, due)
    assert not grant.may_update_own_metadata()
    assert grant.may_publish("microphone") == ("microphone" in due.sources)


@given(standings)
def test_nothing_is_published_without_its_permission(standing: Standing):
    sources = permission_of(standing).sources
    for source, permission in (("microphone", P.SPEAK), ("camera", P.VIDEO), ("screen_share", P.STREAM)):
        assert source not in sources or standing.mask & permission
    assert not sources & {"microphone", "screen_share_audio"} or not standing.server_mute
    if standing.is_stage and not standing.is_speaker and not standing.mask & P.STAGE_MODERATOR:
        assert not sources


def test_who_may_be_in_a_room():
    assert may_stay(IN)
    assert not may_stay(int(P.VIEW_SPACE))
    assert not may_stay(int(P.CONNECT))


def test_a_server_that_lets_everything_through_is_told_what_is_due():
    due = permission_of(Standing(IN | P.SPEAK))
    assert not is_granted(None, due)
    assert not is_granted(Permission(), due)
    assert is_granted(Permission(sources=frozenset({"microphone"})), due)
    assert is_granted(Permission(can_publish=False), permission_of(Standing(IN)))
    assert guest_permission().sources == {"microphone"}
    assert claims_of("r", "agent-1", guest_permission(), kind="agent").video.agent


@pytest.mark.parametrize("identity", ["user-", "user-x", "user--1", "user-²", "user-" + "9" * 19, "agent-1", "1", ""])
def test_what_is_no_users_identity(identity: str):
    assert user_of(identity) is None
    assert user_of("user-7") == 7
