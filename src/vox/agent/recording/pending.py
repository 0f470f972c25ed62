"""The files of calls that are being recorded, and of recordings that wait to be stored, in a folder of this machine.

A file under `.pending` ends in `.part` while its call goes on, and its writer holds a lock on it that ends with the process, however
that ends. So a later start, or another server on the same folder, knows what was left behind: it repairs that, and stores it.
All of it blocks and belongs into a thread.
"""

import contextlib
import os
import re
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from vox.errors import UsageError
from vox.media.recording import wav
from vox.runtime.logging import get_logger

log = get_logger(__name__)

FOLDER: Final = ".pending"
PART: Final = ".wav.part"
WHOLE: Final = ".wav"
UNREADABLE: Final = ".unreadable"
YOUNG_S: Final = 60.0
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_PART_NAME: Final = re.compile(r"\d{4}/\d{2}/\d{2}/[A-Za-z0-9_-]{1,120}")
_LONGEST_NAME: Final = 100
_DEPTH: Final = 4  # year, month, day, file


class PendingFiles:
    """The folder `.pending` below the operator's folder for recordings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def part_for(self, session: str, began: datetime) -> Path:
        """The file for a call that begins; it is not made."""
        name = _UNSAFE.sub("_", session)[:_LONGEST_NAME] or "call"
        return self.folder / f"{began:%Y/%m/%d}" / f"{name}{PART}"

    def name_of(self, file: Path) -> str:
        """`YYYY/MM/DD/session` of a file that waits."""
        return file.relative_to(self.folder).as_posix().removesuffix(WHOLE)

    def part_named(self, name: str) -> Path | None:
        """The part with the name that `name_of_part` gave to another process; None where it is not here."""
        part = self.folder / f"{name}{PART}"
        is_ours = _PART_NAME.fullmatch(name) is not None
        return part if is_ours and part.is_file() else None

    def name_of_part(self, part: Path) -> str:
        """`YYYY/MM/DD/session` of a file of a call that goes on."""
        return part.relative_to(self.folder).as_posix().removesuffix(PART)

    def complete(self, part: Path) -> Path:
        """Marks the file of a call as whole; returns its new name."""
        whole = part.with_name(part.name.removesuffix(PART) + WHOLE)
        part.replace(whole)
        return whole

    def recover(self, now_s: float, patience_s: float = 0.0) -> list[Path]:
        """Repairs and completes the files of calls whose server ended without a word; returns them.

        Args:
            now_s: present Unix time: a file without audio is only deleted once it is `YOUNG_S` old, because another server may
                be about to lock it.
            patience_s: what was written to within this time is left alone: another server may go on with the call.
        """
        parts = [part for part in self._files(PART) if not patience_s or _age_s(part, now_s) > patience_s]
        return [whole for part in parts if (whole := self._recovered(part, now_s)) is not None]

    def waiting(self) -> list[Path]:
        """The whole files, the oldest first."""
        return list(self._files(WHOLE))

    def reject(self, file: Path) -> None:
        """Puts a file aside that is no recording, so that it is not tried again."""
        file.replace(file.with_name(file.name + UNREADABLE))

    def remove(self, file: Path) -> None:
        """Deletes a file that is stored, and the folders of its day that are empty then."""
        file.unlink(missing_ok=True)
        remove_empty(file.parent, self.folder)

    def _recovered(self, part: Path, now_s: float) -> Path | None:
        try:
            with part.open("r+b") as file:
                if not lock(file):
                    return None
                status = os.fstat(file.fileno())
                if status.st_size <= wav.HEADER_BYTES:  # its call had only begun
                    if now_s - status.st_mtime > YOUNG_S:
                        part.unlink(missing_ok=True)
                    return None
                length_s = wav.repair(file)
                os.fsync(file.fileno())
        except FileNotFoundError:
            return None
        except (UsageError, OSError) as error:
            log.warning("recording cannot be repaired", file=str(part), error=str(error))
            return None
        whole = self.complete(part)
        log.warning("recording of a call that broke off was repaired", file=str(whole), seconds=round(length_s, 2))
        return whole

    def _files(self, ending: str) -> Iterator[Path]:
        """Those of all days; a day's folder may go meanwhile, because its last file was stored."""
        found = [Path(at, name) for at, _, names in os.walk(self.folder) for name in names if name.endswith(ending)]
        return iter(sorted(path for path in found if len(path.relative_to(self.folder).parts) == _DEPTH))


def _age_s(file: Path, now_s: float) -> float:
    try:
        return now_s - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def lock(file: BinaryIO) -> bool:
    """Takes an open file for this process until it is closed; False where another has it."""
    try:
        import fcntl  # noqa: PLC0415  absent on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def claimed(file: Path) -> Generator[bool]:
    """Holds a waiting file while the block runs, so that one server alone stores it; False where it is gone or taken."""
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        yield False
        return
    with opened:
        yield lock(opened) and file.exists()


def remove_empty(folder: Path, root: Path) -> None:
    """Deletes a folder and those above it, below the root, as far as they are empty."""
    with contextlib.suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent
