"""How many dial decisions a second campaigns make with 100,000 recipients, how long a round takes, and in how much memory.

    python bench/campaigns.py [--recipients 100000] [--calls 20000] [--database sqlite:///FILE | postgresql://…]

Everything but the carriers and the workers is the product's: an import of a CSV file, then rounds of the runner that decide about
every recipient, submit the calls and write the ledger, and the outcomes of the calls. Three kinds of recipients are measured: those who are
called, those whose hours have not begun (each is put off), and those on a do-not-call list. Time is the benchmark's own, so no
round waits for a limit of pacing; the figures are seconds of this machine. Run it on an idle one.
"""

import argparse
import asyncio
import gc
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from vox.fleet.calls.contract import CallStatus
from vox.fleet.calls.journal import CallJournal
from vox.fleet.calls.state_machine import AttemptEnded, DialBegan
from vox.fleet.campaigns.dialling import Claim
from vox.fleet.campaigns.imports.importing import Imports, ListTarget, RecipientTarget
from vox.fleet.campaigns.outcomes import CampaignOutcomes
from vox.fleet.campaigns.plans import CallPlan
from vox.fleet.campaigns.rules.decision import PreDial
from vox.fleet.campaigns.rules.pacing import PacingRules
from vox.fleet.campaigns.rules.states import CampaignEvent
from vox.fleet.campaigns.runner import CampaignRunner, Parts
from vox.fleet.campaigns.schemas import CampaignForm, RulesForm, WindowForm
from vox.fleet.campaigns.service import Campaigns
from vox.fleet.database.migrations.prepare import prepare
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics
from vox.stores.leases import SqlLeases
from vox.stores.sql import Connection, SqlDatabase

NOON = datetime(2026, 3, 4, 17, tzinfo=UTC)  # in New York
BATCH = 1000


class BenchClock(Clock):
    """Wall time that the benchmark moves."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> float:
        """See `Clock`."""
        return (self.at - NOON).total_seconds()

    def wall(self) -> datetime:
        """See `Clock`."""
        return self.at


class NoCheck:
    """No check of the operator's."""

    async def ask(self, campaign_id: str, plan: CallPlan, claim: Claim) -> PreDial:
        """See `PreDialCheck`."""
        return "allowed"


async def csv_file(count: int, first: int = 0) -> AsyncIterator[bytes]:
    yield b"number,name\n"
    for start in range(first, first + count, 500):
        yield b"".join(b"+1212%07d,Ann\n" % (2_000_000 + n) for n in range(start, min(start + 500, first + count)))


class Bench:
    """The campaigns of a bridge, and carriers that answer every call at once."""

    def __init__(self, database: SqlDatabase, most_calls: int) -> None:
        self.most_calls = most_calls
        self.clock = BenchClock()
        self.database = database
        self.metrics = Metrics()
        self.journal = CallJournal(self.clock, self.metrics)
        outcomes = CampaignOutcomes(self.clock)
        self.journal.add_outcome_hook(outcomes.on_outcome)
        self.journal.add_dial_gate(outcomes.may_dial)
        self.leases = SqlLeases(database, self.clock)
        self.runner = CampaignRunner(
            Parts(
                database,
                self.journal,
                self.leases,
                self.clock,
                self.metrics,
                NoCheck(),
                lambda: BATCH,
                lambda _: None,
                "bench",
            )
        )
        self.campaigns = Campaigns(
            database,
            self.journal,
            self.clock,
            bot_exists=lambda *_: True,
            carrier_of=lambda name: (name or "twilio", ""),
            check_url=lambda _: None,
        )
        self.imports = Imports(database, self.clock)

    async def campaign(self, name: str, count: int, windows: tuple[WindowForm, ...]) -> str:
        """A campaign that has been started, with its import measured."""
        rules = RulesForm(windows=windows, pacing=PacingRules(max_concurrent=10_000, calls_per_s=BATCH))
        form = CampaignForm(name=name, bot_id="bench", rules=rules, caller_ids=("+12125550100",))
        campaign_id = (await self.campaigns.create(form))["id"]
        began = time.perf_counter()
        done = await self.imports.run(f"imp-{name}", RecipientTarget(campaign_id), csv_file(count))
        took = time.perf_counter() - began
        print(f"{name}: imported {done['accepted']:,} rows, {done['accepted'] / took:,.0f} rows/s, {memory()}")
        await self.campaigns.change_state(campaign_id, CampaignEvent.START)
        await self.runner.tick()
        return campaign_id

    async def decisions(self) -> int:
        """How many decisions the ledger has."""
        query = text("SELECT count(*) FROM bridge_dial_ledger")
        return await self.database.read(lambda connection: connection.execute(query).scalar_one())

    async def run(self, name: str, count: int, windows: tuple[WindowForm, ...]) -> None:
        """Measures rounds until every recipient has been decided about."""
        campaign_id = await self.campaign(name, count, windows)
        before, rounds, ended_s, calls = await self.decisions(), list[float](), 0.0, 0
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        while True:
            self.clock.at += timedelta(seconds=1)
            started = time.perf_counter()
            await self.runner.tick()
            rounds.append(time.perf_counter() - started)
            started = time.perf_counter()
            ended = await self.end_calls()
            ended_s += time.perf_counter() - started
            calls += ended
            due = (await self.campaigns.recipients(campaign_id, limit=1, after=0, state="pending"))[:1]
            if calls >= self.most_calls:
                break
            if not ended and (not due or await self.all_put_off(campaign_id)):
                break
        took, cpu = time.perf_counter() - began - ended_s, time.process_time() - cpu
        made = await self.decisions() - before
        rounds.sort()
        print(
            f"{name}: {made:,} decisions ({calls:,} calls), {made / took:,.0f} decisions/s, {made / cpu:,.0f} per CPU second"
            f" (outcomes included), round p50 {rounds[len(rounds) // 2] * 1000:.0f} ms"
            f" p99 {rounds[int(len(rounds) * 0.99)] * 1000:.0f} ms, {memory()}"
        )
        if await self.is_open(campaign_id):
            await self.campaigns.change_state(campaign_id, CampaignEvent.CANCEL)

    async def is_open(self, campaign_id: str) -> bool:
        """Whether the campaign still runs."""
        return (await self.campaigns.get(campaign_id))["state"] == "running"

    async def all_put_off(self, campaign_id: str) -> bool:
        """Whether no recipient is due."""
        query = text(
            "SELECT count(*) FROM bridge_campaign_recipients WHERE campaign_id = :id AND state = 'pending' AND due_at_ms <= :now"
        )
        values = {"id": campaign_id, "now": self.clock.unix_ms()}
        return not await self.database.read(lambda connection: connection.execute(query, values).scalar_one())

    async def end_calls(self) -> int:
        """Every call is answered and over at once."""
        query = text("SELECT id FROM bridge_calls WHERE status = 'queued'")

        def unit(connection: Connection) -> int:
            ids = list(connection.execute(query).scalars())
            for call_id in ids:
                self.journal.apply(connection, call_id, DialBegan())
                self.journal.apply(connection, call_id, AttemptEnded(CallStatus.COMPLETED))
            return len(ids)

        return await self.database.write(unit, deadline_s=600)


def memory() -> str:
    """The process' own memory at this moment, and the most with the mapped pages of the database's file."""
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{own / 1024:,.0f} MB, at most {most / 1024:,.0f} MB with the database's mapped pages"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=20_000, help="calls to make, of those to all recipients")
    parser.add_argument("--database")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = args.database or f"sqlite:///{Path(folder) / 'bridge.db'}"
        async with SqlDatabase(url) as database:
            await prepare(database)
            bench = Bench(database, args.calls)
            await bench.leases.create()
            print(f"{args.recipients:,} recipients each, {url.partition(':')[0]}, at the start {memory()}")
            open_now, opens_later = (WindowForm(),), (WindowForm("18:00", "21:00"),)
            await bench.run("called", args.recipients, open_now)
            await bench.run("put off", args.recipients, opens_later)
            await bench.imports.run("listed", ListTarget("global"), csv_file(args.recipients))
            await bench.run("listed", args.recipients, open_now)


if __name__ == "__main__":
    asyncio.run(main())
