"""Files that a server left behind, and those that another one still writes."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vox.agent.recording import pending
from vox.agent.recording.pending import YOUNG_S, PendingFiles
from vox.media.recording import wav

DAY = datetime(2026, 5, 15, 23, 59, tzinfo=UTC)
NOW_S = 4e9


def left_behind(folder: Path, session: str, audio: bytes = b"ab" * 8000) -> Path:
    part = PendingFiles(folder).part_for(session, DAY)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(wav.header(8000, 1) + audio)
    return part


def test_a_file_is_named_by_its_day_and_session(tmp_path: Path):
    files = PendingFiles(tmp_path)
    part = files.part_for("call_1", DAY)
    assert part == tmp_path / ".pending/2026/05/15/call_1.wav.part"
    left_behind(tmp_path, "call_1")
    assert files.name_of(files.complete(part)) == "2026/05/15/call_1"


@pytest.mark.parametrize("session", ["../../etc/passwd", "", "a/b", "x" * 500, "ä\0", ".hidden"])
def test_no_session_leads_out_of_the_folder(tmp_path: Path, session: str):
    part = PendingFiles(tmp_path).part_for(session, DAY)
    assert part.parent == tmp_path / ".pending/2026/05/15"
    assert part.name[0] != "."
    assert len(part.name) < 120


def test_what_a_killed_server_left_is_repaired_and_waits(tmp_path: Path):
    left_behind(tmp_path, "call_1", b"ab" * 8000 + b"x")
    files = PendingFiles(tmp_path)
    (whole,) = files.recover(NOW_S)
    assert whole.name == "call_1.wav"
    assert whole.read_bytes() == wav.header(8000, 1, 16_000) + b"ab" * 8000
    assert files.waiting() == [whole]
    assert files.recover(NOW_S) == []


def test_a_file_that_is_being_written_is_let_alone(tmp_path: Path):
    part = left_behind(tmp_path, "call_1")
    with part.open("r+b") as writer:
        assert pending.lock(writer)
        assert PendingFiles(tmp_path).recover(NOW_S) == []
    assert part.exists()


def test_a_file_without_audio_is_deleted_once_it_cannot_be_a_call_that_begins(tmp_path: Path):
    part = left_behind(tmp_path, "call_1", b"")
    written_s = part.stat().st_mtime
    PendingFiles(tmp_path).recover(written_s + YOUNG_S)
    assert part.exists()
    assert PendingFiles(tmp_path).recover(written_s + YOUNG_S + 1) == []
    assert not part.exists()


def test_a_file_that_is_no_recording_stays_for_the_operator(tmp_path: Path):
    part = left_behind(tmp_path, "call_1")
    part.write_bytes(b"?" * 1000)
    assert PendingFiles(tmp_path).recover(NOW_S) == []
    assert part.exists()


def test_the_oldest_waits_first_and_other_files_do_not_wait(tmp_path: Path):
    files = PendingFiles(tmp_path)
    for name in ("2026/05/15/b.wav", "2026/05/14/c.wav", "2026/05/15/a.opus", "2026/05/15/a.wav.part", "x.wav"):
        (files.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (files.folder / name).touch()
    assert [files.name_of(file) for file in files.waiting()] == ["2026/05/14/c", "2026/05/15/b"]


def test_one_server_at_a_time_has_a_waiting_file(tmp_path: Path):
    file = PendingFiles(tmp_path).complete(left_behind(tmp_path, "call_1"))
    with pending.claimed(file) as first, pending.claimed(file) as second:
        assert (first, second) == (True, False)
    with pending.claimed(file) as again:
        assert again
        file.unlink()
    with pending.claimed(file) as gone:
        assert not gone


def test_removing_the_last_file_of_a_day_removes_its_folders(tmp_path: Path):
    files = PendingFiles(tmp_path)
    one, other = (files.complete(left_behind(tmp_path, name)) for name in ("a", "b"))
    files.remove(one)
    assert other.exists()
    files.remove(other)
    assert list(files.folder.iterdir()) == []
    files.remove(other)


def test_a_rejected_file_waits_no_more(tmp_path: Path):
    files = PendingFiles(tmp_path)
    files.reject(files.complete(left_behind(tmp_path, "call_1")))
    assert files.waiting() == []
    assert [path.name for path in files.folder.rglob("*.unreadable")] == ["call_1.wav.unreadable"]


def test_a_young_file_is_left_to_servers_that_may_go_on_with_its_call(tmp_path: Path):
    part = left_behind(tmp_path, "call_1")
    files, written_s = PendingFiles(tmp_path), part.stat().st_mtime
    assert files.recover(written_s + 60, patience_s=90) == []
    assert part.exists()
    (whole,) = files.recover(written_s + 91, patience_s=90)
    assert whole.name == "call_1.wav"


def test_a_part_is_found_by_its_name_and_by_no_path_of_others(tmp_path: Path):
    part = left_behind(tmp_path, "call_1")
    files = PendingFiles(tmp_path)
    name = files.name_of_part(part)
    assert files.part_named(name) == part
    for wrong in ("", f"../{name}", f"{name}x", f"/{name}", name.replace("call_1", "../call_1")):
        assert files.part_named(wrong) is None


def test_a_day_that_goes_while_one_looks_has_nothing_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = PendingFiles(tmp_path)
    gone = files.complete(left_behind(tmp_path, "a"))
    look = os.scandir

    def late(folder: Path | str) -> Any:
        if Path(folder) == gone.parent.parent and gone.exists():
            files.remove(gone)
        return look(folder)

    monkeypatch.setattr(os, "scandir", late)
    assert files.waiting() == []
    assert not gone.exists()
