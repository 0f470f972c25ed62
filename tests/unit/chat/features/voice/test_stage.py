"""The stage as a state machine: whatever happens in whatever order, nobody speaks who was not let."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.errors import Refusal
from vox.chat.events.ids import UserId
from vox.chat.features.voice.stage import INVITE_S, Stage

users = st.integers(1, 4).map(UserId)
steps = st.lists(
    st.tuples(
        st.sampled_from(["join", "leave", "request", "invite", "accept", "decline", "revoke"]),
        users,
        st.integers(0, INVITE_S + 50),
    ),
    max_size=60,
)


def take(stage: Stage, step: str, user: UserId, now: int) -> Stage:
    match step:
        case "invite":
            return stage.invite(user, now)
        case "accept" | "decline":
            return stage.respond(user, now, accepted=step == "accept")
        case _:
            return getattr(stage, step)(user)


@given(steps)
def test_only_who_was_invited_in_time_and_is_there_speaks(history: list[tuple[str, UserId, int]]):
    stage, now = Stage(), 0
    here: set[UserId] = set()
    invited: dict[UserId, int] = {}
    speakers: set[UserId] = set()
    for step, user, later in history:
        now += later
        may = {
            "request": user in here,
            "invite": user in here,
            "accept": user in invited and now < invited[user] + INVITE_S,
            "decline": user in invited and now < invited[user] + INVITE_S,
        }.get(step, True)
        if not may:
            with pytest.raises(Refusal) as caught:
                take(stage, step, user, now)
            assert caught.value.wire_code == ("NOT_IN_VOICE" if step in {"request", "invite"} else "NO_PENDING_INVITE")
            continue
        stage = take(stage, step, user, now)
        match step:
            case "join":
                here.add(user)
            case "leave":
                here.discard(user)
                invited.pop(user, None)
                speakers.discard(user)
            case "invite" if user not in speakers:
                invited[user] = now
            case "accept" | "decline":
                del invited[user]
                speakers |= {user} if step == "accept" else set()
            case "revoke":
                invited.pop(user, None)
                speakers.discard(user)
            case _:
                pass
        assert (stage.members, stage.speakers, dict(stage.invites)) == (here, speakers, invited)
        assert stage.speakers <= stage.members
        assert stage.invites.keys() <= stage.members - stage.speakers


def test_a_second_invitation_begins_the_time_anew():
    stage = Stage().join(UserId(1)).invite(UserId(1), 0).invite(UserId(1), INVITE_S - 1)
    assert stage.respond(UserId(1), 2 * INVITE_S - 2, accepted=True).speakers == {1}
