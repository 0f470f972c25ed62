"""A relay with an engine that moves nothing, behind the real HTTP server, and clients that only signal."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from random import Random
from typing import Any

import httpx2
from livekit.api import AccessToken, LiveKitAPI, VideoGrants
from livekit.protocol import models, rtc
from websockets.asyncio.client import ClientConnection, connect

from tests.fakes.media_engine import PlayedEngine
from tests.time_limits import WAIT_S, time_limit
from vox.cli.relay import server_options
from vox.http.server import Server
from vox.relay.app import create_app
from vox.relay.server import Parts, Relay
from vox.relay.settings import load
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics

KEY = "APIkey"
SECRET = "0123456789abcdef0123456789abcdef"


class RunningRelay:
    """A relay that listens, and what a test needs to talk to it."""

    def __init__(self, relay: Relay, engine: PlayedEngine, server: Server) -> None:
        self.relay = relay
        self.engine = engine
        self.http = server.address
        self.ws = server.address.replace("http", "ws", 1)

    def token(self, identity: str = "", *, secret: str = SECRET, **grants: Any) -> str:
        """A token made by the official library."""
        made = AccessToken(KEY, secret).with_grants(VideoGrants(**grants))
        return made.with_identity(identity).to_jwt() if identity else made.to_jwt()

    @contextlib.asynccontextmanager
    async def member(self, room: str, identity: str, **grants: Any) -> AsyncGenerator["Member"]:
        """A participant whose media counts as connected."""
        token = self.token(identity, room_join=True, room=room, **grants)
        async with connect(f"{self.ws}/rtc?access_token={token}&auto_subscribe=1&protocol=16") as socket:
            member = Member(socket)
            member.joined = (await member.until("join")).join
            inside = self.relay.rooms.find(room, identity)[1]
            self.engine.happens("connected", inside.publisher)
            self.engine.happens("connected", inside.subscriber)
            async with time_limit():
                while self.relay.rooms.participant(room, identity).state != models.ParticipantInfo.ACTIVE:  # noqa: ASYNC110  the engine's events come by the loop
                    await asyncio.sleep(0)
            yield member


class Member:
    """One participant's signalling."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.joined = rtc.JoinResponse()

    async def until(self, kind: str) -> rtc.SignalResponse:
        """The next message of a kind."""
        async with time_limit():
            while True:
                message = await self.socket.recv()
                assert isinstance(message, bytes)
                response = rtc.SignalResponse.FromString(message)
                if response.WhichOneof("message") == kind:
                    return response

    async def say(self, **request: Any) -> None:
        await self.socket.send(rtc.SignalRequest(**request).SerializeToString())


@contextlib.asynccontextmanager
async def running_relay(drain_s: float = 10.0, **overrides: Any) -> AsyncGenerator[RunningRelay]:
    """A relay on a free port of the loopback interface."""
    settings = load(
        None,
        {"VOX_RELAY_API_KEY": KEY, "VOX_RELAY_API_SECRET": SECRET},
        {"listen.host": "127.0.0.1", "listen.port": 0, **overrides},
    ).settings
    clock, engine = SystemClock(), PlayedEngine()
    relay = Relay(settings, Parts(clock, Metrics(), Lifecycle(clock, drain_s), Random(7), engine))
    options = server_options(settings, relay)
    async with relay, Server(create_app(relay), "127.0.0.1", 0, **options) as server, relay.enrolled():
        yield RunningRelay(relay, engine, server)
    engine.close()


@contextlib.asynccontextmanager
async def official(relay: RunningRelay) -> AsyncGenerator[LiveKitAPI]:
    """The official client of the remote calls."""
    api = LiveKitAPI(relay.http, KEY, SECRET)
    try:
        yield api
    finally:
        await api.aclose()


@contextlib.asynccontextmanager
async def plain(relay: RunningRelay) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client without a protocol of its own."""
    async with httpx2.AsyncClient(base_url=relay.http, timeout=WAIT_S) as http:
        yield http
