"""What an application's server does to a room, as its members notice it."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.relay.room_service import room_service
from tests.e2e.relay.rooms import ROOM, open_meeting


@pytest.mark.parametrize("version", [0, 1])
async def test_members_notice_what_an_administrator_does(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version, sdks=("python", "go")) as meeting:
        python, go = meeting.members
        listed = await room_service(meeting, "ListParticipants", room=ROOM)
        assert {one["identity"] for one in listed["participants"]} == {python.identity, go.identity}

        mark = python.client.mark()
        await room_service(meeting, "MutePublishedTrack", room=ROOM, identity=go.identity, track_sid=go.sid, muted=True)
        await python.client.until("muted", since=mark, sender=go.identity, muted=True)
        await python.client.hears(go.identity, 0, since=mark)

        await room_service(
            meeting, "UpdateParticipant", room=ROOM, identity=python.identity, metadata="m", attributes={"a": "b"}
        )
        await go.client.until("metadata", sender=python.identity, metadata="m")
        await go.client.until("attributes", sender=python.identity, attributes={"a": "b"})

        await room_service(meeting, "UpdateRoomMetadata", room=ROOM, metadata="about the room")
        await asyncio.gather(*(one.client.until("room_metadata", metadata="about the room") for one in meeting.members))
        await room_service(meeting, "SendData", room=ROOM, data="aGVsbG8=", kind="RELIABLE", topic="news")
        await asyncio.gather(*(one.client.until("data", topic="news", payload="hello") for one in meeting.members))

        await room_service(meeting, "RemoveParticipant", room=ROOM, identity=go.identity)
        await go.client.until("state", state="disconnected")
        await python.client.until("member", sender=go.identity, there=False)

        await room_service(meeting, "DeleteRoom", room=ROOM)
        await python.client.until("state", state="disconnected", reason="ROOM_DELETED")
