"""Where the key is kept that signs the directory's lists.

On SQLite it is in a file of its own beside the database, readable by its owner only, so that a copy of the database is
not enough to sign. On PostgreSQL it is in the table `directory_state`: all directories on it must sign with one key,
and the database is all that they share. An operator who would rather give each of them the same file names it in the settings.
"""

import os
from pathlib import Path

from vox.directory.database import relay_rows
from vox.errors import UsageError
from vox.runtime.logging import get_logger
from vox.security.http_signatures import key_pair, new_key_pair
from vox.stores.sql import SqlDatabase

_NAME = "signing_key"
_PUBLIC = "signing_key_public"

_log = get_logger(__name__)


async def signing_key(database: SqlDatabase, path: str, key_file: str = "") -> str:
    """The private key, base64; made where there is none, and moved into its file where the database has it from earlier.

    Args:
        database: open.
        path: of the SQLite file.
        key_file: where the key is, whatever the database; empty for the usual place.

    Raises:
        UsageError: `database_unusable` where the key's file cannot be read or written, or holds no key.
        DependencyError: the database failed.
    """
    fresh = new_key_pair().private
    beside = Path(f"{path}.key") if database.is_sqlite and not database.is_in_memory else None
    file = Path(key_file) if key_file else beside

    def unit(connection: relay_rows.Connection) -> tuple[str, str]:
        if file is None:
            key = relay_rows.read_value(connection, _NAME, fresh)
        else:
            key = _kept_in(file, relay_rows.find_value(connection, _NAME) or fresh)
            relay_rows.drop_value(connection, _NAME)
        public, before = key_pair(key).public, relay_rows.find_value(connection, _PUBLIC)
        if before != public:
            relay_rows.drop_value(connection, _PUBLIC)
            relay_rows.read_value(connection, _PUBLIC, public)
        return key, before if before != public else ""

    key, before = await database.write(unit)
    if before:
        _log.warning(
            "lists are signed with another key than before: clients that know the old one refuse them; "
            "all directories on one database need the same key file",
            now=key_pair(key).public,
            before=before,
        )
    return key


def _kept_in(file: Path, fresh: str) -> str:
    try:
        if not file.exists():
            _write(file, fresh)
        found = file.read_text(encoding="ascii").strip()
        key_pair(found)
    except (OSError, UnicodeDecodeError, UsageError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds none"
        raise UsageError(
            f"the key that signs lists cannot be kept in {file.name}: {why}",
            code="database_unusable",
            hint="make its folder writable, or restore the file",
        ) from None
    return found


def _write(file: Path, key: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as output:
        output.write(f"{key}\n")
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
