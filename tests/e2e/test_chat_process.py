"""The chat server as a process: its start, its end, and who may begin."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import VOX
from tests.e2e.chats import API, PASSWORD, bearer, chat_server, gateway, register


@pytest.mark.parametrize("uvicorn", [False, True], ids=["vox chat", "uvicorn"])
async def test_sigterm_sends_clients_away_resumable_and_ends_cleanly(tmp_path: Path, uvicorn: bool):
    environment = {"VOX_DRAIN_TIMEOUT_S": "0.5"}
    async with chat_server(tmp_path, uvicorn=uvicorn, environment=environment) as chat:
        async with httpx2.AsyncClient(base_url=chat.http) as http:
            alice = await register(http, "alice")
        async with gateway(chat.gateway, alice["token"]) as one, gateway(chat.gateway, alice["token"]) as other:
            chat.terminate()
            assert [await one.closed(), await other.closed()] == [4008, 4008]
            assert one.close_reason == "Server restarting"
        assert await chat.ended() in ({0} if not uvicorn else {0, -15})


async def test_what_was_said_before_a_restart_is_there_after_it(tmp_path: Path):
    async with chat_server(tmp_path) as chat, httpx2.AsyncClient(base_url=chat.http) as http:
        alice = await register(http, "alice")
        http.headers.update(bearer(alice))
        feed = (await http.post(f"{API}/feeds", json={"name": "general", "type": "text"})).json()["feed_id"]
        sent = (await http.post(f"{API}/feeds/{feed}/messages", json={"body": "hello"})).json()["msg_id"]
        chat.terminate()
        await chat.ended()
    async with chat_server(tmp_path) as chat, httpx2.AsyncClient(base_url=chat.http, headers=bearer(alice)) as http:
        (message,) = (await http.get(f"{API}/feeds/{feed}/messages")).json()["messages"]
        later = (await http.post(f"{API}/feeds/{feed}/messages", json={"body": "again"})).json()["msg_id"]
    assert (message["msg_id"], message["body"]) == (sent, "hello")
    assert later > sent


async def test_with_registration_closed_the_set_up_token_makes_one_administrator(tmp_path: Path):
    async with (
        chat_server(tmp_path, environment={"VOX_REGISTRATION": "closed"}) as chat,
        httpx2.AsyncClient(base_url=chat.http) as http,
    ):
        account = {"username": "root", "password": PASSWORD}
        assert (await http.post(f"{API}/auth/register", json=account)).status_code == 403
        shown = re.search(r"vox_setup_[\w-]+", chat.log.read_text())
        assert shown
        made = await http.post(f"{API}/auth/register", json={**account, "setup_token": shown[0]})
        assert made.status_code == 201
        profile = (await http.get(f"{API}/users/@me", headers=bearer(made.json()))).json()
        assert profile["roles"] == [2]
        again = await http.post(f"{API}/auth/register", json={**account, "username": "eve", "setup_token": shown[0]})
        assert again.status_code in {401, 403}


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("text", False)])
async def test_uvicorn_s_process_logs_as_the_settings_say(tmp_path: Path, form: str, is_json: bool):
    async with chat_server(tmp_path, uvicorn=True, environment={"VOX_LOG_FORMAT": form}) as chat:
        said = [line for line in chat.log.read_text().splitlines() if "community loaded" in line]
    assert [line.startswith("{") for line in said] == [is_json]


async def test_a_port_in_use_is_one_line(tmp_path: Path):
    async with chat_server(tmp_path) as chat:
        command = (str(VOX), "chat", "--port", str(chat.port))
        second = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stderr=asyncio.subprocess.PIPE)
        _, said = await second.communicate()
    assert second.returncode == 2
    assert f"127.0.0.1:{chat.port} is already in use" in said.decode().splitlines()[-1]


async def test_several_event_loops_share_a_server_without_lifespan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from vox.chat.app import create_app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOX_PASSWORD_MEMORY_KIB", "64")
    app, other = create_app("sqlite+aiosqlite://"), create_app("sqlite+aiosqlite://")

    async def names(target, add: str) -> list[str]:
        transport = httpx2.ASGITransport(target)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            account = await register(http, add)
            members = await http.get(f"{API}/members", headers=bearer(account))
            return [member["username"] for member in members.json()["items"]]

    def in_a_loop_of_its_own(target, add: str) -> list[str]:
        return asyncio.run(names(target, add))

    assert await asyncio.to_thread(in_a_loop_of_its_own, app, "alice") == ["alice"]
    assert await asyncio.to_thread(in_a_loop_of_its_own, app, "bob") == ["alice", "bob"]
    assert await asyncio.to_thread(in_a_loop_of_its_own, other, "carol") == ["carol"]
    app.server.close()
    other.server.close()
