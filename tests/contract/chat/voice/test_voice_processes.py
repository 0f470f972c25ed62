"""Voice rooms over two processes on one database and one Redis."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_bots import receiver
from tests.e2e.redis_server import RunningRedis, redis_server
from tests.fakes.media_server import KEY, MediaServer
from vox.chat.features.voice.opening import keeper_of
from vox.runtime.clock import SystemClock


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def pair(
    redis: RunningRedis, database_url: str, tmp_path: Path
) -> AsyncGenerator[tuple[Rig, Rig, MediaServer], None]:
    redis.flush()
    media = MediaServer(SystemClock().unix)
    async with receiver(media.decide) as server:
        more: dict[str, Any] = {
            "redis_url": redis.url,
            "media_url": server.url.removesuffix("/in"),
            "media_key": KEY.key,
            "media_secret": KEY.secret,
        }
        async with (
            community(database_url, tmp_path, **more) as one,
            community(database_url, tmp_path, **more) as two,
        ):
            yield one, two, media


async def test_what_one_process_does_holds_in_the_other_and_in_the_media(pair: tuple[Rig, Rig, MediaServer]):
    one, two, media = pair
    alice, bob = await one.register("alice"), await one.register("bob")
    room = (await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"}))["room_id"]
    there = Person(two, "bob", bob.user_id, bob.token)
    async with there.gateway() as gateway:
        await gateway.events()
        joined = await there.ok("POST", f"/rooms/{room}/voice/join", {})
        media.connect(joined["media_token"])
        assert len((await gateway.expect("voice_state_update"))["d"]["members"]) == 1
        assert len((await alice.ok("GET", f"/rooms/{room}/voice"))["members"]) == 1
        assert (await alice.post(f"/rooms/{room}/voice/kick", {"user_id": bob.user_id})).status_code == 204
        await gateway.expect("voice_state_update", members=[])
    assert media.everyone() == {}


async def test_each_room_is_looked_after_by_one_process_a_round(pair: tuple[Rig, Rig, MediaServer]):
    one, two, media = pair
    alice = await one.register("alice")
    room = (await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"}))["room_id"]
    joined = await alice.ok("POST", f"/rooms/{room}/voice/join", {})
    media.connect(joined["media_token"])
    media.calls.clear()
    for rig in (one, two, one, two):
        await keeper_of(rig.chat).sweep()
    assert [method for method, _ in media.calls] == ["ListParticipants"]
