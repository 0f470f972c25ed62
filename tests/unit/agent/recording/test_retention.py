"""Which recordings are too old."""

from datetime import date, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vox.agent.recording.retention import delete_expired

TODAY = date(2026, 5, 15)


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_recordings_of_days_too_far_back_go_with_their_folders(tmp_path: Path):
    make(tmp_path, "2026/05/15/a.wav", "2026/05/08/b.opus", "2026/05/07/c.wav", "2025/12/31/d.ogg")
    deleted = delete_expired(tmp_path, TODAY, 7)
    assert [path.name for path in deleted] == ["d.ogg", "c.wav"]
    assert left(tmp_path) == {"2026/05/15/a.wav", "2026/05/08/b.opus"}
    assert not (tmp_path / "2025").exists()


def test_nothing_else_is_touched(tmp_path: Path):
    others = ("2020/01/01/notes.txt", ".pending/2020/01/01/a.wav", "2020/13/40/x.wav", "2020/1/1/x.wav", "old.wav")
    make(tmp_path, *others, "2020/01/02/a.wav")
    delete_expired(tmp_path, TODAY, 1)
    assert left(tmp_path) == set(others)


@given(age=st.integers(0, 800), days=st.integers(1, 400))
def test_a_recording_is_kept_for_as_many_days_as_it_says(tmp_path_factory, age: int, days: int):
    folder = tmp_path_factory.mktemp("kept")
    day = TODAY - timedelta(days=age)
    make(folder, f"{day:%Y/%m/%d}/a.wav")
    assert bool(delete_expired(folder, TODAY, days)) == (age > days)
