"""A backup of a running community, restored elsewhere: what its members see is the same."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.data.conftest import EmptyDatabase
from tests.contract.chat.data.filled import NOTE, at, fill, seen
from tests.contract.chat.harness import Rig, chat_settings, community
from vox.chat.backups.key_file import key_file
from vox.chat.backups.restoring import restore_backup
from vox.chat.backups.taking import TakenBackup, take_backup
from vox.chat.config.settings import ChatSettings
from vox.chat.storage.limits import open_storage
from vox.errors import UsageError
from vox.stores.sql import SqlDatabase


class CutError(Exception):
    """The power is gone."""


def silent(_what: str, _done: int, _total: int) -> None:
    """No progress."""


async def back_up(settings: ChatSettings, target: Path) -> TakenBackup:
    return await take_backup(settings, open_storage(settings), target, 1_700_000_000, silent)


async def restore(settings: ChatSettings, source: Path) -> Any:
    return await restore_backup(settings, open_storage(settings), source, silent)


def names_in(folder: Path, beginning: str) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{beginning}*"))


def engine_of(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql"


@pytest.fixture
async def rig(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path / "old") as it:
        yield it


async def test_what_was_backed_up_while_people_write_is_there_again(
    rig: Rig, database_url: str, tmp_path: Path, empty_database: EmptyDatabase
):
    (tmp_path / "old").mkdir(exist_ok=True)
    ada, feed_id, file_id = await fill(rig)
    before = await seen(ada, feed_id)
    stop = asyncio.Event()

    async def write_on() -> int:
        n = 0
        while not stop.is_set():
            await ada.ok("POST", f"/feeds/{feed_id}/messages", {"body": f"later {n}"})
            n += 1
        return n

    writing = asyncio.create_task(write_on())
    taken = await back_up(rig.chat.settings, tmp_path / "b.tar.zst")
    stop.set()
    written = await writing
    assert (taken.files, taken.missing, taken.has_key) == (1, [], False)
    assert (tmp_path / "b.tar.zst").stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path, "b.tar") == ["b.tar.zst"]

    settings = chat_settings(empty_database(engine_of(database_url)), tmp_path / "new")
    await restore(settings, tmp_path / "b.tar.zst")
    async with community(settings.database_url.get_secret_value(), tmp_path / "new") as other:
        again = at(ada, other)
        history = (await again.ok("GET", f"/feeds/{feed_id}/messages", limit=100))["messages"]
        later = [message for message in history if message["body"].startswith("later")]
        assert len(later) <= written
        assert [message["body"] for message in later] == [f"later {n}" for n in reversed(range(len(later)))]
        for message in later:
            await again.ok("DELETE", f"/feeds/{feed_id}/messages/{message['msg_id']}")
        after = await seen(again, feed_id)
        assert {**after, "audit": None} == {**before, "audit": None}
        assert (await again.get(f"/files/{file_id}")).content == NOTE[1]
        newcomer = await other.register("newcomer")
        assert newcomer.user_id == 4  # ids go on
        assert (await again.ok("POST", f"/feeds/{feed_id}/messages", {"body": "on"}))["msg_id"] > history[0]["msg_id"]


async def test_the_key_is_in_it_and_a_lost_file_is_named(
    rig: Rig, database_url: str, tmp_path: Path, empty_database: EmptyDatabase, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    old = key_file(rig.chat.settings, rig.chat.database.file)
    old.write_bytes(b"a key")
    _, _, file_id = await fill(rig)
    await rig.chat.storage.delete(file_id)
    taken = await back_up(rig.chat.settings, tmp_path / "b")
    assert (taken.files, taken.missing, taken.has_key) == (0, [file_id], True)

    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    settings = chat_settings(empty_database(engine_of(database_url)), tmp_path / "new")
    await restore(settings, tmp_path / "b")
    restored = key_file(settings, SqlDatabase(settings.database_url.get_secret_value()).file)
    assert restored != old
    assert restored.read_bytes() == b"a key"
    assert restored.stat().st_mode & 0o777 == 0o600


async def test_nothing_is_restored_over_something_nor_from_half_a_backup(
    rig: Rig, database_url: str, tmp_path: Path, empty_database: EmptyDatabase
):
    await fill(rig)
    backup = tmp_path / "b"
    await back_up(rig.chat.settings, backup)
    for target, code in ((backup, "backup_impossible"), (tmp_path / "nowhere" / "b", "backup_impossible")):
        with pytest.raises(UsageError) as refused:
            await back_up(rig.chat.settings, target)
        assert refused.value.code == code
    with pytest.raises(UsageError) as refused:
        await restore(rig.chat.settings, backup)
    assert refused.value.code == "target_not_empty"

    other = "postgresql" if engine_of(database_url) == "sqlite" else "sqlite"
    with pytest.raises(UsageError) as refused:
        await restore(chat_settings(empty_database(other), tmp_path / "new"), backup)
    assert refused.value.code == "restore_refused"

    settings = chat_settings(empty_database(engine_of(database_url)), tmp_path / "new")
    half = tmp_path / "half"
    half.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    with pytest.raises(UsageError) as refused:
        await restore(settings, half)
    assert refused.value.code == "backup_damaged"
    assert not (tmp_path / "new" / "uploads").exists()
    await restore(settings, backup)  # the target is still empty


async def test_a_restore_that_was_cut_is_simply_done_again(
    rig: Rig, database_url: str, tmp_path: Path, empty_database: EmptyDatabase
):
    ada, feed_id, _ = await fill(rig)
    await back_up(rig.chat.settings, tmp_path / "b")
    settings = chat_settings(empty_database(engine_of(database_url)), tmp_path / "new")

    def cut(what: str, _done: int, _total: int) -> None:
        if what == "database":
            raise CutError

    with pytest.raises(CutError):
        await restore_backup(settings, open_storage(settings), tmp_path / "b", cut)
    assert not names_in(tmp_path, "empty-")
    await restore(settings, tmp_path / "b")
    async with community(settings.database_url.get_secret_value(), tmp_path / "new") as other:
        assert len((await at(ada, other).ok("GET", f"/feeds/{feed_id}/messages", limit=100))["messages"]) == 100
