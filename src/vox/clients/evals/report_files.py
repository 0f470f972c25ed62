"""Writes a run's reports into one folder: `results.json`, `junit.xml`, `report.html`, and the recordings under `audio/`."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from vox.clients.audio_files import write_wav
from vox.clients.evals.html_report import html_report
from vox.clients.evals.json_report import results_json
from vox.clients.evals.junit_report import junit_xml
from vox.clients.evals.runner import EvalResult
from vox.errors import UsageError

_LONGEST_NAME: Final = 60


def make_folder(folder: Path) -> None:
    """Makes the folder before the run, so that a wrong one fails before the calls and not behind them.

    Raises:
        UsageError: it cannot be made or written (`eval_unwritable`).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text("[]\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}", code="eval_unwritable", hint="choose another --out-dir"
        ) from error


def write_reports(results: Sequence[EvalResult], folder: Path, made: datetime) -> None:
    """Writes everything; the recordings have the caller left and the agent right."""
    audio = {
        result.name: f"audio/{number:03d}-{_file_name(result.name)}.wav"
        for number, result in enumerate(results, start=1)
        if result.record is not None and result.record.audio is not None
    }
    try:
        if audio:
            (folder / "audio").mkdir(exist_ok=True)
        for result in results:
            if result.record is not None and (sound := result.record.audio) is not None:
                write_wav(folder / audio[result.name], (sound.caller, sound.agent), sound.sample_rate)
        _write(folder / "results.json", results_json(results, audio))
        _write(folder / "junit.xml", junit_xml(results))
        _write(folder / "report.html", html_report(results, audio, made))
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}", code="eval_unwritable", hint="choose another --out-dir"
        ) from error


def _write(path: Path, text: str) -> None:
    """Writes a text, also where a model put half a character into it."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_NAME] or "call"
