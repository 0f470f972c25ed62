"""The index against asking everybody, while sessions come and go and views change."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.community import AccessChange, SpaceRef
from vox.chat.events.audience import (
    Audience,
    Everyone,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    Users,
    Viewers,
)
from vox.chat.events.ids import DmId, FeedId, RoomId, UserId
from vox.chat.gateway.audience_index import AudienceIndex

_AUDIENCES: list[Audience] = [
    Everyone(),
    PermissionHolders(8),
    Viewers("feed", FeedId(1)),
    Viewers("room", RoomId(1)),
    Readers(FeedId(1)),
    Readers(FeedId(2)),
    Participants(DmId(1)),
    Participants(DmId(1), (UserId(3),)),
    Users((UserId(1), UserId(2), UserId(2))),
    InviteViewers(UserId(1), FeedId(1)),
    FormerViewers(),
]
_PLACES: dict[Audience, SpaceRef] = {
    Viewers("feed", FeedId(1)): ("feed", FeedId(1)),
    Viewers("room", RoomId(1)): ("room", RoomId(1)),
    Readers(FeedId(1)): ("feed", FeedId(1)),
    Readers(FeedId(2)): ("feed", FeedId(2)),
}


@dataclass(eq=False)
class _Session:
    user_id: UserId


@dataclass
class _Views:
    """Who sees what, decided by the test."""

    dms: dict[DmId, frozenset[UserId]] = field(default_factory=lambda: {DmId(1): frozenset({UserId(1), UserId(2)})})
    hidden: set[tuple[int, Audience]] = field(default_factory=set[tuple[int, Audience]])
    asked: int = 0

    def sees(self, user_id: UserId, audience: Audience) -> bool:
        self.asked += 1
        if isinstance(audience, Participants):
            return user_id in self.dms.get(audience.dm_id, ()) or user_id in audience.besides
        if isinstance(audience, Users):
            return user_id in audience.ids
        return (user_id, audience) not in self.hidden


_USERS = st.integers(1, 4)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), _USERS, st.just(0)),
        st.tuples(st.just("remove"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("look"), st.sampled_from(range(len(_AUDIENCES))), st.just(0)),
        st.tuples(st.just("user"), _USERS, st.sampled_from(range(len(_AUDIENCES)))),
        st.tuples(st.just("space"), _USERS, st.sampled_from([2, 3, 4, 5])),
        st.tuples(st.just("dm"), _USERS, st.just(0)),
        st.tuples(st.just("all"), _USERS, st.sampled_from(range(len(_AUDIENCES)))),
    ),
    max_size=40,
)


@given(_STEPS)
def test_an_event_finds_just_the_sessions_whose_user_sees_it(steps: list[tuple[str, int, int]]) -> None:
    views = _Views()
    index: AudienceIndex[_Session] = AudienceIndex(views)
    sessions: list[_Session] = []
    for number in range(len(_AUDIENCES)):
        index.sessions(_AUDIENCES[number])
    for step, left, right in steps:
        if step == "add":
            sessions.append(_Session(UserId(left)))
            index.add(sessions[-1])
        elif step == "remove" and sessions:
            index.remove(sessions.pop(left % len(sessions)))
        elif step == "look":
            index.sessions(_AUDIENCES[left])
        elif step == "dm":
            views.dms = {DmId(1): views.dms[DmId(1)] ^ {UserId(left)}}
            index.shift(AccessChange(spaces=frozenset({("dm", DmId(1))})))
        elif step in {"user", "space", "all"}:
            views.hidden ^= {(left, _AUDIENCES[right])}
            index.shift(_shift(step, left, right))
        for audience in _AUDIENCES:
            expected = {id(session) for session in sessions if views.sees(session.user_id, audience)}
            found = [id(session) for session in index.sessions(audience)]
            assert sorted(found) == sorted(expected)
        assert len(index) == len(sessions)


def test_a_new_session_costs_one_question_for_each_indexed_audience() -> None:
    views = _Views()
    index: AudienceIndex[_Session] = AudienceIndex(views)
    for _ in range(50):
        index.add(_Session(UserId(1)))
    index.viewers("feed", FeedId(1))
    index.readers(FeedId(1))
    views.asked = 0
    index.add(_Session(UserId(1)))
    assert views.asked == 2
    assert len(index.readers(FeedId(1))) == 51
    assert views.asked == 2


def test_a_list_given_out_does_not_change_under_its_reader() -> None:
    index: AudienceIndex[_Session] = AudienceIndex(_Views())
    first = _Session(UserId(1))
    index.add(first)
    before = index.everyone()
    index.add(_Session(UserId(2)))
    index.remove(first)
    assert list(before) == [first]
    assert [session.user_id for session in index.everyone()] == [2]


def test_the_sessions_of_somebody_who_lost_everything_can_still_be_closed() -> None:
    views = _Views()
    index: AudienceIndex[_Session] = AudienceIndex(views)
    session = _Session(UserId(3))
    index.add(session)
    views.hidden.add((3, Everyone()))
    index.shift(AccessChange(users=frozenset({UserId(3)})))
    assert index.everyone() == []
    assert list(index.of_user(UserId(3))) == [session]


def test_the_named_questions_are_audiences() -> None:
    index: AudienceIndex[_Session] = AudienceIndex(_Views())
    session = _Session(UserId(1))
    index.add(session)
    assert (
        list(index.participants(DmId(1)))
        == list(index.users([UserId(1), UserId(9)]))
        == list(index.holders(8))
        == [session]
    )


def _shift(step: str, user_id: int, audience: int) -> AccessChange:
    if step == "user":
        return AccessChange(users=frozenset({UserId(user_id)}))
    if step == "space":
        return AccessChange(spaces=frozenset({_PLACES[_AUDIENCES[audience]]}))
    return AccessChange(everything=True)
