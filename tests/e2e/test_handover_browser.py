"""Clients of `/ws` that follow their call to another process, and that come back after they lost their connection."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.agents import until
from tests.e2e.handover_fleet import LONG, Fleet, fleet
from tests.e2e.webrtc_client import webrtc_client
from tests.e2e.ws_client import WsClient, connected, upgrade_status
from tests.time_limits import time_limit
from vox.http.picows_socket import PicowsSocket

CONFIG: dict[str, Any] = {"greeting": "hello.", "llm_options": {"responses": ["fine.", LONG]}}


def told(client: WsClient, kind: str) -> list[str]:
    """The tokens that a client was given."""
    messages = [frame["message"] for frame in client.frames("TransportMessageFrame")]
    return [message["token"] for message in messages if message["type"] == kind]


def audio_messages(client: WsClient) -> int:
    return sum("TTSAudioRawFrame" in message for message in client.messages if isinstance(message, str))


def say(client: WsClient, text: str) -> None:
    client.send(json.dumps({"type": "TranscriptionFrame", "data": {"text": text}}))


async def until_said(servers: Fleet, count: int) -> None:
    await until(lambda: servers.folder.joinpath("transcripts.db").exists() and len(all_rows(servers)) >= count)


def all_rows(servers: Fleet) -> list[tuple[int, str, str]]:
    return [row for rows in servers.rows().values() for row in rows]


async def test_a_client_follows_its_call_while_the_first_connection_still_serves_it(tmp_path: Path):
    async with fleet(tmp_path, **CONFIG) as servers:
        first = await servers.start("one")
        async with connected(f"{servers.front.ws}?resumable=1") as before:
            await until(lambda: bool(told(before, "resumable")))
            await until_said(servers, 1)
            say(before, "how are you")
            await until_said(servers, 3)
            second = await servers.start("two")
            first.terminate()
            await until(lambda: bool(told(before, "reconnect")))
            assert before.closing is None
            (token,) = told(before, "reconnect")
            async with connected(f"{servers.front.ws}?resumable=1&resume={token}") as after:
                assert (await before.ended())[0] == 1000
                await until(lambda: bool(told(after, "resumable")))
                assert told(after, "resumable") != told(before, "resumable")
                (come,) = await second.logged("call taken over")
                say(after, "go on then")
                await until(lambda: audio_messages(after) > 70)
                async with time_limit():
                    assert await first.process.wait() == 0
        await second.logged("call ended")
        await until_said(servers, 5)
        (call_id,) = servers.rows()
        assert call_id == come["call_id"]
        rows = [(seq, role) for seq, role, _ in all_rows(servers)]
        assert rows == [(1, "assistant"), (2, "user"), (3, "assistant"), (4, "user"), (5, "assistant")]
        assert all_rows(servers)[2][2] == "fine."
        assert all_rows(servers)[4][2].startswith("word0"), "the second answer, because the first was given"


async def test_a_client_that_lost_its_connection_comes_back_and_a_token_works_once(tmp_path: Path):
    async with fleet(tmp_path, **CONFIG) as servers:
        agent = await servers.start("one")
        async with connected(f"{agent.ws}?resumable=1") as before:
            await until(lambda: bool(told(before, "resumable")))
            await until_said(servers, 1)
            say(before, "how are you")
            await until_said(servers, 3)
            assert isinstance(before.socket, PicowsSocket)
            before.socket.abort()
            await agent.logged("the line broke; the call may be gone on with")
        (token,) = told(before, "resumable")
        async with connected(f"{agent.ws}?resumable=1&resume={token}") as after:
            await agent.logged("call taken over")
            say(after, "and now")
            await until(lambda: audio_messages(after) > 70)
            assert await upgrade_status(f"{agent.ws}?resumable=1&resume={token}") == 404
        await until_said(servers, 5)
        assert len(servers.rows()) == 1


async def test_a_client_that_knows_nothing_of_this_keeps_its_call_until_the_deadline(tmp_path: Path):
    async with fleet(tmp_path, **CONFIG, drain_timeout_secs=2) as servers:
        agent = await servers.start("one")
        async with connected(agent.ws) as client:
            await until(lambda: audio_messages(client) > 5)
            agent.terminate()
            assert (await client.ended())[0] == 1001
        assert not told(client, "reconnect")


def is_given(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: data.get("type") == kind


async def test_a_webrtc_client_is_served_until_its_second_connection_stands(tmp_path: Path):
    config = {**CONFIG, "transport": "both", "drain_timeout_secs": 12, "handover_lead_secs": 10}
    async with (
        fleet(tmp_path, **config) as servers,
        webrtc_client("", microphone=False) as before,
        webrtc_client("", microphone=False) as after,
    ):
        first = await servers.start("one")
        before.offer_url = after.offer_url = f"{servers.front.http}/api/offer"
        await before.connect(resumable=True)
        await before.told("server-message", is_given("resumable"))
        await until_said(servers, 1)
        before.send("send-text", {"content": "how are you"})
        await until_said(servers, 3)
        second = await servers.start("two")
        first.terminate()
        told = await before.told("server-message", is_given("reconnect"))
        await after.connect(resumable=True, resume=told["data"]["token"])
        await second.logged("call taken over")
        await before.told("signalling")
        await after.told("bot-ready")
        after.send("send-text", {"content": "go on then"})
        await after.heard_something()
        async with time_limit():
            assert await first.process.wait() == 0
        (gone,), (come,) = first.lines("call handed over"), second.lines("call taken over")
        assert gone["call_id"] == come["call_id"]
        (call_id,) = servers.rows()
        assert call_id == come["call_id"]
