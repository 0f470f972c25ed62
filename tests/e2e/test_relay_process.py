"""`vox relay` as a process: start, drain, and its place in a real directory."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
from livekit.api import LiveKitAPI
from livekit.protocol import agent_dispatch, models, room, rtc
from websockets.exceptions import WebSocketException

from tests.e2e.agents import RunningAgent, agent_server
from tests.e2e.directories import directory, listed
from tests.e2e.relays import KEY, member, relay_process
from tests.require import require
from tests.time_limits import time_limit
from vox.clients.directory import DirectoryClient
from vox.relay.opening import is_engine_installed

ADMIN = "admin-0123456789abcdef"
PLACES = {"frankfurt": (50.1, 8.7), "virginia": (39.0, -77.5), "sydney": (-33.9, 151.2)}
REJOIN_S = 3.0


async def test_it_starts_answers_and_ends(tmp_path: Path):
    async with relay_process(tmp_path) as relay:
        async with httpx2.AsyncClient(base_url=relay.http) as http:
            assert (await http.get("/_health")).text == "OK"
            assert (await http.get("/ready")).json()["checks"] == {"engine": "ok"}
            shown = (await http.get("/metrics")).text
            assert "vox_relay_participants 0.0" in shown
            assert "process_cpu_seconds_total" in shown
        relay.terminate()
        async with time_limit():
            assert await relay.process.wait() == 0
    assert KEY.secret not in relay.log.read_text()


async def test_a_drain_sends_participants_away_by_the_protocol(tmp_path: Path):
    async with relay_process(tmp_path) as relay:
        async with member(f"ws://127.0.0.1:{relay.port}", "lobby", "ada") as ada:
            relay.terminate()
            leave = await ada.leave_message()
            assert leave.action == rtc.LeaveRequest.RECONNECT
            assert leave.reason == models.DisconnectReason.SERVER_SHUTDOWN
        async with time_limit():
            assert await relay.process.wait() == 0


async def test_who_knows_its_key_may_make_rooms(tmp_path: Path):
    async with relay_process(tmp_path) as relay:
        api = LiveKitAPI(relay.http, KEY.key, KEY.secret)
        try:
            made = await api.room.create_room(room.CreateRoomRequest(name="lobby", metadata="blue"))
            assert made.metadata == "blue"
            async with member(f"ws://127.0.0.1:{relay.port}", "lobby", "ada") as ada:
                assert ada.joined.room.sid == made.sid
                found = await api.room.list_participants(room.ListParticipantsRequest(room="lobby"))
                assert [one.identity for one in found.participants] == ["ada"]
        finally:
            await api.aclose()


@contextlib.asynccontextmanager
async def placed(
    folder: Path, running: RunningAgent, admin: DirectoryClient
) -> AsyncGenerator[dict[str, RunningAgent]]:
    """Three relays that have joined the directory, each with a token of its own."""
    async with contextlib.AsyncExitStack() as stack:
        relays: dict[str, RunningAgent] = {}
        for name, (latitude, longitude) in PLACES.items():
            joining = (await admin.create_join_token())["token"]
            link = {
                "url": running.http,
                "join_token": joining,
                "key_file": str(folder / f"{name}.key"),
                "name": name,
                "region": name,
                "latitude": latitude,
                "longitude": longitude,
                "heartbeat_ms": 1000,
            }
            relays[name] = await stack.enter_async_context(relay_process(folder, name, directory=link))
        yield relays


async def until_listed(http: httpx2.AsyncClient, *names: str) -> None:
    """Waits until the list has exactly these relays."""
    async with time_limit():
        while set(await listed(http)) != set(names):  # noqa: ASYNC110  what it waits for happens in other processes
            await asyncio.sleep(0.05)


async def nearest(client: DirectoryClient, place: str) -> str:
    """The relay that the directory sends a client at this place to."""
    latitude, longitude = PLACES[place]
    return (await client.select(latitude=latitude, longitude=longitude)).relay.name


async def test_three_relays_in_a_directory_one_drains_one_dies(tmp_path: Path):
    access: dict[str, Any] = {"mode": "token", "admin_key": ADMIN}
    async with (
        directory(tmp_path, access=access) as (running, http),
        DirectoryClient(running.http, api_key=ADMIN) as admin,
        placed(tmp_path, running, admin) as relays,
    ):
        await until_listed(http, *PLACES)
        for place in PLACES:
            assert await nearest(admin, place) == place
        address = {one.name: one.url for one in await admin.relays()}

        async with member(address["frankfurt"], "lobby", "ada") as ada:
            assert ada.joined.participant.identity == "ada"
            relays["frankfurt"].terminate()
            leave = await ada.leave_message()
            assert "frankfurt" not in await listed(http), "the directory must know before the clients ask it"
        assert [one.region for one in leave.regions.regions] == ["virginia", "sydney"]
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        async with member(leave.regions.regions[0].url, "lobby", "ada"):
            assert loop.time() - told_at < REJOIN_S
        assert await nearest(admin, "frankfurt") == "virginia"
        async with time_limit():
            assert await relays["frankfurt"].process.wait() == 0

        os.kill(relays["virginia"].process.pid, signal.SIGKILL)
        killed_at = loop.time()
        selection = await admin.select(latitude=39.0, longitude=-77.5)
        for choice in (selection.relay, *selection.fallbacks):
            with contextlib.suppress(OSError, WebSocketException):
                async with member(choice.url, "lobby", "ada"):
                    assert choice.name == "sydney"
                    break
        else:
            raise AssertionError("no relay took the client")
        assert loop.time() - killed_at < REJOIN_S
        await until_listed(http, "sydney")
        for place in PLACES:
            assert await nearest(admin, place) == "sydney"
        assert not {"virginia", "frankfurt"} & {one.name for one in await admin.relays()}


async def test_a_relay_comes_back_as_the_same_one(tmp_path: Path):
    async with directory(tmp_path) as (running, http), DirectoryClient(running.http) as client:
        link = {"url": running.http, "key_file": str(tmp_path / "relay.key"), "name": "one", "heartbeat_ms": 1000}
        async with relay_process(tmp_path, "one", directory=link) as relay:
            await until_listed(http, "one")
            [before] = await client.relays()
            relay.terminate()
            async with time_limit():
                assert await relay.process.wait() == 0
        await until_listed(http)
        again = {"host": "127.0.0.1", "port": relay.port, "public_url": f"ws://127.0.0.1:{relay.port}"}
        async with relay_process(tmp_path, "one", directory=link, listen=again):
            await until_listed(http, "one")
            [after] = await client.relays()
    assert after.id == before.id


async def test_rooms_go_on_while_the_directory_is_away(tmp_path: Path):
    async with directory(tmp_path, name="killed") as (running, http):
        link = {"url": running.http, "key_file": str(tmp_path / "relay.key"), "name": "one", "heartbeat_ms": 1000}
        async with relay_process(tmp_path, "one", directory=link) as relay:
            await until_listed(http, "one")
            address = f"ws://127.0.0.1:{relay.port}"
            async with member(address, "lobby", "ada"):
                running.process.kill()
                await running.process.wait()
                await relay.logged("the directory does not take this relay")
                async with member(address, "lobby", "bob") as bob:
                    assert [one.identity for one in bob.joined.other_participants] == ["ada"]
                async with httpx2.AsyncClient(base_url=relay.http) as asking:
                    assert (await asking.get("/ready")).json()["ready"] is True


async def test_in_vox_up_an_agent_that_is_sent_for_comes_and_goes(tmp_path: Path):
    require(is_engine_installed(), "vox_native", "make native")
    async with agent_server(tmp_path, {}, command="up") as running:
        [ready] = await running.logged("relay ready")
        key = json.loads((tmp_path / "data" / "media.key").read_text())
        api = LiveKitAPI(ready["address"], key["key"], key["secret"])

        async def identities() -> list[str]:
            found = await api.room.list_participants(room.ListParticipantsRequest(room="lobby"))
            return [one.identity for one in found.participants]

        try:
            wanted = agent_dispatch.CreateAgentDispatchRequest(agent_name="bistro", room="lobby")
            sent = await api.agent_dispatch.create_dispatch(wanted)
            async with time_limit():
                while await identities() != [f"agent-{sent.id}"]:  # noqa: ASYNC110  it comes by another part
                    await asyncio.sleep(0.1)
            who = room.RoomParticipantIdentity(room="lobby", identity=f"agent-{sent.id}")
            assert (await api.room.get_participant(who)).kind == models.ParticipantInfo.AGENT
            await api.agent_dispatch.delete_dispatch(sent.id, "lobby")
            async with time_limit():
                while await identities():  # noqa: ASYNC110  likewise
                    await asyncio.sleep(0.1)
        finally:
            await api.aclose()
