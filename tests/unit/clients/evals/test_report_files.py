import json
import wave
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.clients.evals.helpers_results import HOSTILE, asked, failed, passed
from vox.clients.evals.report_files import make_folder, write_reports
from vox.errors import UsageError

MADE = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_run_leaves_its_reports_and_recordings(tmp_path: Path):
    folder = tmp_path / "new" / "out"
    make_folder(folder)
    write_reports([passed(), failed(), asked()], folder, MADE)
    assert sorted(path.name for path in folder.iterdir()) == ["audio", "junit.xml", "report.html", "results.json"]
    audio = json.loads((folder / "results.json").read_text())[1]["audio"]
    assert audio == "audio/002-says-the-hours-aloud.wav"
    with wave.open(str(folder / audio)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 1600)
        assert file.readframes(1) == b"\1\0\2\0"


def test_without_spoken_calls_there_is_no_folder_of_recordings(tmp_path: Path):
    make_folder(tmp_path)
    write_reports([asked()], tmp_path, MADE)
    assert not (tmp_path / "audio").exists()


def test_texts_that_are_no_utf_8_are_written_all_the_same(tmp_path: Path):
    make_folder(tmp_path)
    write_reports([failed(HOSTILE)], tmp_path, MADE)
    assert "alert" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_made_fails_before_the_run(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as error:
        make_folder(tmp_path / "file" / "out")
    assert error.value.code == "eval_unwritable"
