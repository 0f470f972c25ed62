"""What the outcome of a call means for the recipient, and the last look at the lists before a call is dialled.

Both run within the transactions of the calls: the outcome is stored for the call and for the recipient or for neither.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from vox.fleet.calls.contract import CallOutcome, CallStatus
from vox.fleet.campaigns import do_not_call, ledger, queries
from vox.fleet.campaigns.dialling import state_after_never
from vox.fleet.campaigns.opt_out import is_opt_out
from vox.fleet.campaigns.plans import decoded_plan, decoded_rules
from vox.fleet.campaigns.rules.decision import Decision, DialInputs, decide
from vox.fleet.campaigns.rules.retry import Outcome, following
from vox.fleet.campaigns.rules.states import ENDED, CampaignState, RecipientState
from vox.runtime.clock import Clock
from vox.stores.sql import Connection

ABANDONED: Final = "abandoned"
"""The reason of a call that a person answered while no agent was free."""
_RUNNING: Final = frozenset({CampaignState.RUNNING.value, CampaignState.PAUSING.value})
_PERSON: Final = frozenset({"customer", "user"})
_KEYS: Final = "DTMF: "
"""Begins the line of a transcript that tells of keys."""
_FAILURES: Final = frozenset({"failed", "uncertain"})


def is_failure(outcome: str) -> bool:
    """Whether an outcome speaks against the carrier, the caller id or the campaign: not those that people cause."""
    return outcome in _FAILURES


class CampaignOutcomes:
    """The hooks that campaigns have in the calls.

    Args:
        clock: for the time of decisions.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_outcome(self, connection: Connection, outcome: CallOutcome) -> None:
        """Writes what follows from the end of a call; other calls than those of campaigns are left alone."""
        attempt = queries.find_attempt(connection, outcome.call_id)
        if attempt is None or not attempt["is_open"]:
            return
        campaign = queries.find_campaign(connection, attempt["campaign_id"])
        recipient = queries.find_recipient(connection, attempt["recipient_id"])
        at_ms = outcome.ended_at_ms or self._clock.unix_ms()
        was_dialled = queries.was_dialled(connection, outcome.call_id)
        is_answered = outcome.answered_at_ms is not None and outcome.answered_by not in {"machine", "fax"}
        queries.change_attempt(
            connection,
            outcome.call_id,
            {
                "is_open": False,
                "is_dialled": was_dialled,
                "outcome": outcome.status.value,
                "is_answered": is_answered,
                "is_abandoned": is_answered and outcome.reason == ABANDONED,
                "ended_at_ms": max(1, self._clock.unix_ms()),
            },
        )
        if campaign is None or recipient is None or recipient["state"] != RecipientState.IN_CALL:
            return
        attempts = recipient["attempts"] - (0 if was_dialled else 1)
        change = {"id": recipient["id"], "attempts": attempts, "last_outcome": outcome.status.value}
        change |= self._following(campaign, recipient, outcome, attempts, at_ms, was_dialled=was_dialled)
        queries.change_recipients(connection, [change])

    def on_result(self, connection: Connection, call_id: str, result: Mapping[str, Any]) -> None:
        """Puts a person on their tenant's do-not-call list who asked for it in the call, as its transcript, its keys or the bot say.

        Words and keys that were told while the call ran are looked at again here: what is told then may be lost, a result is not.
        """
        attempt = queries.find_attempt(connection, call_id)
        if attempt is None or not (
            result.get("opted_out")
            or _asked_to_be_left_alone(result.get("transcript"))
            or self._pressed_opt_out(connection, attempt["campaign_id"], result)
        ):
            return
        digest = do_not_call.number_digest(attempt["number"])
        at_ms = self._clock.unix_ms()
        do_not_call.add(connection, "tenant", attempt["tenant"], [digest], f"result {call_id}", at_ms)

    def _pressed_opt_out(self, connection: Connection, campaign_id: str, result: Mapping[str, Any]) -> bool:
        """Whether the keys of the campaign's opt-out are an entry of a call: among its digits, or in its transcript.

        The transcript also has those from before the call went on at another worker.
        """
        digits = result.get("digits")
        entries = [*cast("list[object]", digits)] if isinstance(digits, list) else []
        lines = _said_by_person(result.get("transcript"))
        entries += [line.removeprefix(_KEYS) for line in lines if line.startswith(_KEYS)]
        campaign = queries.find_campaign(connection, campaign_id) if entries else None
        keys = "" if campaign is None else decoded_plan(campaign["plan"]).opt_out_digits
        return bool(keys) and keys in entries

    def may_dial(self, connection: Connection, call_id: str) -> str:
        """Looks at the lists and the campaign once more, right before the carrier is asked; says why not, empty where it may."""
        attempt = queries.find_attempt(connection, call_id)
        if attempt is None:
            return ""
        campaign = queries.find_campaign(connection, attempt["campaign_id"])
        recipient = queries.find_recipient(connection, attempt["recipient_id"])
        if campaign is None or recipient is None:
            return "campaign_not_found"
        number, campaign_id = attempt["number"], attempt["campaign_id"]
        inputs = DialInputs(
            at_ms=self._clock.unix_ms(),
            campaign_state="running" if campaign["state"] in _RUNNING else campaign["state"],
            expires_at_ms=campaign["expires_at_ms"],
            zones=tuple(recipient["zones"].split()),
            region=recipient["region"],
            do_not_call=do_not_call.scopes_of(connection, [number], attempt["tenant"], campaign_id).get(number, ()),
            attempts=recipient["attempts"] - 1,
            caller_id=attempt["caller_id"],
            provider=attempt["provider"],
            pre_dial="allowed",
            allowed=1,
        )
        rules = decoded_rules(campaign["rules"])
        decision = decide(msgspec.structs.replace(rules, dial_within_s=0), inputs)
        if decision.verdict == "dial":
            return ""
        # What is written must be what the campaign's own rules say, so that it can be repeated from the record.
        repeated = decide(rules, inputs)
        self._record(connection, campaign, recipient["id"], call_id, inputs, repeated)
        return repeated.reason

    def _record(
        self,
        connection: Connection,
        campaign: queries.Row,
        recipient_id: int,
        call_id: str,
        inputs: DialInputs,
        decision: Decision,
    ) -> None:
        campaign_id = campaign["id"]
        queries.find_campaign(connection, campaign_id, locks=True)  # entries are chained one after another
        one = ledger.entry(campaign_id, recipient_id, call_id, campaign["rules_digest"], inputs, decision)
        queries.insert_entries(connection, ledger.chained([one], queries.last_digest(connection, campaign_id)))

    def _following(
        self,
        campaign: queries.Row,
        recipient: queries.Row,
        outcome: CallOutcome,
        attempts: int,
        at_ms: int,
        *,
        was_dialled: bool,
    ) -> dict[str, object]:
        if outcome.reason.startswith("do_not_call"):
            return {"state": state_after_never(outcome.reason).value, "due_at_ms": at_ms}
        if campaign["state"] in ENDED:
            return {"state": _state_after_end(outcome, campaign["state"]).value, "due_at_ms": at_ms}
        if outcome.status is CallStatus.CANCELED and not was_dialled and campaign["state"] != CampaignState.RUNNING:
            return {"state": RecipientState.PENDING.value, "due_at_ms": at_ms}  # the campaign was paused
        found = following(
            decoded_rules(campaign["rules"]).retry,
            _OUTCOMES[outcome.status],
            attempts=attempts,
            at_ms=at_ms,
            zones=tuple(recipient["zones"].split()),
            is_permanent=not outcome.is_retryable,
            was_message_left=bool(outcome.details.get("message_left")),
        )
        return {"state": found.state, "due_at_ms": found.not_before_ms or at_ms}


_OUTCOMES: Final[dict[CallStatus, Outcome]] = {
    CallStatus.COMPLETED: "completed",
    CallStatus.NO_ANSWER: "no_answer",
    CallStatus.BUSY: "busy",
    CallStatus.REJECTED: "rejected",
    CallStatus.VOICEMAIL: "voicemail",
    CallStatus.SCREENED: "screened",
    CallStatus.FAILED: "failed",
    CallStatus.CANCELED: "canceled",
    CallStatus.EXPIRED: "expired",
    CallStatus.UNCERTAIN: "uncertain",
}


def _asked_to_be_left_alone(transcript: object) -> bool:
    """Whether one of the person's own sentences in a transcript asks for no further calls."""
    return any(map(is_opt_out, _said_by_person(transcript)))


def _said_by_person(transcript: object) -> list[str]:
    try:
        lines = msgspec.convert(transcript, list[dict[str, Any]])
    except msgspec.ValidationError:
        return []
    return [str(line.get("content", "")) for line in lines if line.get("role") in _PERSON]


def _state_after_end(outcome: CallOutcome, campaign_state: str) -> RecipientState:
    if outcome.status is CallStatus.COMPLETED:
        return RecipientState.REACHED
    return RecipientState.EXPIRED if campaign_state == CampaignState.EXPIRED else RecipientState.CANCELED
