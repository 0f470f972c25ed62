"""Runs the campaigns of a bridge: once a second it looks at what is due and submits as many calls as all limits allow.

Several bridges share the campaigns by leases; each dial carries the lease's token, so a bridge that was paused dials nothing for a
campaign that has gone on elsewhere. Where the database, the leases or the fleet cannot be read, nothing is dialled (`suspension` says why) and
the runner goes on by itself when they are back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from vox.errors import DependencyError
from vox.fleet.calls.contract import CallQueue, CallStatus
from vox.fleet.campaigns import lifecycle, queries
from vox.fleet.campaigns.dialling import Claim, DialRound, RoundResult, dial_checked, dial_due
from vox.fleet.campaigns.metrics import ABANDONED, DECISIONS, OPEN_CALLS, RUNNING, SUSPENDED
from vox.fleet.campaigns.pacer import Pacer
from vox.fleet.campaigns.plans import CallPlan, decoded_plan, decoded_rules
from vox.fleet.campaigns.pre_dial import PreDialCheck
from vox.fleet.campaigns.rules.abandon import AbandonCount, period_start_ms
from vox.fleet.campaigns.rules.decision import DialRules, PreDial
from vox.fleet.campaigns.rules.pacing import Allowance, Load
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import cancel_and_wait, periodic
from vox.stores.leases import Leases
from vox.stores.sql import SqlDatabase

TICK_S: Final = 1.0
LEASE_S: Final = 15.0
MOST_SCANS: Final = 8
"""Transactions of one campaign in one round: where most recipients are put off, the next ones are looked at."""
OUTCOMES_READ: Final = 5_000
OVERLAP_MS: Final = 5_000
"""Outcomes are read again for so long, because a transaction may be committed after a later one."""
REMEMBERED_MS: Final = 120_000
CHECKS_AT_ONCE: Final = 20

_ANSWERED: Final = frozenset({CallStatus.ANSWERED.value, CallStatus.IN_PROGRESS.value})

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why nothing is dialled at present.

    Args:
        since_ms: when it began.
        reason: what cannot be read.
    """

    since_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a runner works with.

    Args:
        database: open while the runner is.
        queue: takes the calls.
        leases: on campaigns.
        clock: for everything.
        metrics: of the process.
        check: the operator's check before calls.
        free_slots: how many calls of campaigns the fleet could take now; None where that is not known.
        provider_rate: calls a second that a carrier allows; None for no limit.
        holder: a name for this bridge that no other one has.
    """

    database: SqlDatabase
    queue: CallQueue
    leases: Leases
    clock: Clock
    metrics: Metrics
    check: PreDialCheck
    free_slots: Callable[[], int | None]
    provider_rate: Callable[[str], float | None]
    holder: str


@dataclass(frozen=True, slots=True)
class _Campaign:
    id: str
    token: int
    plan: CallPlan
    rules: DialRules
    first_dial_ms: int


class CampaignRunner:
    """Dials for campaigns while the block runs."""

    def __init__(self, parts: Parts, *, tick_s: float = TICK_S) -> None:
        self._parts = parts
        self._tick_s = tick_s
        self._pacer = Pacer(parts.provider_rate)
        self._held: set[str] = set()
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._read_until_ms = 0
        self._turn = 0
        self._stack = AsyncExitStack()
        self._suspension: Suspension | None = None
        self._limits: dict[str, Allowance] = {}

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(periodic(self._tick_s, self.tick, "campaigns"))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()
        await cancel_and_wait(*self._checks.values())
        self._checks.clear()
        try:
            await self._parts.leases.release(self._parts.holder)
        except DependencyError as error:
            _log.warning("the campaigns could not be handed back; their leases will end by themselves", code=error.code)

    @property
    def suspension(self) -> Suspension | None:
        """Why nothing is dialled for any campaign at present; None where all is well."""
        return self._suspension

    def limit_of(self, campaign_id: str) -> Allowance | None:
        """What limited a campaign in its last round; None where this bridge does not dial for it."""
        return self._limits.get(campaign_id)

    def ratio_of(self, campaign_id: str) -> float:
        """Ringing calls for each free agent at present."""
        return self._pacer.ratio(campaign_id)

    async def tick(self) -> None:
        """One round over all campaigns."""
        try:
            reason = await self._round()
        except DependencyError as error:
            reason = f"{error.code}: {error.args[0]}"
        self._note_suspension(reason)

    def _note_suspension(self, reason: str) -> None:
        was, at_ms = self._suspension, self._parts.clock.unix_ms()
        if reason and was is None:
            self._suspension = Suspension(at_ms, reason)
            _log.warning("campaigns are suspended", reason=reason)
        elif not reason and was is not None:
            self._suspension = None
            _log.info("campaigns go on", suspended_s=(at_ms - was.since_ms) // 1000)
        self._parts.metrics.gauge(SUSPENDED).set(0 if self._suspension is None else 1)

    async def _round(self) -> str:
        database, at_ms = self._parts.database, self._parts.clock.unix_ms()
        await database.write(partial(lifecycle.advance, at_ms=at_ms))
        running = await self._running()
        await self._read_outcomes({one.id: one.rules for one in running}, at_ms)
        self._parts.metrics.gauge(RUNNING).set(len(running))
        if not running:
            self._parts.metrics.gauge(OPEN_CALLS).set(0)
            return ""
        free = self._parts.free_slots()
        if free is None:
            return "fleet_unknown: no worker is heard, so it is not known how many calls the fleet could take"
        loads = await self._loads(running, free)
        self._turn += 1  # campaigns take turns at the front, because the first one gets the free slots
        start = self._turn % len(running)
        for one in [*running[start:], *running[:start]]:
            if one.id not in self._checks:
                await self._dial(one, loads, at_ms)
        return ""

    async def _running(self) -> list[_Campaign]:
        rows = await self._parts.database.read(lambda connection: queries.campaigns_in(connection, lifecycle.DIALLING))
        names = {f"campaign:{row['id']}": row for row in rows}
        held = await self._parts.leases.acquire(list(names), self._parts.holder, LEASE_S)
        found = [
            _Campaign(
                row["id"], held[name], decoded_plan(row["plan"]), decoded_rules(row["rules"]), row["first_dial_ms"]
            )
            for name, row in names.items()
            if name in held
        ]
        ids = {one.id for one in found}
        for campaign_id in self._held - ids:
            self._pacer.forget(campaign_id)
            self._limits.pop(campaign_id, None)
        for campaign_id in ids - self._held:
            self._pacer.begin(campaign_id)
        self._held = ids
        return found

    async def _read_outcomes(self, rules: Mapping[str, DialRules], at_ms: int) -> None:
        since_ms = max(self._read_until_ms - OVERLAP_MS, at_ms - REMEMBERED_MS)
        rows = await self._parts.database.read(
            lambda connection: queries.attempts_ended_since(connection, since_ms, OUTCOMES_READ)
        )
        if rows:
            self._read_until_ms = rows[-1]["ended_at_ms"]
        abandoned = self._pacer.note_outcomes(rows, rules)
        if abandoned:
            self._parts.metrics.counter(ABANDONED).inc(abandoned)

    async def _loads(self, running: Sequence[_Campaign], free: int) -> dict[str, Load]:
        """What is under way for each campaign; a slot that a waiting call of another campaign will need is not free."""
        ids = [one.id for one in running]
        calls = await self._parts.database.read(lambda connection: queries.open_calls(connection, ids))
        self._parts.metrics.gauge(OPEN_CALLS).set(len(calls))
        answered, ringing, held = (dict.fromkeys(ids, 0) for _ in range(3))
        for campaign_id, _, status, has_slot in calls:
            if status in _ANSWERED:
                answered[campaign_id] += 1
            else:
                ringing[campaign_id] += 1
                held[campaign_id] += has_slot
        waiting = sum(ringing.values()) - sum(held.values())
        return {
            one: Load(ringing[one], answered[one], max(0, free - (waiting - ringing[one] + held[one])), held[one])
            for one in ids
        }

    async def _dial(self, one: _Campaign, loads: dict[str, Load], at_ms: int) -> None:
        count = await self._abandon_count(one, at_ms) if one.rules.pacing.max_ratio > 1 else None
        allowed = self._pacer.allowance(one.id, one.plan, one.rules, loads[one.id], count, at_ms)
        self._limits[one.id] = allowed
        for _ in range(MOST_SCANS):
            if allowed.calls < 1:
                return
            result = await self._submitted(one, allowed, dial_due, at_ms)
            if not result.is_current:
                return
            used = len(result.submitted) + len(result.claims)
            _use(loads, one.id, used)
            if result.claims:
                self._ask(one, result.claims)
            allowed = Allowance(allowed.calls - used, allowed.limited_by)
            if result.scanned == 0:
                await self._parts.database.write(
                    partial(lifecycle.complete_if_done, campaign_id=one.id, at_ms=self._parts.clock.unix_ms())
                )
                return
            if result.claims:
                return

    async def _submitted(
        self, one: _Campaign, allowed: Allowance, unit: "Callable[..., RoundResult]", at_ms: int, *more: object
    ) -> RoundResult:
        breakers = self._pacer.breakers(one.id, one.plan, at_ms)
        dial = DialRound(one.id, one.token, at_ms, allowed, breakers)
        queue = self._parts.queue
        result = await self._parts.database.write(lambda connection: unit(connection, queue, dial, *more))
        self._pacer.note_submitted(one.id, result.submitted, one.rules, at_ms)
        for (verdict, reason), number in result.reasons.items():
            self._parts.metrics.counter(DECISIONS, verdict, reason).inc(number)
        if result.submitted:
            queue.wake()
        return result

    async def _abandon_count(self, one: _Campaign, at_ms: int) -> AbandonCount:
        since_ms = period_start_ms(one.first_dial_ms or at_ms, at_ms)
        return await self._parts.database.read(lambda connection: queries.abandon_count(connection, one.id, since_ms))

    def _ask(self, one: _Campaign, claims: Sequence[Claim]) -> None:
        """Asks the operator's check beside the other campaigns; until it has answered, this campaign waits."""
        task = asyncio.create_task(self._checked(one, claims), name=f"pre-dial {one.id}")
        self._checks[one.id] = task
        task.add_done_callback(lambda _: self._checks.pop(one.id, None))

    async def _checked(self, one: _Campaign, claims: Sequence[Claim]) -> None:
        at_once = asyncio.Semaphore(CHECKS_AT_ONCE)

        async def ask(claim: Claim) -> None:
            async with at_once:
                answers[claim.recipient_id] = await self._parts.check.ask(one.id, one.plan, claim)

        answers: dict[int, PreDial] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for claim in claims:
                    group.create_task(ask(claim))
            allowed = Allowance(len(claims), "checked")
            await self._submitted(one, allowed, dial_checked, self._parts.clock.unix_ms(), claims, answers)
        except DependencyError as error:
            _log.warning(
                "recipients come again: what the check said could not be stored", campaign=one.id, code=error.code
            )
        except Exception:  # noqa: BLE001  the top of a task: the claims end by themselves
            _log.exception("the check of recipients failed", campaign=one.id)


def _use(loads: dict[str, Load], campaign_id: str, calls: int) -> None:
    """Slots that calls of one campaign will need are not free for the others."""
    for one, load in loads.items():
        if one == campaign_id:
            loads[one] = Load(load.ringing + calls, load.answered, load.agents_free, load.agents_held)
        else:
            loads[one] = Load(load.ringing, load.answered, max(0, load.agents_free - calls), load.agents_held)
