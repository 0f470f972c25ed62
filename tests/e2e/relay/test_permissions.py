"""Members whose permissions a server changes while they are in the room: it holds where their media arrives."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.relay.room_service import room_service
from tests.e2e.relay.rooms import ROOM, open_meeting


@pytest.mark.parametrize("version", [0, 1])
async def test_who_may_no_longer_publish_is_heard_no_more_and_who_may_not_receive_hears_no_one(
    version: int, tmp_path: Path
):
    async with open_meeting(tmp_path, version) as meeting:
        deafened, silenced, third = meeting.members  # the browser is the one that says when a track ends
        marks = meeting.marks()
        mute = {"can_publish": False, "can_subscribe": True, "can_publish_data": True}
        await room_service(meeting, "UpdateParticipant", room=ROOM, identity=silenced.identity, permission=mute)
        await asyncio.gather(
            *(
                one.client.until("unpublished", since=marks[one.client.sdk], sid=silenced.sid)
                for one in (deafened, third)
            )
        )
        with pytest.raises(AssertionError):
            await silenced.client.publish(silenced.hz)
        mark = deafened.client.mark()
        deaf = {"can_publish": True, "can_subscribe": False, "can_publish_data": True}
        await room_service(meeting, "UpdateParticipant", room=ROOM, identity=deafened.identity, permission=deaf)
        await deafened.client.until("unsubscribed", since=mark, sid=third.sid)
        mark = third.client.mark()
        await third.client.hears(deafened.identity, deafened.hz, since=mark)
        mark = deafened.client.mark()
        await room_service(
            meeting,
            "UpdateParticipant",
            room=ROOM,
            identity=deafened.identity,
            permission={**deaf, "can_subscribe": True},
        )
        await deafened.client.hears(third.identity, third.hz, since=mark)
