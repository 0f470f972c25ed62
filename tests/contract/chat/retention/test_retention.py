"""What is over goes by itself: once an hour, whatever the hour before did."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.contract.chat.harness import community
from tests.contract.chat.helpers_people import LateClock
from tests.contract.chat.helpers_spaces import feed
from vox.chat import server
from vox.chat.context import ChatContext
from vox.chat.database.schema import event_log, files, message_nonces, messages, sessions
from vox.chat.features import retention

DAY_S = 86_400


async def test_a_sweep_takes_what_time_made_worthless_and_nothing_else(database_url: str, tmp_path: Path):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        ada = await rig.register("ada")
        feed_id = await feed(ada)
        await ada.ok("POST", f"/feeds/{feed_id}/messages", {"body": "kept", "nonce": "once"})
        form = {"file": ("note.txt", b"nobody takes me", "text/plain")}
        file = (await ada.call("POST", f"/feeds/{feed_id}/files", files=form)).json()
        counted = (sessions, event_log, message_nonces, files, messages)

        async def rows() -> list[int]:
            return [
                await rig.chat.read(
                    lambda c, table=table: c.execute(select(func.count()).select_from(table)).scalar_one()
                )
                for table in counted
            ]

        before = await rows()
        assert await retention.sweep(rig.chat) == 0
        assert await rows() == before
        assert (await ada.get(f"/files/{file['file_id']}")).status_code == 200

        clock.advance(8 * DAY_S)
        assert await retention.sweep(rig.chat) > 0
        assert await rows() == [1, 0, 0, 0, 1]
        assert (await ada.get(f"/files/{file['file_id']}")).status_code == 404
        assert not list((tmp_path / "uploads").glob(f"*{file['file_id']}*"))

        clock.advance(40 * DAY_S)
        await retention.sweep(rig.chat)
        assert await rows() == [0, 0, 0, 0, 1]


async def test_one_bad_hour_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "SWEEP_S", 0)
    again = asyncio.Event()
    rounds: list[int] = []

    async def sweeps(_chat: ChatContext) -> int:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise OSError("the disk is full")
        again.set()
        return 0

    monkeypatch.setattr(retention, "sweep", sweeps)
    async with community("sqlite://", tmp_path), asyncio.timeout(5):
        await again.wait()
