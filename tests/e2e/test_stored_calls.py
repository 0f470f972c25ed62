"""Twenty calls at once, recorded and transcribed into a real S3 server and PostgreSQL, which both stop in the middle."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.agents import agent_server, until
from tests.e2e.postgres import RunningPostgres, postgres_server
from tests.e2e.recorded_audio import stored_in
from tests.e2e.stored_calls import FRAME_S, call, compare, config, lag_meter, row_count, rows
from tests.fakes.s3_server import S3Server, aws_environment, running_s3
from tests.time_limits import time_limit

CALLS = 20
SLACK_S = 0.06
"""Between the far side's ear and the server's clock, on a busy machine."""


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        print(f"S3 server: {server.kind}")  # noqa: T201  the report shall say which it was
        yield server


@pytest.fixture
def database() -> Iterator[RunningPostgres]:
    with postgres_server() as running:
        yield running


async def test_nothing_of_twenty_calls_is_lost_while_both_stores_are_away(
    tmp_path: Path, s3: S3Server, database: RunningPostgres
):
    environment = {**aws_environment(s3), "VOXRAY_LOG_LEVEL": "debug"}
    async with agent_server(tmp_path, config(database), **environment) as agent, lag_meter() as lag:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(call(agent.phone, number)) for number in range(CALLS)]
            await until(lambda: row_count(database) >= CALLS)
            s3.stop()
            await asyncio.to_thread(database.stop)
            await agent.logged("transcripts cannot be written; they wait in memory")
        await agent.logged("recording is not stored: it waits on the disk and is tried again")
        s3.start()
        await asyncio.to_thread(database.start)
        agent.terminate()
        async with time_limit():
            assert await agent.process.wait() == 0
        conversations = {
            line["call_id"]: [(one["role"], one["content"]) for one in line["pii.messages"] if one["role"] != "system"]
            for line in agent.lines("conversation")
        }
    found = compare([one.result() for one in calls], stored_in(s3), rows(database), conversations)
    assert found.faults == []
    assert found.worst_length <= FRAME_S + SLACK_S + lag[0]
    if lag[0] > SLACK_S:
        print(f"the callers were late by {lag[0]:.2f} s: the places of sounds are not compared")  # noqa: T201
        return
    assert found.misplaced == []
    assert found.worst_edge <= FRAME_S + SLACK_S + 2 * lag[0]
