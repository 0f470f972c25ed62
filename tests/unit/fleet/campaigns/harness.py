"""A campaign on a real database, with carriers and a fleet that a test plays; time is the test's."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Integer, func, select, update

from tests.fakes.clock import FakeClock
from vox.errors import UsageError
from vox.fleet.calls.contract import FINAL, CallOutcome, CallStatus, DialGate, OutboundCall, OutcomeHook
from vox.fleet.campaigns.dialling import Claim
from vox.fleet.campaigns.outcomes import CampaignOutcomes
from vox.fleet.campaigns.plans import CallPlan
from vox.fleet.campaigns.rules.decision import PreDial
from vox.fleet.campaigns.rules.states import CampaignEvent
from vox.fleet.campaigns.runner import CampaignRunner, Parts
from vox.fleet.campaigns.schemas import CampaignForm, RecipientForm, RecipientsForm
from vox.fleet.campaigns.service import Campaigns
from vox.fleet.database.migrations.prepare import prepare
from vox.fleet.database.schema import attempts, calls
from vox.runtime.metrics import Metrics
from vox.stores.leases import Leases, SqlLeases
from vox.stores.sql import Connection, SqlDatabase

NOON_IN_NEW_YORK = datetime(2026, 3, 4, 17, tzinfo=UTC)  # a Wednesday
FINAL_VALUES = sorted(FINAL)


class PlayedQueue:
    """Implements `CallQueue` over the real tables of calls; the test says what becomes of each call.

    Args:
        clock: for the times.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.hooks: list[OutcomeHook] = []
        self.gates: list[DialGate] = []
        self.woken = 0
        self._number = 0

    def submit(self, connection: Connection, call: OutboundCall) -> str:
        known = connection.execute(select(calls.c.id).where(calls.c.contact_key == call.contact_key)).scalar()
        if known is not None:
            return known
        self._number = connection.execute(select(func.count()).select_from(calls)).scalar_one() + 1
        values: dict[str, Any] = {
            "id": f"call_{self._number:024x}",
            "contact_key": call.contact_key,
            "call_class": call.call_class,
            "status": CallStatus.QUEUED,
            "to_number": call.to,
            "from_number": call.from_,
            "bot_id": call.bot_id,
            "provider": call.provider,
            "request": msgspec.json.encode(call).decode(),
            "expires_at_ms": call.expires_at_ms,
            "created_at_ms": self.clock.unix_ms(),
        }
        connection.execute(calls.insert().values(_defaults() | values))
        return values["id"]

    def submit_all(self, connection: Connection, batch: Sequence[OutboundCall]) -> list[str]:
        return [self.submit(connection, call) for call in batch]

    def wake(self) -> None:
        self.woken += 1

    def add_outcome_hook(self, hook: OutcomeHook) -> None:
        self.hooks.append(hook)

    def add_dial_gate(self, gate: DialGate) -> None:
        self.gates.append(gate)

    def cancel(self, connection: Connection, call_id: str) -> None:
        self.end(connection, call_id, CallStatus.CANCELED)

    def set_status(self, connection: Connection, call_id: str, status: CallStatus, worker_id: str = "") -> None:
        """Moves a call on; with the first status past the queue the carrier has been asked."""
        connection.execute(update(calls).where(calls.c.id == call_id).values(status=status, worker_id=worker_id))
        known = select(attempts.c.call_id).where(attempts.c.call_id == call_id)
        if status is not CallStatus.QUEUED and connection.execute(known).first() is None:
            row = {"call_id": call_id, "attempt": 1, "tag": call_id, "provider": "", "status": "", "reason": ""}
            connection.execute(
                attempts.insert().values(row | {"carrier_call_id": "", "placement": "", "started_at_ms": 0})
            )

    def end(self, connection: Connection, call_id: str, status: CallStatus, **outcome: Any) -> None:
        """Ends a call, once, as the journal of calls does: the hooks hear of it in the same transaction."""
        row = connection.execute(select(calls).where(calls.c.id == call_id)).mappings().one()
        if row["status"] in FINAL:
            return
        if status not in {CallStatus.CANCELED, CallStatus.EXPIRED}:
            self.set_status(connection, call_id, status)
        now = self.clock.unix_ms()
        connection.execute(update(calls).where(calls.c.id == call_id).values(status=status, ended_at_ms=now))
        if status is CallStatus.COMPLETED:
            outcome = {"answered_at_ms": now, "answered_by": "human"} | outcome
        for hook in self.hooks:
            hook(connection, CallOutcome(call_id, row["contact_key"], "campaign", status, ended_at_ms=now, **outcome))


class PlayedCheck:
    """Implements `PreDialCheck`; answers what the test says."""

    def __init__(self) -> None:
        self.answers: dict[str, PreDial] = {}
        self.asked: list[str] = []
        self.before: Callable[[], Any] | None = None

    async def ask(self, campaign_id: str, plan: CallPlan, claim: Claim) -> PreDial:
        self.asked.append(claim.number)
        if self.before is not None:
            await self.before()
        return self.answers.get(claim.number, "allowed")


@dataclass
class World:
    """A bridge's campaigns."""

    database: SqlDatabase
    clock: FakeClock
    queue: PlayedQueue
    check: PlayedCheck
    leases: Leases
    metrics: Metrics
    runner: CampaignRunner = field(init=False)
    campaigns: Campaigns = field(init=False)
    free: int | None = 1000
    provider_rate: float | None = None

    def __post_init__(self) -> None:
        self.runner = self.another_runner("bridge-1")
        self.campaigns = self.service(self.runner)

    def service(self, runner: CampaignRunner | None) -> Campaigns:
        return Campaigns(
            self.database,
            self.queue,
            self.clock,
            bot_exists=lambda _, bot_id: bot_id == "support",
            carrier_of=lambda name: (name or "twilio", ""),
            check_url=_check_url,
            runner=runner,
        )

    def another_runner(self, holder: str) -> CampaignRunner:
        parts = Parts(
            self.database,
            self.queue,
            self.leases,
            self.clock,
            self.metrics,
            self.check,
            lambda: self.free,
            lambda _: self.provider_rate,
            holder,
        )
        return CampaignRunner(parts)

    def limited_by(self, campaign_id: str) -> str:
        """What limited a campaign in its last round."""
        limit = self.runner.limit_of(campaign_id)
        return "" if limit is None else limit.limited_by

    @property
    def suspended_for(self) -> str:
        """Why nothing is dialled."""
        return "" if self.runner.suspension is None else self.runner.suspension.reason

    async def tick(self, seconds: float = 1.0, runner: CampaignRunner | None = None) -> None:
        """Lets time pass, then runs one round, and its checks to their end."""
        self.clock.advance(seconds)
        one = runner or self.runner
        await one.tick()
        for task in list(one._checks.values()):
            await task

    async def campaign(self, numbers: list[str], *, start: bool = True, zone: str = "", **form: Any) -> str:
        """A campaign with recipients; running."""
        body = {"name": "spring", "bot_id": "support", "provider": "twilio", **form}
        made = await self.campaigns.create(msgspec.convert(body, CampaignForm))
        campaign_id = made["id"]
        people = [RecipientForm(number, zone) for number in numbers]
        if people:
            added = await self.campaigns.add_recipients(campaign_id, RecipientsForm(people))
            assert added["rejected"] == 0, added
        if start:
            await self.campaigns.change_state(campaign_id, CampaignEvent.START)
            await self.runner.tick()  # its rate begins with nothing to spend
        return campaign_id

    async def calls(self, status: CallStatus | None = None) -> list[str]:
        """Ids of all calls, or of those in a status, the oldest first."""
        query = select(calls.c.id).order_by(calls.c.id)
        if status is not None:
            query = query.where(calls.c.status == status)
        return list(await self.database.read(lambda connection: connection.execute(query).scalars().all()))

    async def open_calls(self) -> list[str]:
        """Ids of all calls that are not over."""
        query = select(calls.c.id).where(calls.c.status.not_in(FINAL_VALUES)).order_by(calls.c.id)
        return list(await self.database.read(lambda connection: connection.execute(query).scalars().all()))

    async def dialled(self) -> list[str]:
        """The numbers of all calls, in order."""
        query = select(calls.c.to_number).order_by(calls.c.id)
        return list(await self.database.read(lambda connection: connection.execute(query).scalars().all()))

    async def end(self, call_id: str, status: CallStatus, **outcome: Any) -> None:
        await self.database.write(lambda connection: self.queue.end(connection, call_id, status, **outcome))

    async def happens(self, answers: list[str], ends: list[tuple[str, CallStatus, str]]) -> None:
        """Many calls are answered, and many end."""

        def unit(connection: Connection) -> None:
            for call in answers:
                self.queue.set_status(connection, call, CallStatus.IN_PROGRESS, "worker-1")
            for call, status, reason in ends:
                self.queue.end(connection, call, status, reason=reason)

        await self.database.write(unit)

    async def becomes(self, call_id: str, status: CallStatus, worker_id: str = "") -> None:
        await self.database.write(lambda connection: self.queue.set_status(connection, call_id, status, worker_id))

    async def states(self, campaign_id: str) -> dict[str, int]:
        """How many recipients are in which state."""
        return (await self.campaigns.get(campaign_id))["progress"]["recipients"]

    async def state(self, campaign_id: str) -> str:
        return (await self.campaigns.get(campaign_id))["state"]

    async def recipient(self, campaign_id: str) -> dict[str, Any]:
        """The first recipient."""
        return dict((await self.campaigns.recipients(campaign_id, limit=1, after=0, state=""))[0])


@asynccontextmanager
async def world(url: str = "sqlite://", wall: datetime = NOON_IN_NEW_YORK) -> AsyncGenerator[World, None]:
    """The campaigns of a bridge on a database with its tables."""
    clock = FakeClock(wall=wall)
    async with SqlDatabase(url) as database:
        await prepare(database)
        leases = SqlLeases(database, clock)
        await leases.create()
        queue = PlayedQueue(clock)
        outcomes = CampaignOutcomes(clock)
        queue.add_outcome_hook(outcomes.on_outcome)
        queue.add_dial_gate(outcomes.may_dial)
        yield World(database, clock, queue, PlayedCheck(), leases, Metrics())


def new_yorkers(count: int, first: int = 0) -> list[str]:
    """Numbers of New York's area."""
    return [f"+1212555{number:04}" for number in range(first, first + count)]


def _check_url(url: str) -> None:
    if not url.startswith("https://"):
        raise UsageError("not https", code="url_refused")


def _defaults() -> dict[str, Any]:
    """A value for every column of a call that may not be empty."""
    found: dict[str, Any] = {}
    for column in calls.columns:
        if column.nullable:
            continue
        if isinstance(column.type, Boolean):
            found[column.name] = False
        elif isinstance(column.type, BigInteger | Integer):
            found[column.name] = 0
        else:
            found[column.name] = ""
    return found
