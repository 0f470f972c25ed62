"""The key that encrypts secrets in the database, where it is kept in a file: a backup without it could not be used."""

import os
from pathlib import Path
from typing import Final

from vox.chat.config.settings import ChatSettings
from vox.errors import UsageError

MEMBER: Final = "keys/secrets.key"
LARGEST: Final = 65_536


def key_file(settings: ChatSettings, database_file: Path | None) -> Path:
    """Where the key file lies, whether it exists or not.

    Args:
        settings: may name it.
        database_file: the SQLite file that it lies beside; None for another database.
    """
    if settings.secrets_key_file:
        return Path(settings.secrets_key_file)
    return Path("vox.key") if database_file is None else database_file.with_name(f"{database_file.name}.key")


def read_key_file(path: Path) -> bytes | None:
    """Its bytes; None where there is none.

    Raises:
        UsageError: it cannot be read (backup_impossible).
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}", code="backup_impossible") from error


def write_key_file(path: Path, key: bytes) -> None:
    """Writes it for its owner only; one that is there must be the same.

    Raises:
        UsageError: another key is there, or it cannot be written (restore_refused).
    """
    if path.exists():
        if read_key_file(path) != key:
            raise UsageError(
                f"{path} holds another key than the backup",
                code="restore_refused",
                hint="move it away; the restored database needs the backup's key",
            )
        return
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be written: {error.strerror}", code="restore_refused") from error
