"""Frames that the members encrypt themselves pass the relay as they are."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.relay.rooms import open_meeting
from tests.sdks.tones import SILENT

KEY = "a passphrase of the room's members"


@pytest.mark.parametrize("version", [0, 1])
async def test_members_with_the_key_hear_each_other_and_one_without_does_not(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version, enters=False) as meeting:
        browser, python, stranger = meeting.members
        await asyncio.gather(
            browser.enter(meeting.server, version, options={"e2ee": KEY}),
            python.enter(meeting.server, version, options={"e2ee": KEY}),
            stranger.enter(meeting.server, version),
        )
        await asyncio.gather(browser.play(), python.play())
        await asyncio.gather(
            browser.client.hears(python.identity, python.hz), python.client.hears(browser.identity, browser.hz)
        )
        mark = stranger.client.mark()
        for one in (browser, python):
            await stranger.client.until("opus", since=mark, sender=one.identity)
        heard = [event["hz"] for event in stranger.client.events if event["event"] == "tone"]
        assert not {browser.hz, python.hz} & {*heard}, (
            f"the frames are not encrypted, or {SILENT} is too quiet: {heard}"
        )
