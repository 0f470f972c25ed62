"""Deletes recordings that are older than the operator wants to keep them; a bucket has life-cycle rules of its own for that."""

import os
import re
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from vox.agent.recording.pending import remove_empty

_DAY: Final = re.compile(r"(\d{4})/(\d{2})/(\d{2})")
ENDINGS: Final = frozenset({".wav", ".opus", ".ogg"})


def delete_expired(folder: Path, today: date, days: int) -> list[Path]:
    """Deletes the recordings of days that lie more than so many days back, and returns them; blocks.

    The day is that of the folder, so copying recordings about does not make them younger. Other files stay.
    """
    oldest = today - timedelta(days=days)
    deleted: list[Path] = []
    for place in sorted(Path(at) for at, _, _ in os.walk(folder)):
        day = _day_of(place.relative_to(folder).as_posix())
        if day is None or day >= oldest or not place.is_dir():
            continue
        with suppress(FileNotFoundError):  # another server with this folder was quicker
            for file in sorted(place.iterdir()):
                if file.suffix in ENDINGS and file.is_file():
                    file.unlink(missing_ok=True)
                    deleted.append(file)
        remove_empty(place, folder)
    return deleted


def _day_of(path: str) -> date | None:
    found = _DAY.fullmatch(path)
    if found is not None:
        with suppress(ValueError):
            return date(*map(int, found.groups()))
    return None
