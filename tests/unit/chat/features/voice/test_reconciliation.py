"""Room and media agree after one plan, from whatever both were before."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.ids import UserId
from vox.chat.features.voice.grants import guest_permission
from vox.chat.features.voice.reconciliation import JOIN_S, Expected, ExpectedGuest, Plan, is_ours, plan
from vox.clients.rooms.contract import SOURCES, Participant, Permission, Track

GRACE_S = 15
NOW = 10_000

permissions = st.builds(
    lambda sources, hear: Permission(can_subscribe=hear, can_publish=bool(sources), sources=frozenset(sources)),
    st.sets(st.sampled_from(SOURCES[1:])),
    st.booleans(),
)
members = st.builds(
    Expected,
    user_id=st.integers(1, 6).map(UserId),
    permission=permissions,
    absent_since=st.none() | st.integers(NOW - 100, NOW),
    was_present=st.booleans(),
    is_online=st.booleans(),
    self_mute=st.booleans(),
    video=st.booleans(),
    streaming=st.booleans(),
    server_mute=st.booleans(),
)
guests = st.builds(
    lambda number, created, joined, absent: ExpectedGuest(f"agent-{number}", number, created, joined, absent),
    st.integers(1, 4),
    st.integers(NOW - 100, NOW),
    st.none() | st.integers(NOW - 100, NOW),
    st.none() | st.integers(NOW - 100, NOW),
)
identities = st.sampled_from(
    [*(f"user-{n}" for n in range(1, 8)), "agent-1", "agent-2", "caller-9", "stranger", "user-x"]
)
participants = st.builds(
    Participant,
    identity=identities,
    permission=st.none() | permissions,
    tracks=st.lists(st.builds(Track, st.just("TR"), st.sampled_from(SOURCES), st.booleans()), max_size=3).map(tuple),
)


def unique(strategy: st.SearchStrategy[object], key: str) -> st.SearchStrategy[list[object]]:
    return st.lists(strategy, max_size=6, unique_by=lambda one: getattr(one, key))


def written(member: Expected, found: Plan) -> Expected | None:
    """A member once the plan is written down."""
    if member.user_id in found.gone:
        return None
    if member.user_id in found.absent:
        member = replace(member, absent_since=NOW)
    if member.user_id in found.present:
        member = replace(member, absent_since=None, was_present=True)
    seen = found.seen.get(member.user_id)
    return (
        member
        if seen is None
        else replace(member, self_mute=seen.self_mute, video=seen.video, streaming=seen.streaming)
    )


def guest_written(guest: ExpectedGuest, found: Plan) -> ExpectedGuest | None:
    if guest.guest_id in found.guests_gone:
        return None
    if guest.guest_id in found.guests_absent:
        guest = replace(guest, absent_since=NOW)
    if guest.guest_id in found.guests_present:
        guest = replace(guest, joined_at=guest.joined_at or NOW, absent_since=None)
    return guest


@given(unique(members, "user_id"), unique(guests, "guest_id"), unique(participants, "identity"))
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    inside: list[Expected], others: list[ExpectedGuest], there: list[Participant]
):
    first = plan(inside, others, there, now_s=NOW, grace_s=GRACE_S)
    media = [
        replace(one, permission=first.permit.get(one.identity, one.permission))
        for one in there
        if one.identity not in first.remove
    ]
    left = [one for one in (written(member, first) for member in inside) if one is not None]
    left_guests = [one for one in (guest_written(guest, first) for guest in others) if one is not None]
    again = plan(left, left_guests, media, now_s=NOW, grace_s=GRACE_S)
    assert again == Plan()
    assert not again.changes_state


@given(unique(members, "user_id"), unique(guests, "guest_id"), unique(participants, "identity"))
def test_who_does_not_belong_there_goes_and_strangers_are_let_alone(
    inside: list[Expected], others: list[ExpectedGuest], there: list[Participant]
):
    found = plan(inside, others, there, now_s=NOW, grace_s=GRACE_S)
    belongs = {f"user-{one.user_id}" for one in inside} | {one.identity for one in others}
    assert set(found.remove) == {one.identity for one in there if is_ours(one.identity)} - belongs
    assert not {"stranger", "user-x"} & set(found.remove)
    assert set(found.gone).isdisjoint(
        {one.user_id for one in inside if f"user-{one.user_id}" in {p.identity for p in there}}
    )


def absent_for(seconds: int, **more: bool) -> Expected:
    return Expected(UserId(1), guest_permission(), absent_since=NOW - seconds, **more)


def is_gone(member: Expected) -> bool:
    return plan([member], [], [], now_s=NOW, grace_s=GRACE_S).gone == [1]


def test_how_long_one_may_be_away():
    assert not is_gone(absent_for(GRACE_S - 1, was_present=True))
    assert is_gone(absent_for(GRACE_S, was_present=True))
    assert not is_gone(absent_for(JOIN_S - 1))
    assert is_gone(absent_for(JOIN_S))
    assert is_gone(absent_for(GRACE_S, is_online=False))


def test_a_microphone_that_a_moderator_has_muted_says_nothing_of_the_members_wish():
    muted = Participant("user-1", permission=guest_permission(), tracks=(Track("TR", "microphone", is_muted=True),))
    member = Expected(UserId(1), guest_permission(), was_present=True)
    assert plan([member], [], [muted], now_s=NOW, grace_s=GRACE_S).seen[UserId(1)].self_mute
    silenced = replace(member, server_mute=True)
    assert plan([silenced], [], [muted], now_s=NOW, grace_s=GRACE_S).seen == {}
