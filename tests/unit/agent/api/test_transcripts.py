"""`GET /sessions/{id}/transcript`: who may read one, what it looks like, and how it is paged."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.api.asgi import Answered, Site
from vox.agent.sessions.contract import StoredSession
from vox.protocols.agent_json import encode_client_frame

KEY = {"x-api-key": "k"}
PATHS = ["/sessions/call_1/transcript", "/api/v1/sessions/call_1/transcript"]


@asynccontextmanager
async def stored(folder: Path, **config: Any) -> AsyncGenerator[Site]:
    """A server whose transcripts go to a file, with one call of three rows."""
    settings: dict[str, Any] = {
        "server_api_key": "k",
        "transcripts": {"enable": True, "driver": "sqlite", "dsn": "t.db"},
        "folder": folder,
        **config,
    }
    site = Site(None, **settings)
    store = site.server.resources.transcripts
    assert store is not None
    async with store:
        call = store.begin("call_1")
        for text in ("hello", "good day", "bye"):
            call.user(text)
        yield site


def replace_by_a_folder(file: Path) -> None:
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()
    file.mkdir()


async def read(site: Site, target: str, headers: dict[str, str] | None = None) -> Answered:
    return await site.request("GET", target, headers=KEY if headers is None else headers)


@pytest.mark.parametrize("path", PATHS)
async def test_the_rows_of_a_session_are_read_in_order(tmp_path: Path, path: str):
    async with stored(tmp_path) as site:
        answer = await read(site, path)
    assert answer.status == 200
    assert answer.json["data"] == {
        "session_id": "call_1",
        "rows": [
            {"seq": number, "role": "user", "text": text, "created_at": "2026-01-01T00:00:00.000Z"}
            for number, text in enumerate(("hello", "good day", "bye"), start=1)
        ],
        "next_after": None,
    }
    assert answer.json["meta"]["requestId"]


async def test_a_call_that_came_by_a_session_is_read_under_its_id(tmp_path: Path):
    async with stored(tmp_path) as site:
        await site.server.session_store.put("5e55", StoredSession({"name": "Ann"}))
        typed = encode_client_frame("TranscriptionFrame", {"text": "good evening"})
        assert (await site.upgrade("/ws?session=5e55&api_key=k", says=(typed,))).status == 101
        answer = await read(site, "/sessions/5e55/transcript")
    assert (answer.status, [row["text"] for row in answer.json["data"]["rows"]]) == (200, ["good evening"])


async def test_a_long_transcript_comes_in_pages(tmp_path: Path):
    async with stored(tmp_path) as site:
        first = (await read(site, f"{PATHS[0]}?limit=2")).json["data"]
        rest = (await read(site, f"{PATHS[0]}?limit=2&after={first['next_after']}")).json["data"]
        behind = await read(site, f"{PATHS[0]}?after=3")
    assert [row["seq"] for row in first["rows"]] == [1, 2]
    assert [row["seq"] for row in rest["rows"]] == [3]
    assert (rest["next_after"], behind.status, behind.json["data"]["rows"]) == (None, 200, [])


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}])
async def test_without_the_key_nothing_is_told(tmp_path: Path, headers: dict[str, str]):
    async with stored(tmp_path) as site:
        known, unknown = await read(site, PATHS[0], headers), await read(site, "/sessions/x/transcript", headers)
    assert (known.status, unknown.status) == (401, 401)
    assert known.json["error"]["code"] == "UNAUTHORIZED"


async def test_a_server_without_a_key_shows_no_transcript(tmp_path: Path):
    async with stored(tmp_path, server_api_key="") as site:
        answer = await read(site, PATHS[0])
    assert answer.status == 401
    assert "server_api_key" in answer.json["error"]["message"]


@pytest.mark.parametrize("session_id", ["call_2", "a%20b", "%C3%A4", "x" * 300, "'%20OR%201=1"])
async def test_an_unknown_session_is_not_found(tmp_path: Path, session_id: str):
    async with stored(tmp_path) as site:
        answer = await read(site, f"/sessions/{session_id}/transcript")
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_call_in_which_nothing_was_said_yet_is_found(tmp_path: Path):
    async with stored(tmp_path) as site:
        assert site.server.resources.transcripts is not None
        call = site.server.resources.transcripts.begin("call_2")
        during = await read(site, "/sessions/call_2/transcript")
        call.close()
        after = await read(site, "/sessions/call_2/transcript")
    assert (during.status, during.json["data"]["rows"], after.status) == (200, [], 404)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=1e3", "after=99999999999999999999"]
)
async def test_a_page_that_cannot_be_is_refused_by_the_parameters_name(tmp_path: Path, query: str):
    async with stored(tmp_path) as site:
        answer = await read(site, f"{PATHS[0]}?{query}")
    assert (answer.status, answer.json["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert answer.json["error"]["details"][0]["field"] == query.partition("=")[0]


async def test_where_nothing_is_stored_the_answer_says_how_that_is_changed():
    answer = await read(Site(server_api_key="k"), PATHS[0])
    assert answer.status == 404
    assert "transcripts.enable" in answer.json["error"]["message"]


async def test_readiness_knows_the_database_by_name(tmp_path: Path):
    async with stored(tmp_path) as site:
        well = await site.request("GET", "/ready")
        replace_by_a_folder(tmp_path / "t.db")
        broken = await site.request("GET", "/ready")
        refused = await read(site, PATHS[0])
        (tmp_path / "t.db").rmdir()
    assert well.status == 200
    assert broken.json["error"]["details"] == [{"field": "transcript_database", "message": "transcripts_unavailable"}]
    assert (refused.status, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert "retry-after" in refused.headers
