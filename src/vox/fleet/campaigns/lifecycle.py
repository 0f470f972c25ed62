"""Changes of the state of campaigns: those that are asked for, and those that time and the calls bring."""

from typing import Final

from vox.errors import UsageError
from vox.fleet.calls.contract import WAITING, CallQueue
from vox.fleet.campaigns import queries
from vox.fleet.campaigns.rules.states import CampaignEvent, CampaignState, RecipientState, after
from vox.stores.sql import Connection

DIALLING: Final = (CampaignState.RUNNING,)
_TIMED: Final = tuple(state for state in CampaignState if not state.has_ended)


def change_state(
    connection: Connection, queue: CallQueue, campaign_id: str, event: CampaignEvent, at_ms: int
) -> CampaignState:
    """Does what is asked for; a unit of work.

    Raises:
        UsageError: there is no such campaign (campaign_not_found), or it is not possible now (campaign_state_conflict).
    """
    row = found(connection, campaign_id, locks=True)
    state = after(CampaignState(row["state"]), event)
    queries.change_campaign(connection, campaign_id, {"state": state.value, "updated_at_ms": at_ms})
    if state in {CampaignState.CANCELED, CampaignState.PAUSING}:
        _cancel_waiting(connection, queue, campaign_id)
    if state is CampaignState.CANCELED:
        queries.end_pending(connection, campaign_id, RecipientState.CANCELED, at_ms)
    return state


def advance(connection: Connection, at_ms: int) -> None:
    """Starts what is scheduled, ends what has expired, and calls paused what has no calls left; a unit of work."""
    for row in queries.campaigns_in(connection, _TIMED):
        state = CampaignState(row["state"])
        if row["expires_at_ms"] and at_ms >= row["expires_at_ms"]:
            _become(connection, row["id"], after(state, CampaignEvent.EXPIRE), at_ms)
            queries.end_pending(connection, row["id"], RecipientState.EXPIRED, at_ms)
        elif state is CampaignState.SCHEDULED and at_ms >= row["starts_at_ms"]:
            _become(connection, row["id"], after(state, CampaignEvent.START), at_ms)
        elif state is CampaignState.PAUSING and not queries.has_open_calls(connection, row["id"]):
            _become(connection, row["id"], after(state, CampaignEvent.CALLS_ENDED), at_ms)


def complete_if_done(connection: Connection, campaign_id: str, at_ms: int) -> bool:
    """Ends a campaign that has reached or given up all its recipients; a unit of work."""
    row = queries.find_campaign(connection, campaign_id, locks=True)
    if row is None or row["state"] != CampaignState.RUNNING or queries.has_unfinished(connection, campaign_id):
        return False
    _become(connection, campaign_id, after(CampaignState.RUNNING, CampaignEvent.ALL_REACHED), at_ms)
    return True


def found(connection: Connection, campaign_id: str, *, locks: bool = False) -> queries.Row:
    """A campaign.

    Raises:
        UsageError: there is none (campaign_not_found).
    """
    row = queries.find_campaign(connection, campaign_id, locks=locks)
    if row is None:
        raise UsageError("There is no such campaign.", code="campaign_not_found")
    return row


def _become(connection: Connection, campaign_id: str, state: CampaignState, at_ms: int) -> None:
    queries.change_campaign(connection, campaign_id, {"state": state.value, "updated_at_ms": at_ms})


def _cancel_waiting(connection: Connection, queue: CallQueue, campaign_id: str) -> None:
    """Calls that ring or are answered go on; those that wait for their turn are taken back."""
    for _, call_id, status, _ in queries.open_calls(connection, [campaign_id]):
        if status in WAITING:
            queue.cancel(connection, call_id)
