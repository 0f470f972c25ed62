"""The voice rooms against real media servers: our relay, and a LiveKit server where one is on PATH or named by VOX_TEST_LIVEKIT."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest
from livekit.protocol import rtc as signal
from websockets.asyncio.client import ClientConnection, connect

from tests.contract.chat.harness import Person, Rig, community
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit
from vox.chat.events.ids import RoomId
from vox.chat.features.voice.opening import keeper_of
from vox.chat.features.voice.placement import Wish
from vox.clients.rooms.contract import Participant

KEY, SECRET = "APItest", "a secret that only tests know, 32 bytes"


@contextlib.asynccontextmanager
async def served(folder: Path, *command: str, url: str) -> AsyncGenerator[None, None]:
    """A server process, once it answers."""
    with (folder / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
    try:
        async with time_limit(), httpx2.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    await http.get(url)
                    break
                assert process.returncode is None, (folder / "server.log").read_text()
                await asyncio.sleep(0.02)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


LIVEKIT = os.environ.get("VOX_TEST_LIVEKIT") or shutil.which("livekit-server")
"""Never needed; where there is one, chat is held to the same beside it."""


@pytest.fixture(params=["relay", *(["livekit-server"] if LIVEKIT else [])])
async def media_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[str, None]:
    port = free_port()
    if request.param == "relay":
        require(find_spec("vox_native") is not None, "vox_native", "make native (needs cargo)")
        settings = {"listen": {"host": "127.0.0.1"}, "media": {"udp_port": 0, "tcp_port": -1}, "keys": {KEY: SECRET}}
        (tmp_path / "relay.json").write_text(json.dumps(settings))
        command = (sys.executable, "-m", "vox", "relay", "--config", "relay.json", "--port", str(port))
    else:
        assert LIVEKIT is not None
        lines = f"port: {port}\nbind_addresses: ['127.0.0.1']\nkeys: {{'{KEY}': '{SECRET}'}}\n"
        (tmp_path / "livekit.yaml").write_text(f"{lines}rtc: {{udp_port: {free_port()}, use_external_ip: false}}\n")
        command = (LIVEKIT, "--config", "livekit.yaml")
    async with served(tmp_path, *command, url=f"http://127.0.0.1:{port}/"):
        yield f"ws://127.0.0.1:{port}"


@pytest.fixture
async def chat(media_url: str, tmp_path: Path) -> AsyncGenerator[Rig, None]:
    more: dict[str, Any] = {"media_url": media_url, "media_key": KEY, "media_secret": SECRET}
    async with community(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path, **more) as rig:
        yield rig


@contextlib.asynccontextmanager
async def in_media(joined: dict[str, Any]) -> AsyncGenerator[tuple[ClientConnection, signal.JoinResponse], None]:
    """A client's signalling, once it is in the room."""
    url = f"{joined['media_url']}/rtc?protocol=15&auto_subscribe=1&sdk=python&version=1.0.0"
    async with time_limit(), connect(f"{url}&access_token={joined['media_token']}", proxy=None) as client:
        first = signal.SignalResponse.FromString(await client.recv())  # pyright: ignore[reportArgumentType]  binary
        assert first.WhichOneof("message") == "join", first
        yield client, first.join


async def left(client: ClientConnection) -> bool:
    """Whether the server sends the client away."""
    async with time_limit():
        async for message in client:
            one = signal.SignalResponse.FromString(message)  # pyright: ignore[reportArgumentType]  binary
            if one.WhichOneof("message") == "leave":
                return True
    return True


async def there(rig: Rig, room: int) -> list[Participant]:
    """The media server's participants."""
    media = keeper_of(rig.chat).media
    place = await media.place(RoomId(room), Wish())
    return await media.service(place).list_participants(media.room_name(RoomId(room)))


async def permitted(rig: Rig, room: int, sources: set[str]) -> None:
    """The media server's permission of the room's one participant becomes this."""
    async with time_limit():
        while True:
            found = [one.permission for one in await there(rig, room)]
            if found and found[0] is not None and (set(found[0].sources) if found[0].can_publish else set()) == sources:
                return
            await asyncio.sleep(0.05)


async def make_room(admin: Person) -> int:
    return (await admin.ok("POST", "/rooms", {"name": "a room", "type": "voice"}))["room_id"]


async def test_a_client_joins_with_our_token_and_is_sent_away_by_a_kick(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    room = await make_room(alice)
    joined = await bob.ok("POST", f"/rooms/{room}/voice/join", {})
    async with in_media(joined) as (client, join):
        assert (join.room.name, join.participant.identity, join.participant.name) == ("vox-1", "user-2", "bob")
        assert [one.identity for one in await there(chat, room)] == ["user-2"]
        assert (await alice.post(f"/rooms/{room}/voice/kick", {"user_id": 2})).status_code == 204
        assert await left(client)
    assert await there(chat, room) == []


async def test_a_moderators_mute_changes_what_a_client_may_publish(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    room = await make_room(alice)
    joined = await bob.ok("POST", f"/rooms/{room}/voice/join", {})
    async with in_media(joined):
        await permitted(chat, room, {"microphone"})
        await alice.ok("POST", f"/rooms/{room}/voice/mute", {"user_id": 2, "muted": True})
        await permitted(chat, room, set())
        await alice.ok("POST", f"/rooms/{room}/voice/mute", {"user_id": 2, "muted": False})
        await permitted(chat, room, {"microphone"})


async def test_who_was_kicked_is_not_back_for_long(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    room = await make_room(alice)
    joined = await bob.ok("POST", f"/rooms/{room}/voice/join", {})
    await alice.ok("POST", f"/rooms/{room}/voice/join", {})
    await alice.post(f"/rooms/{room}/voice/kick", {"user_id": 2})
    async with in_media(joined) as (client, _):
        await keeper_of(chat.chat).settle(RoomId(room))
        assert await left(client)


async def test_a_chat_server_that_starts_again_finds_its_rooms(chat: Rig, media_url: str, tmp_path: Path):
    alice = await chat.register("alice")
    room = await make_room(alice)
    joined = await alice.ok("POST", f"/rooms/{room}/voice/join", {})
    async with in_media(joined):
        more: dict[str, Any] = {"media_url": media_url, "media_key": KEY, "media_secret": SECRET}
        async with community(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path, **more) as second:
            await keeper_of(second.chat).check(RoomId(room))
            again = Person(second, "alice", alice.user_id, alice.token)
            members = (await again.ok("GET", f"/rooms/{room}/voice"))["members"]
            assert [one["user_id"] for one in members] == [alice.user_id]
            await again.ok("POST", f"/rooms/{room}/voice/leave")
    assert await there(chat, room) == []
