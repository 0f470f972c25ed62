"""The internal socket, spoken by its own client."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from livekit.protocol import models
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.contract.relay.service.harness import KEY, SECRET, RunningRelay, running_relay
from tests.time_limits import time_limit
from vox.clients.relay_voices import RelayVoices
from vox.errors import UsageError
from vox.media.rooms.contract import RoomVoice
from vox.protocols import relay_voices as wire
from vox.runtime.clock import SystemClock
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

PCM = b"\1\0" * 320


def token(kind: str = "agent", identity: str = "bot") -> str:
    video = VideoGrant(room_join=True, room="room", can_update_own_metadata=True)
    claims = RoomClaims(sub=identity, kind=kind, video=video)
    return sign_room_token(RoomKey(KEY, SECRET), claims, now=SystemClock().unix(), lifetime_s=60)


@asynccontextmanager
async def voices(relay: RunningRelay) -> AsyncGenerator[RelayVoices]:
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []

        def spawn(work: Coroutine[Any, Any, None], name: str) -> None:
            tasks.append(group.create_task(work, name=name))

        async def check(url: str) -> str:
            return url

        yield RelayVoices(relay.ws, spawn=spawn, clock=SystemClock(), random=Random(7), check=check)
        for task in tasks:
            task.cancel()


async def until(events: Any, kind: type) -> Any:
    async with time_limit():
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the events are over")


async def test_a_voice_speaks_hears_and_says():
    async with running_relay() as relay, relay.member("room", "ann") as ann, voices(relay) as there:
        voice: RoomVoice = await there.join(token())
        events = voice.events()
        assert (await until(events, wire.MemberJoined)).member.identity == "ann"
        seen: dict[str, models.ParticipantInfo] = {}
        while "bot" not in seen:
            seen = {one.identity: one for one in (await ann.until("update")).update.participants}
        assert seen["bot"].kind == models.ParticipantInfo.AGENT
        voice.speak(PCM, 16_000)
        voice.send_data(b"hi", topic="t")
        voice.set_attributes({"state": "listening"})
        async with time_limit():
            while not any(bytes(spoken) == PCM for spoken in relay.engine.spoken.values()):  # noqa: ASYNC110  it comes by the loop
                await asyncio.sleep(0)
            while dict(relay.relay.rooms.participant("room", "bot").attributes) != {"state": "listening"}:  # noqa: ASYNC110
                await asyncio.sleep(0)
        receiver = relay.relay.rooms.find("room", "ann")[1].subscriber
        packets = [models.DataPacket.FromString(data) for _, data in relay.engine.peers[receiver].received]
        assert [one.user.payload for one in packets] == [b"hi"]
        voice.mix(8_000)
        async with time_limit():
            while not relay.engine.taps:  # noqa: ASYNC110  same
                await asyncio.sleep(0)
        tap = next(iter(relay.engine.taps))
        relay.engine.heard[tap].append(PCM)
        relay.engine.happens("taps", [tap])
        assert await until(events, wire.Heard) == wire.Heard("", PCM)
        relay.relay.rooms.remove("room", "bot")
        assert await until(events, wire.Removed) == wire.Removed("removed")
        assert not relay.engine.taps


async def test_the_door_is_for_voices_only():
    async with running_relay() as relay:
        for made, status in ((token("standard"), 403), ("nonsense", 401), ("", 401)):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(relay.ws + wire.PATH, additional_headers={"Authorization": f"Bearer {made}"}):
                    pass
            assert caught.value.response.status_code == status
        async with voices(relay) as there:
            with pytest.raises(UsageError) as refused:
                await there.join(token("standard"))
            assert refused.value.code == "room_join_refused"


async def test_what_cannot_be_read_ends_the_session_by_name():
    async with running_relay() as relay, relay.member("room", "ann") as ann:
        headers = {"Authorization": f"Bearer {token()}"}
        async with connect(relay.ws + wire.PATH, additional_headers=headers) as socket:
            first = wire.decode_server(await socket.recv())
            assert isinstance(first, wire.Joined)
            await socket.send(b"\1\0")
            async with time_limit():
                await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1008, "malformed_message")
        await ann.say(ping=1)
        assert (await ann.until("pong")).pong == 1
        assert [one.identity for one in relay.relay.rooms.participants("room")] == ["ann"]


async def test_a_lost_socket_takes_its_member_along():
    async with running_relay() as relay, relay.member("room", "ann"):
        headers = {"Authorization": f"Bearer {token()}"}
        async with connect(relay.ws + wire.PATH, additional_headers=headers) as socket:
            await socket.recv()
            socket.transport.abort()
        async with time_limit():
            while len(relay.relay.rooms.participants("room")) > 1:  # noqa: ASYNC110  same
                await asyncio.sleep(0)
