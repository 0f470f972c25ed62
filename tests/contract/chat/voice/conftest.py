"""A community with a media server that is played, and a clock that tests move."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_bots import Answer, Received, receiver
from tests.fakes.clock import FakeClock
from tests.fakes.media_server import KEY, MediaServer
from vox.chat.features.voice.keeper import Keeper
from vox.chat.features.voice.opening import keeper_of


@dataclass(slots=True)
class VoiceRig:
    """A community and its media server."""

    rig: Rig
    media: MediaServer
    clock: FakeClock
    others: dict[str, Callable[[Received], Answer]] = field(default_factory=dict[str, Callable[[Received], Answer]])
    """Answers to requests that are not the media server's, by path."""

    @property
    def keeper(self) -> Keeper:
        return keeper_of(self.rig.chat)

    async def register(self, name: str) -> Person:
        return await self.rig.register(name)

    async def room(self, admin: Person, kind: str = "voice") -> int:
        return (await admin.ok("POST", "/rooms", {"name": f"a {kind}", "type": kind}))["room_id"]

    async def join(self, person: Person, room_id: int, **more: Any) -> dict[str, Any]:
        """Joins the room and its media; the answer."""
        joined = await person.ok("POST", f"/rooms/{room_id}/voice/join", more)
        self.media.connect(joined["media_token"])
        await self.sweep()
        return joined

    async def sweep(self, after_s: float = 0) -> None:
        """A round of the keeper."""
        self.clock.advance(after_s)
        for room_id in range(1, 6):
            await self.keeper.settle(room_id)  # pyright: ignore[reportArgumentType]  room ids are numbers

    async def settled(self) -> None:
        """Everything that runs in the background has ended."""
        background: Any = self.rig.chat.background
        while background._tasks:
            await asyncio.gather(*background._tasks)

    async def inside(self, person: Person, room_id: int) -> list[int]:
        """Who is in a room by what REST says."""
        return [one["user_id"] for one in (await person.ok("GET", f"/rooms/{room_id}/voice"))["members"]]


@pytest.fixture
async def voice(database_url: str, tmp_path: Path) -> AsyncGenerator[VoiceRig, None]:
    clock = FakeClock()
    media = MediaServer(clock.unix)
    others: dict[str, Callable[[Received], Answer]] = {}

    def decide(request: Received) -> Answer:
        return others.get(request.path, media.decide)(request)

    async with receiver(decide) as server:
        address = server.url.removesuffix("/in")
        more: dict[str, Any] = {
            "media_url": address.replace("http", "ws"),
            "media_key": KEY.key,
            "media_secret": KEY.secret,
            "media_agent_url": address,
        }
        async with community(database_url, tmp_path, clock=clock, **more) as rig:
            yield VoiceRig(rig, media, clock, others)
