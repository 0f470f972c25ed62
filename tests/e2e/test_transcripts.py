"""Transcripts of phone calls in a real PostgreSQL: complete, in order, as heard, also where the database was away meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.postgres import RunningPostgres, postgres_server
from tests.time_limits import WAIT_S, time_limit
from vox.clients.audio_files import sample_question
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Press, Say, Step, WaitForAgent
from vox.runtime.clock import SystemClock

WORDS = "one two three four five six seven eight nine ten eleven twelve."
KEY = "k3y"
CALLS = 2
LISTEN = WaitForAgent(silence_s=0.4)
SCRIPT: list[Step] = [
    LISTEN,
    Say(sample_question()),
    Say(sample_question(), into_agent_s=1.0),
    LISTEN,
    Press("42#"),
    LISTEN,
    HangUp(),
]


def config(database: RunningPostgres) -> dict[str, Any]:
    return {
        **FAKES,
        "greeting": "hello and welcome to you.",
        "llm_options": {"responses": [WORDS]},
        "tts_options": {"characters_per_s": 25.0},
        "turn_stop_secs": 0.3,
        "server_api_key": KEY,
        "transcripts.enable": True,
        "transcripts.driver": "postgres",
        "transcripts.dsn": f"postgres://vox:secret@127.0.0.1:{database.port}/postgres?sslmode=disable&pool_max_conns=4",
        "transcripts.table": "call_transcripts",
    }


async def phone_call(agent: RunningAgent) -> CallOutcome:
    url = f"{agent.phone}?api_key={KEY}"
    return await place_call(url, SCRIPT, SystemClock(), line="twilio", caller="+15550100", callee="+15550199")


def rows(database: RunningPostgres) -> dict[str, list[tuple[int, str, str]]]:
    """What is in the table, by session."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    with psycopg.connect(database.url) as connection:
        select = "SELECT session_id, seq, role, text FROM call_transcripts ORDER BY session_id, seq"
        for session_id, *row in connection.execute(select):
            found.setdefault(session_id, []).append((row[0], row[1], row[2]))
    return found


async def ready(http: httpx2.AsyncClient) -> tuple[int, list[str]]:
    answer = await http.get("/ready")
    details = answer.json().get("error", {}).get("details", [])
    return answer.status_code, [one["field"] for one in details]


async def test_calls_during_an_outage_leave_every_row_in_order_and_as_heard(tmp_path: Path):
    with postgres_server() as database:
        async with agent_server(tmp_path, config(database), VOXRAY_LOG_LEVEL="debug") as agent:
            async with httpx2.AsyncClient(base_url=agent.http, timeout=WAIT_S) as http, asyncio.TaskGroup() as group:
                calls = [group.create_task(phone_call(agent)) for _ in range(CALLS)]
                await until(lambda: sum(map(len, rows(database).values())) >= 2 * CALLS)
                assert await ready(http) == (200, [])
                await asyncio.to_thread(database.stop)
                assert await ready(http) == (503, ["transcript_database"])
                conversations = await agent.logged("conversation", times=CALLS)
                assert agent.lines("transcripts cannot be written; they wait in memory")
                await asyncio.to_thread(database.start)
                ids = [line["call_id"] for line in conversations]
                read = [await transcript(http, call_id) for call_id in ids]
            agent.terminate()
            async with time_limit():
                assert await agent.process.wait() == 0
            log = agent.log.read_text()
        stored = rows(database)
    assert all(len(call.result().report.turns) == 4 for call in calls)
    for line, over_http in zip(conversations, read, strict=True):
        said = [(one["role"], one["content"]) for one in line["pii.messages"] if one["role"] != "system"]
        assert [row[1:] for row in stored[line["call_id"]]] == said
        assert [row[0] for row in stored[line["call_id"]]] == list(range(1, len(said) + 1))
        assert over_http == said
        assert said[0] == ("assistant", "hello and welcome to you.")
        assert ("user", "DTMF: 42") in said
        cut = [text for role, text in said[1:] if role == "assistant" and text != WORDS]
        assert len(cut) == 1
        assert WORDS.startswith(cut[0])
    assert "vox:secret" not in log


async def transcript(http: httpx2.AsyncClient, call_id: str) -> list[tuple[str, str]]:
    """The transcript over HTTP, from the first moment at which the database answers again."""
    async with time_limit():
        while True:
            answer = await http.get(f"/api/v1/sessions/{call_id}/transcript", headers={"X-API-Key": KEY})
            if answer.status_code == 200:
                return [(row["role"], row["text"]) for row in answer.json()["data"]["rows"]]
            assert answer.status_code == 503
            await asyncio.sleep(0.05)
