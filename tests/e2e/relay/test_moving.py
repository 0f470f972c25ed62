"""Members whom a server moves into another room: their clients come there by themselves, with what they publish."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.relay.rooms import ROOM, Meeting, open_meeting
from tests.sdks.servers import HTTP_PORT, LIVEKIT
from tests.sdks.tokens import signed
from tests.time_limits import time_limit

OTHER = "room-2"


@pytest.mark.skipif(bool(LIVEKIT), reason="a LiveKit server moves participants in its cloud only")
@pytest.mark.parametrize("version", [0, 1])
async def test_moved_members_hear_each_other_in_the_other_room(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version) as meeting:
        marks = meeting.marks()
        moved = {"roomAdmin": True, "room": ROOM, "destinationRoom": OTHER}
        for one in meeting.members:
            await _call(meeting, "MoveParticipant", moved, room=ROOM, identity=one.identity, destination_room=OTHER)
        async with time_limit():
            there: set[str] = set()
            while there != {one.identity for one in meeting.members}:
                await asyncio.sleep(0.2)
                there = await _active(meeting)
        await meeting.all_hear_all(marks)


async def _active(meeting: Meeting) -> set[str]:
    listed = await _call(meeting, "ListParticipants", {"roomAdmin": True, "room": OTHER}, room=OTHER)
    return {one["identity"] for one in listed.get("participants", []) if one.get("state") == "ACTIVE"}


async def _call(meeting: Meeting, method: str, grants: dict[str, Any], **body: Any) -> dict[str, Any]:
    url = f"http://{meeting.server.address}:{HTTP_PORT}/twirp/livekit.RoomService/{method}"
    process = await asyncio.create_subprocess_exec(
        *meeting.server.host.namespace.command("curl", "--silent", url),
        *("--header", f"authorization: Bearer {signed({'video': grants})}", "--json", json.dumps(body)),
        stdout=subprocess.PIPE,
    )
    async with time_limit():
        answer, _ = await process.communicate()
    found: dict[str, Any] = json.loads(answer)
    return found
