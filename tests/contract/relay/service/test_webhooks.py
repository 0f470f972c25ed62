"""Webhooks over real HTTP, checked by the official receiver."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from livekit.api import TokenVerifier, WebhookReceiver
from livekit.protocol import models
from livekit.protocol.webhook import WebhookEvent

from tests.contract.relay.service.harness import KEY, SECRET, RunningRelay, running_relay
from tests.time_limits import time_limit
from vox.http.edge import read_body, respond
from vox.http.server import Server

ROOM = "lobby"


class HookServer:
    """Takes webhooks and has each checked."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []
        self.refuse = 0
        self.seen = asyncio.Event()
        self._official = WebhookReceiver(TokenVerifier(KEY, SECRET))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = await read_body(scope, receive, max_bytes=1 << 20)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert headers["content-type"] == "application/webhook+json"
        event = self._official.receive(body.decode(), headers["authorization"])
        if self.refuse:
            self.refuse -= 1
            await respond(send, 503, b"", {})
            return
        self.events.append(event)
        self.seen.set()
        await respond(send, 200, b"", {})

    async def until(self, *names: str) -> None:
        """Waits until exactly these events have come, in this order."""
        async with time_limit():
            while len(self.events) < len(names):
                self.seen.clear()
                await self.seen.wait()
        assert [event.event for event in self.events] == list(names)


@contextlib.asynccontextmanager
async def told(**overrides: Any) -> AsyncGenerator[tuple[RunningRelay, HookServer]]:
    hooks = HookServer()
    async with Server(hooks, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.port}/hook"
        options: dict[str, Any] = {"webhooks.urls": [url], "webhooks.allowed_private": ["127.0.0.0/8"], **overrides}
        async with running_relay(**options) as relay:
            yield relay, hooks


async def test_a_rooms_life_is_told_in_order():
    async with told() as (relay, hooks):
        async with relay.member(ROOM, "ada") as ada:
            await hooks.until("room_started", "participant_joined")
            assert hooks.events[1].participant.identity == "ada"
            assert hooks.events[1].room.sid == hooks.events[0].room.sid
            await ada.say(leave={})
        await hooks.until("room_started", "participant_joined", "participant_left")
        relay.relay.rooms.delete(ROOM)
        await hooks.until("room_started", "participant_joined", "participant_left", "room_finished")
        assert len({event.id for event in hooks.events}) == 4
        assert hooks.events[2].participant.state == models.ParticipantInfo.DISCONNECTED


async def test_a_drain_tells_of_the_rooms_that_it_ends_before_it_is_over():
    async with told() as (relay, hooks):
        relay.relay.rooms.create(ROOM)
        relay.relay.lifecycle.drain()
        async with time_limit():
            assert await relay.relay.lifecycle.drained()
        assert [event.event for event in hooks.events] == ["room_started", "room_finished"]


async def test_an_event_that_was_not_taken_comes_again():
    async with told() as (relay, hooks):
        hooks.refuse = 1
        relay.relay.rooms.create(ROOM)
        await hooks.until("room_started")


async def test_an_address_inside_is_not_called_unless_its_network_is_named():
    async with told(**{"webhooks.allowed_private": []}) as (relay, hooks):
        relay.relay.rooms.create(ROOM)
        async with time_limit():
            while 'result="dead"} 1.0' not in relay.relay.metrics.render().decode():  # noqa: ASYNC110  counted by another task
                await asyncio.sleep(0.01)
        assert not hooks.events
