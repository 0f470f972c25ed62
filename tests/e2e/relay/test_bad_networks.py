"""Members behind lines that lose, delay and reorder packets, and behind firewalls that let no UDP through."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.relay.rooms import Meeting, open_meeting
from tests.e2e.relay.turn import SECRET, turn_server
from tests.sdks.servers import LIVEKIT

LINES = {
    "2 % loss": {"loss": 0.02},
    "10 % loss": {"loss": 0.1},
    "200 ms jitter": {"jitter_ms": 200},
    "reordering": {"delay_ms": 20, "reorder": 0.1},
}
GOOD = {"loss": 0, "delay_ms": 0, "jitter_ms": 0, "reorder": 0}


@pytest.mark.parametrize("version", [0, 1])
async def test_they_hear_each_other_over_lines_that_lose_delay_and_reorder(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version, sdks=("python", "go"), wired=True) as meeting:
        for name, line in LINES.items():
            await asyncio.gather(*(one.host.wire.set(**{**GOOD, **line}) for one in meeting.members))
            await _all_is_well(meeting, name)


@pytest.mark.parametrize("version", [0, 1])
async def test_they_meet_over_tcp_where_udp_is_blocked(version: int, tmp_path: Path):
    sdks = ("javascript", "python")  # the Go client opens no TCP connection for media
    async with open_meeting(tmp_path, version, sdks=sdks, wired=True, line={"blocked": ["udp"]}) as meeting:
        await _all_is_well(meeting, "blocked")


async def test_they_meet_through_a_turn_server(tmp_path: Path):
    if LIVEKIT:
        pytest.skip("a LiveKit server hands out credentials of a TURN server of its own")
    async with open_meeting(tmp_path, 0, enters=False) as meeting:
        host = await meeting.network.host("turn")
        async with turn_server(tmp_path, host) as url:
            await meeting.restart(turn={"urls": [url], "secret": SECRET})
            await asyncio.gather(
                *(one.enter(meeting.server, 0, options={"relay_only": True}) for one in meeting.members)
            )
            await asyncio.gather(*(one.play() for one in meeting.members))
            await _all_is_well(meeting, "relayed")


async def _all_is_well(meeting: Meeting, name: str) -> None:
    await meeting.all_hear_all(meeting.marks())
    for one, other in meeting.pairs():
        await one.client.do("data", payload=f"{name} {one.identity}", topic="t", reliable=True, to=[other.identity])
    for one, other in meeting.pairs():
        await other.client.until("data", sender=one.identity, payload=f"{name} {one.identity}")
