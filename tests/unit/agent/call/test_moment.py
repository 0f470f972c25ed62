"""When a call changes hands: between turns first, in an answer later, and at the end whatever happens."""

from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call.moment import Moment

MOMENTS = st.builds(Moment, *(st.booleans() for _ in range(4)))


@given(MOMENTS, st.booleans(), st.booleans())
def test_a_moment_that_is_good_stays_good_as_time_runs_out(moment: Moment, is_late: bool, is_last: bool):
    now = moment.is_good(is_late=is_late, is_last=is_last)
    assert moment.is_good(is_late=True, is_last=is_last) >= now
    assert moment.is_good(is_late=is_late, is_last=True) >= now
    assert now <= moment.can_move


def test_between_two_turns_is_good_at_once_and_in_an_answer_only_later():
    silent = Moment(can_move=True, is_caller_silent=True, is_agent_silent=True, is_answer_known=True)
    speaking = Moment(can_move=True, is_caller_silent=True, is_agent_silent=False, is_answer_known=True)
    asked = Moment(can_move=True, is_caller_silent=True, is_agent_silent=False, is_answer_known=False)
    listening = Moment(can_move=True, is_caller_silent=False, is_agent_silent=True, is_answer_known=True)
    assert silent.is_good(is_late=False, is_last=False)
    for moment in (speaking, asked, listening):
        assert not moment.is_good(is_late=False, is_last=False)
        assert moment.is_good(is_late=False, is_last=True)
    assert speaking.is_good(is_late=True, is_last=False)
    assert not asked.is_good(is_late=True, is_last=False)
    assert not listening.is_good(is_late=True, is_last=False)
