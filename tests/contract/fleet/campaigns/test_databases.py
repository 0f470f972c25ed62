"""What campaigns do on SQLite and on PostgreSQL alike: the same rounds, several bridges on one database, the tables' revisions."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, inspect

from tests.e2e.postgres import postgres, postgres_server
from tests.time_limits import time_limit
from tests.unit.fleet.campaigns.harness import new_yorkers, world
from vox.fleet.calls.contract import CallStatus
from vox.fleet.campaigns.imports.importing import Imports, RecipientTarget
from vox.fleet.campaigns.rules.states import CampaignEvent
from vox.fleet.campaigns.schemas import ListedForm
from vox.fleet.database.campaign_tables import metadata
from vox.fleet.database.migrations.prepare import MIGRATIONS, prepare
from vox.stores.migrations import BASE
from vox.stores.sql import SqlDatabase

FAST = {"pacing": {"calls_per_s": 100, "max_concurrent": 100}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bridge.db'}"
        return
    server: str = request.getfixturevalue("cluster")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE campaigns")
        yield f"{server.rpartition('/')[0]}/campaigns"
        admin.execute("DROP DATABASE campaigns WITH (FORCE)")


async def test_a_campaign_runs_to_its_end(url: str):
    async with world(url) as bridge:
        campaign = await bridge.campaign([], start=False, rules=FAST, tenant="acme")

        async def file():
            yield b"number,name\n" + "".join(f"{number},Ann\n" for number in new_yorkers(6)).encode() + b"12,x\n"

        done = await Imports(bridge.database, bridge.clock).run("imp_1", RecipientTarget(campaign), file())
        assert (done["accepted"], done["rejected"], done["errors"][0]["row"]) == (6, 1, 8)
        await bridge.campaigns.list_numbers(ListedForm(new_yorkers(1), "tenant", "acme"))
        await bridge.campaigns.change_state(campaign, CampaignEvent.START)
        await bridge.runner.tick()
        await bridge.tick()
        assert sorted(await bridge.dialled()) == new_yorkers(6)[1:]
        busy, *others = await bridge.open_calls()
        await bridge.end(busy, CallStatus.BUSY)
        for call in others:
            await bridge.end(call, CallStatus.COMPLETED)
        await bridge.tick(301)
        [again] = await bridge.open_calls()
        await bridge.end(again, CallStatus.COMPLETED)
        await bridge.tick()
        assert await bridge.state(campaign) == "completed"
        assert await bridge.states(campaign) == {"reached": 5, "do_not_call": 1}
        entries = await bridge.campaigns.entries(campaign, limit=100, after=0, recipient_id=0)
        assert len(entries) == 7
        assert all(one["is_same"] and one["is_intact"] for one in entries)
        assert len(await bridge.campaigns.page(limit=10)) == 1
        assert (await bridge.campaigns.get(campaign))["progress"]["outcomes"] == {"completed": 5, "busy": 1}


async def test_several_bridges_at_once_dial_nobody_twice(url: str):
    async with world(url) as bridge:
        ids = [await bridge.campaign(new_yorkers(30), rules=FAST, tenant="acme") for _ in range(3)]
        bridge.clock.advance(1)
        runners = [bridge.runner, bridge.another_runner("bridge-2"), bridge.another_runner("bridge-3")]
        for _ in range(3):
            await asyncio.gather(*(runner.tick() for runner in runners))
            bridge.clock.advance(1)
        numbers = await bridge.dialled()
        assert sorted(numbers) == new_yorkers(30), "a person was called by two campaigns at once, or not at all"
        assert sum([(await bridge.states(one)).get("in_call", 0) for one in ids]) == 30


async def test_the_revisions_lead_to_the_tables_of_a_new_database(url: str):
    async with SqlDatabase(url) as database:
        await prepare(database)
        at_once = await database.read(described)

        def drop(connection: Connection) -> None:
            metadata.drop_all(connection)
            connection.exec_driver_sql(f"DROP TABLE {MIGRATIONS.version_table}")

        await database.write(drop)
        await database.write_exclusive(replace(MIGRATIONS, revision_of_unmarked=lambda _: BASE).prepare)
        assert await database.read(described) == at_once


def described(connection: Connection) -> dict[str, Any]:
    """Everything about the campaigns' tables that matters."""
    found = inspect(connection)
    return {
        name: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], one["default"]) for one in found.get_columns(name)
            ],
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "references": [
                (one["constrained_columns"], one["referred_table"], one.get("options"))
                for one in found.get_foreign_keys(name)
            ],
            "unique": [one["column_names"] for one in found.get_unique_constraints(name)],
            "indexes": sorted((one["name"] or "", one["column_names"]) for one in found.get_indexes(name)),
        }
        for name in metadata.tables
    }


async def test_a_database_that_is_away_suspends_campaigns_and_they_go_on_by_themselves():
    with postgres_server() as server:
        async with world(server.url) as bridge:
            await bridge.campaign(new_yorkers(20), rules={"pacing": {"calls_per_s": 2, "max_concurrent": 100}})
            await bridge.tick()
            before = len(await bridge.calls())
            await asyncio.to_thread(server.stop)
            for _ in range(3):
                await bridge.tick(100)
            assert bridge.suspended_for.startswith("database_")
            await asyncio.to_thread(server.start)
            async with time_limit():
                while bridge.suspended_for:
                    await bridge.tick()
            assert len(await bridge.calls()) > before
            assert sorted(set(await bridge.dialled())) == sorted(await bridge.dialled())
