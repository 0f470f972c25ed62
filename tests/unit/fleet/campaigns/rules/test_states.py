import pytest

from vox.errors import UsageError
from vox.fleet.campaigns.rules.states import ENDED, TRANSITIONS, CampaignEvent, CampaignState, after


def test_the_usual_life_of_a_campaign():
    state = CampaignState.DRAFT
    for event in ("validate", "valid", "schedule", "start", "pause", "calls_ended", "resume", "all_reached"):
        state = after(state, CampaignEvent(event))
    assert state is CampaignState.COMPLETED


def test_a_refused_change_says_what_is_possible():
    with pytest.raises(UsageError, match=r"draft cannot start .*possible now: cancel, validate") as caught:
        after(CampaignState.DRAFT, CampaignEvent.START)
    assert caught.value.code == "campaign_state_conflict"


def test_a_campaign_that_ended_never_calls_again_by_itself():
    for state in ENDED:
        for event in CampaignEvent:
            assert TRANSITIONS.get((state, event)) in {None, CampaignState.PAUSED}


def test_every_state_can_be_reached_and_every_running_one_can_be_canceled():
    reached = {CampaignState.DRAFT}
    while more := {to for (at, _), to in TRANSITIONS.items() if at in reached} - reached:
        reached |= more
    assert reached == set(CampaignState)
    assert all((state, CampaignEvent.CANCEL) in TRANSITIONS for state in CampaignState if not state.has_ended)
