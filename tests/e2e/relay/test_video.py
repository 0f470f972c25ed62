"""A camera from one Chromium to another, in layers."""

from pathlib import Path

import pytest

from tests.e2e.relay.rooms import Member, open_meeting
from tests.sdks.clients import open_client

LOW, HIGH = 0, 2


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("codec", ["vp8"])
async def test_a_camera_is_seen_in_the_layer_that_the_watcher_wants(version: int, codec: str, tmp_path: Path):
    async with open_meeting(tmp_path, version, sdks=("javascript",), plays=False) as meeting:
        (shown,) = meeting.members
        host = await meeting.network.host("watcher")
        async with open_client("javascript", tmp_path / "watcher", host) as client:
            watcher = Member(client, host, 0)
            await watcher.enter(meeting.server, version, identity="watcher")
            sid = (await shown.client.do("video", codec=codec))["sid"]
            await client.until("subscribed", sender=shown.identity, sid=sid, kind="video")
            await client.until_any("video", lambda event: event["width"] == 640, told="640 wide")
            for quality, width in ((LOW, 320), (HIGH, 640)):
                mark = client.mark()
                await client.do("layer", sid=sid, quality=quality)
                await client.until_any(
                    "video", lambda event, width=width: event["width"] == width, since=mark, told=f"{width} wide"
                )
