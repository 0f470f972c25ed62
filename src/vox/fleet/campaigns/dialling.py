"""Turns recipients that are due into calls: one transaction that looks at them, decides, and submits.

What forbids a call is read in the transaction that submits it, so a number that is put on a list in between is not dialled. The
functions here are units of work: they may run twice before they are committed, so they change nothing but the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from vox.fleet.calls.contract import CallQueue, OutboundCall
from vox.fleet.campaigns import do_not_call, ledger, queries
from vox.fleet.campaigns.plans import CallPlan, decoded_plan, decoded_rules
from vox.fleet.campaigns.rules.breaker import TRIAL_POLL_MS
from vox.fleet.campaigns.rules.decision import DAY_MS, Decision, DialInputs, DialRules, OpenBreaker, PreDial, decide
from vox.fleet.campaigns.rules.pacing import Allowance
from vox.fleet.campaigns.rules.states import CampaignState, RecipientState
from vox.stores.sql import Connection

SCANNED: Final = 500
"""Recipients that one transaction looks at."""
CLAIM_MS: Final = 60_000
"""How long recipients are kept for the operator's check; after that they are due again."""

BreakerScope = Literal["campaign", "provider", "caller_id"]


@dataclass(frozen=True, slots=True)
class BreakerView:
    """How a breaker stood when the round began.

    Args:
        admits: whether a call may be made.
        is_trial: whether only one.
        retry_at_ms: when to ask again, where none may.
    """

    admits: bool
    is_trial: bool = False
    retry_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class DialRound:
    """One round of dialling for one campaign.

    Args:
        campaign_id: of the campaign.
        token: of the lease on it.
        at_ms: now.
        allowance: how many calls pacing allows.
        breakers: by scope and name; one that is missing is closed.
    """

    campaign_id: str
    token: int
    at_ms: int
    allowance: Allowance
    breakers: Mapping[tuple[BreakerScope, str], BreakerView] = field(
        default_factory=dict[tuple[BreakerScope, str], BreakerView]
    )


@dataclass(frozen=True, slots=True)
class Submitted:
    """A call that was submitted."""

    call_id: str
    provider: str
    caller_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A recipient that is kept for this bridge until the operator's check has answered.

    Args:
        recipient_id: of the recipient.
        fence: of the claim; a later claim has a higher one.
        number: to be called.
        variables: for the bot.
        attempt: which call to the recipient it would be, from 1.
    """

    recipient_id: int
    fence: int
    number: str
    variables: Mapping[str, str]
    attempt: int


@dataclass(slots=True)
class RoundResult:
    """What a round did.

    Args:
        is_current: False where another bridge has the campaign now, or it does not run any more.
        scanned: recipients that were due.
        submitted: calls.
        claims: recipients to ask the operator's check about.
        reasons: how often each verdict and reason came.
    """

    is_current: bool = True
    scanned: int = 0
    submitted: list[Submitted] = field(default_factory=list[Submitted])
    claims: list[Claim] = field(default_factory=list[Claim])
    reasons: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])


def dial_due(connection: Connection, queue: CallQueue, one: DialRound) -> RoundResult:
    """Decides about recipients that are due until the round's calls are used up."""
    deciding = _Deciding.begun(connection, queue, one)
    if deciding is None:
        return RoundResult(is_current=False)
    rows = queries.due_recipients(connection, one.campaign_id, one.at_ms, SCANNED)
    return deciding.about(rows, {})


def dial_checked(
    connection: Connection, queue: CallQueue, one: DialRound, claims: Sequence[Claim], answers: Mapping[int, PreDial]
) -> RoundResult:
    """Decides again about recipients that the operator's check was asked about.

    Args:
        connection: of the transaction.
        queue: takes the calls.
        one: the round; its allowance is what the claims were made for.
        claims: of this bridge; those that have passed to another one are left alone.
        answers: of the check, by recipient.
    """
    deciding = _Deciding.begun(connection, queue, one)
    if deciding is None:
        return RoundResult(is_current=False)
    rows = queries.claimed_recipients(connection, {claim.recipient_id: claim.fence for claim in claims}, one.at_ms)
    return deciding.about(rows, answers)


_ENDS: Final = {
    "campaign_expired": RecipientState.EXPIRED,
    "max_attempts": RecipientState.EXHAUSTED,
    "unknown_zone": RecipientState.NOT_CALLABLE,
    "window_never_opens": RecipientState.NOT_CALLABLE,
    "pre_dial_denied": RecipientState.NOT_CALLABLE,
}


def state_after_never(reason: str) -> RecipientState:
    """The state of a recipient who is not called in this campaign any more."""
    return RecipientState.DO_NOT_CALL if reason.startswith("do_not_call") else _ENDS[reason]


class _Deciding:
    def __init__(self, connection: Connection, queue: CallQueue, one: DialRound, campaign: queries.Row) -> None:
        self._connection = connection
        self._queue = queue
        self._round = one
        self._campaign = campaign
        self._rules: DialRules = decoded_rules(campaign["rules"])
        self._plan: CallPlan = decoded_plan(campaign["plan"])
        self._trials: set[tuple[BreakerScope, str]] = set()
        self._result = RoundResult()
        self._calls: list[_Planned] = []
        self._decisions: list[_Decided] = []
        self._changes: list[dict[str, object]] = []

    @classmethod
    def begun(cls, connection: Connection, queue: CallQueue, one: DialRound) -> "_Deciding | None":
        if not queries.take_fence(connection, one.campaign_id, one.token):
            return None
        campaign = queries.find_campaign(connection, one.campaign_id)
        if campaign is None or campaign["state"] != CampaignState.RUNNING:
            return None
        return cls(connection, queue, one, campaign)

    def about(self, rows: Sequence[queries.Row], answers: Mapping[int, PreDial]) -> RoundResult:
        result, at_ms = self._result, self._round.at_ms
        result.scanned = len(rows)
        if not rows:
            return result
        numbers = [row["number"] for row in rows]
        tenant = self._campaign["tenant"]
        listed = do_not_call.scopes_of(self._connection, numbers, tenant, self._round.campaign_id)
        recent = queries.recent_attempts(self._connection, tenant, numbers, at_ms - queries.THIRTY_DAYS_MS)
        left = self._round.allowance.calls
        for row in rows:
            if left < 1:
                break
            inputs = self._inputs(row, listed.get(row["number"], ()), recent.get(row["number"], []), left, answers)
            decision = decide(self._rules, inputs)
            key = (decision.verdict, decision.reason)
            result.reasons[key] = result.reasons.get(key, 0) + 1
            if decision.verdict == "ask":
                self._claim(row)
                left -= 1
            elif decision.verdict == "dial":
                self._decisions.append(_Decided(row["id"], inputs, decision, self._plan_call(row, inputs)))
                left -= 1
            else:
                self._put_off(row, decision)
                self._decisions.append(_Decided(row["id"], inputs, decision, None))
        self._write()
        return result

    def _inputs(
        self,
        row: queries.Row,
        listed: Sequence[str],
        recent: Sequence[tuple[int, bool]],
        left: int,
        answers: Mapping[int, PreDial],
    ) -> DialInputs:
        at_ms = self._round.at_ms
        breakers = [found for key in self._common() if (found := self._blocked(key)) is not None]
        caller_id, blocked = self._caller_id(row)
        if blocked is not None:
            breakers.append(blocked)
        return DialInputs(
            at_ms=at_ms,
            campaign_state=self._campaign["state"],
            expires_at_ms=self._campaign["expires_at_ms"],
            zones=tuple(row["zones"].split()),
            region=row["region"],
            do_not_call=tuple(listed),
            attempts=row["attempts"],
            last_day=tuple(started for started, _ in recent if started > at_ms - DAY_MS),
            last_30_days=len(recent),
            is_in_call=any(is_open for _, is_open in recent),
            breakers=tuple(breakers),
            caller_id=caller_id,
            provider=self._plan.provider,
            pre_dial=answers.get(row["id"], "not_asked"),
            allowed=left,
            limited_by=self._round.allowance.limited_by,
        )

    def _common(self) -> tuple[tuple[BreakerScope, str], ...]:
        return ("campaign", self._round.campaign_id), ("provider", self._plan.provider)

    def _blocked(self, key: tuple[BreakerScope, str]) -> OpenBreaker | None:
        view = self._round.breakers.get(key)
        if view is None or (view.admits and key not in self._trials):
            return None
        retry_at_ms = self._round.at_ms + TRIAL_POLL_MS if view.admits else view.retry_at_ms
        return OpenBreaker(key[0], retry_at_ms)

    def _caller_id(self, row: queries.Row) -> tuple[str, OpenBreaker | None]:
        """The caller ids take turns, by recipient and attempt, so that the choice can be repeated; blocked ones are passed over."""
        ids = self._plan.caller_ids
        if not ids:
            return "", None
        first = (row["id"] + row["submissions"]) % len(ids)
        blocked: list[OpenBreaker] = []
        for caller_id in (*ids[first:], *ids[:first]):
            found = self._blocked(("caller_id", caller_id))
            if found is None:
                return caller_id, None
            blocked.append(found)
        return "", min(blocked, key=lambda one: one.retry_at_ms)

    def _plan_call(self, row: queries.Row, inputs: DialInputs) -> "_Planned":
        plan, submission = self._plan, row["submissions"] + 1
        call = OutboundCall(
            to=row["number"],
            from_=inputs.caller_id,
            bot_id=self._campaign["bot_id"],
            contact_key=contact_key(self._round.campaign_id, row["id"], submission),
            call_class="campaign",
            variables={**plan.variables, **_variables(row)},
            provider=plan.provider,
            ring_timeout_s=self._rules.ring_timeout_s,
            max_duration_s=plan.max_duration_s,
            amd=plan.amd,
            on_machine=plan.on_machine,
            webhook_url=plan.webhook_url,
            metadata={**plan.metadata, "campaign_id": self._round.campaign_id, "recipient_id": row["id"]},
            expires_at_ms=self._round.at_ms + self._rules.dial_within_s * 1000,
        )
        self._change(
            row,
            state=RecipientState.IN_CALL.value,
            submissions=submission,
            attempts=row["attempts"] + 1,
            claim_until_ms=0,
        )
        own: tuple[BreakerScope, str] = ("caller_id", inputs.caller_id)
        for key in (*self._common(), own):
            if (view := self._round.breakers.get(key)) is not None and view.is_trial:
                self._trials.add(key)
        planned = _Planned(row["id"], submission, call)
        self._calls.append(planned)
        return planned

    def _claim(self, row: queries.Row) -> None:
        fence = row["fence"] + 1
        self._change(row, claim_until_ms=self._round.at_ms + CLAIM_MS, fence=fence)
        variables = {**self._plan.variables, **_variables(row)}
        self._result.claims.append(Claim(row["id"], fence, row["number"], variables, row["attempts"] + 1))

    def _put_off(self, row: queries.Row, decision: Decision) -> None:
        if decision.verdict == "later":
            self._change(row, due_at_ms=max(decision.not_before_ms, self._round.at_ms), claim_until_ms=0)
        else:
            self._change(row, state=state_after_never(decision.reason).value, claim_until_ms=0)

    def _change(self, row: queries.Row, **values: object) -> None:
        columns = ("state", "due_at_ms", "attempts", "submissions", "claim_until_ms", "fence")
        self._changes.append({"id": row["id"]} | {name: values.get(name, row[name]) for name in columns})

    def _write(self) -> None:
        connection, campaign_id = self._connection, self._round.campaign_id
        for planned, call_id in zip(self._calls, self._submitted(), strict=True):
            planned.call_id = call_id
            self._result.submitted.append(Submitted(call_id, planned.call.provider, planned.call.from_))
        queries.change_recipients(connection, self._changes)
        queries.insert_attempts(connection, [self._attempt(planned) for planned in self._calls])
        if self._calls and not self._campaign["first_dial_ms"]:
            queries.change_campaign(connection, campaign_id, {"first_dial_ms": self._round.at_ms})
        if self._decisions:
            entries = [self._entry(one) for one in self._decisions]
            queries.insert_entries(connection, ledger.chained(entries, queries.last_digest(connection, campaign_id)))

    def _submitted(self) -> Sequence[str]:
        return (
            self._queue.submit_all(self._connection, [planned.call for planned in self._calls]) if self._calls else ()
        )

    def _attempt(self, planned: "_Planned") -> dict[str, object]:
        return {
            "call_id": planned.call_id,
            "campaign_id": self._round.campaign_id,
            "recipient_id": planned.recipient_id,
            "submission": planned.submission,
            "tenant": self._campaign["tenant"],
            "number": planned.call.to,
            "provider": planned.call.provider,
            "caller_id": planned.call.from_,
            "started_at_ms": self._round.at_ms,
            "is_open": True,
            "is_dialled": True,
            "outcome": "",
            "is_answered": False,
            "is_abandoned": False,
            "ended_at_ms": 0,
        }

    def _entry(self, one: "_Decided") -> ledger.Entry:
        call_id = "" if one.planned is None else one.planned.call_id
        digest = self._campaign["rules_digest"]
        return ledger.entry(self._round.campaign_id, one.recipient_id, call_id, digest, one.inputs, one.decision)


@dataclass(slots=True)
class _Planned:
    """A call that is to be submitted with the others of the round; it has its id afterwards."""

    recipient_id: int
    submission: int
    call: OutboundCall
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class _Decided:
    recipient_id: int
    inputs: DialInputs
    decision: Decision
    planned: _Planned | None


def contact_key(campaign_id: str, recipient_id: int, submission: int) -> str:
    """What must be dialled once only."""
    return f"{campaign_id}:{recipient_id}:{submission}"


def _variables(row: queries.Row) -> dict[str, str]:
    return msgspec.json.decode(row["variables"], type=dict[str, str])
