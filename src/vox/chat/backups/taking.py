"""Takes a backup while the server runs: the database as it was at one moment, the files that it names, and the key file.

The database comes first. Files never change, so what the database names is what the storage has; a file that was deleted meanwhile
is listed as missing. Everything passes through in pieces: a community of any size needs the same memory.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec

from vox.chat.backups.archive import END_NAME, HEADER_NAME, PIECE, ArchiveWriter, End, Header
from vox.chat.backups.key_file import LARGEST, MEMBER, key_file, read_key_file
from vox.chat.backups.queries import stored_file_ids
from vox.chat.config.settings import ChatSettings
from vox.chat.database.migrations.revisions import HEAD
from vox.chat.database.transfer.move import OnProgress
from vox.chat.database.transfer.postgres_copy import copy_out
from vox.chat.database.transfer.rows import count_rows
from vox.chat.database.transfer.stopped import database_failures, unhurried_postgres
from vox.chat.database.transfer.tables import copied_tables, read_counters, revision
from vox.chat.events.ids import FileId
from vox.chat.features.files.stored_files import storage_key
from vox.errors import DependencyError, UsageError
from vox.providers.storage.contract import Storage
from vox.stores.backup import copy_sqlite, to_disk
from vox.stores.engines import parse_url
from vox.stores.sql import Connection, SqlDatabase, sqlite_url

DATABASE_NAME: Final = "database.sqlite3"
MOST_NAMED: Final = 1000
_PARTIAL: Final = ".partial"
_SNAPSHOT: Final = ".database.partial"


@dataclass(frozen=True, slots=True)
class TakenBackup:
    """What a backup holds.

    Args:
        size: of the file in bytes.
        files: stored files in it.
        missing: ids of files that the storage does not have, at most 1,000 of them.
        missing_count: how many those are.
        has_key: whether there is a key file in it.
    """

    size: int
    files: int
    missing: list[str]
    missing_count: int
    has_key: bool


@dataclass(slots=True)
class _Database:
    rows: dict[str, int]
    counters: dict[str, int]


async def take_backup(
    settings: ChatSettings, storage: Storage, target: Path, now_s: int, on_progress: OnProgress
) -> TakenBackup:
    """Writes a backup to a file that must not be there yet; the file appears when it is whole.

    Args:
        settings: name the database and its key.
        storage: has the files.
        target: the backup.
        now_s: Unix seconds.
        on_progress: is told how far it is, from threads, too.

    Raises:
        UsageError: backup_impossible, database_outdated.
        DependencyError: database or storage failed.
    """
    database = SqlDatabase(settings.database_url.get_secret_value())
    if database.is_sqlite and database.file is None:
        raise UsageError("a database in memory has no backup", code="backup_impossible", hint="use a file")
    key = read_key_file(key_file(settings, database.file))
    if key is not None and len(key) > LARGEST:
        raise UsageError("the key file is too large to be one", code="backup_impossible")
    beside, snapshot = target.with_name(target.name + _PARTIAL), target.with_name(target.name + _SNAPSHOT)
    try:
        with _created(beside, target) as out, tempfile.TemporaryFile("w+", encoding="utf-8") as names:
            writer = ArchiveWriter(out)
            if database.file is not None:
                work = partial(_write_sqlite, database.file, snapshot, writer, names, now_s, on_progress)
            else:
                url = settings.database_url.get_secret_value()
                work = partial(_write_postgres, url, writer, names, now_s, on_progress)
            written = await asyncio.to_thread(work)
            if key is not None:
                writer.add(MEMBER, key)
            count, missing, missing_count = await _write_files(storage, writer, names, on_progress)
            end = End(writer.digest, count, written.rows, written.counters, missing, missing_count)
            writer.add(END_NAME, msgspec.json.encode(end))
            writer.close()
        size = await asyncio.to_thread(_put_in_place, beside, target)
    except OSError as error:
        raise DependencyError(f"writing the backup failed: {error}", code="backup_failed") from error
    finally:
        for leftover in (beside, snapshot):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
    return TakenBackup(size, count, missing, missing_count, key is not None)


def _put_in_place(beside: Path, target: Path) -> int:
    to_disk(beside)
    beside.rename(target)
    return target.stat().st_size


def _created(path: Path, target: Path) -> BinaryIO:
    if target.exists():
        raise UsageError(f"{target} exists already", code="backup_impossible", hint="choose another name")
    try:
        path.unlink(missing_ok=True)
        return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be created: {error.strerror}",
            code="backup_impossible",
            hint="choose a folder that you may write to",
        ) from error


def _write_sqlite(
    file: Path, snapshot: Path, writer: ArchiveWriter, names: IO[str], now_s: int, on_progress: OnProgress
) -> _Database:
    snapshot.unlink(missing_ok=True)
    size = copy_sqlite(file, snapshot, partial(on_progress, "database"))
    copy = SqlDatabase(sqlite_url(snapshot))
    copy.open()
    with closing(copy):
        found = copy.run_sync(revision, deadline_s=60)
        copy.run_sync(partial(_write_names, names=names), deadline_s=86_400)
    if found is None:
        raise _outdated()
    writer.add(HEADER_NAME, msgspec.json.encode(Header("sqlite", found, now_s)))
    size = snapshot.stat().st_size
    writer.begin(DATABASE_NAME, size)
    with snapshot.open("rb") as source:
        while piece := source.read(PIECE):
            writer.write(piece)
            on_progress("compress", source.tell(), size)
    writer.finish_member()
    snapshot.unlink()
    return _Database({}, {})


def _write_postgres(url: str, writer: ArchiveWriter, names: IO[str], now_s: int, on_progress: OnProgress) -> _Database:
    tables = copied_tables()
    with database_failures("reading the database"), unhurried_postgres(parse_url(url)) as connection:
        if revision(connection) != HEAD:
            raise _outdated()
        header = Header("postgresql", HEAD, now_s, {table.name: list(table.columns) for table in tables})
        writer.add(HEADER_NAME, msgspec.json.encode(header))
        rows = {table.name: count_rows(connection, table) for table in tables}
        total, done = sum(rows.values()), 0
        for table in tables:
            for number, chunk in enumerate(copy_out(connection, table)):
                writer.add(f"tables/{table.name}/{number:08d}", chunk)
                done += chunk.count(b"\n")
                on_progress("database", done, total)
        _write_names(connection, names)
        return _Database(rows, read_counters(connection))


def _write_names(connection: Connection, names: IO[str]) -> None:
    """Keeps ids and purposes in a temporary file, so that memory does not grow with the number of files."""
    lines: Iterable[str] = (f"{file_id} {purpose}\n" for file_id, purpose in stored_file_ids(connection))
    names.writelines(lines)


async def _write_files(
    storage: Storage, writer: ArchiveWriter, names: IO[str], on_progress: OnProgress
) -> tuple[int, list[str], int]:
    names.seek(0)
    total = sum(1 for _ in names)
    names.seek(0)
    count, missing, missing_count = 0, list[str](), 0
    for position, line in enumerate(names, 1):
        file_id, _, purpose = line.rstrip("\n").partition(" ")
        if await _write_file(storage, writer, storage_key(FileId(file_id), purpose)):
            count += 1
        else:
            missing_count += 1
            if len(missing) < MOST_NAMED:
                missing.append(file_id)
        on_progress("files", position, total)
    return count, missing, missing_count


async def _write_file(storage: Storage, writer: ArchiveWriter, key: str) -> bool:
    """Whether the file was there; its first piece is asked for before its member begins, because it may be gone by then."""
    try:
        size = await storage.size(key)
        pieces = aiter(storage.open(key))
        first = await anext(pieces, b"")
    except UsageError as error:
        if error.code not in {"file_not_stored", "invalid_storage_key"}:
            raise
        return False
    try:
        writer.begin(f"files/{key}", size)
        writer.write(first)
        async for piece in pieces:
            writer.write(piece)
        writer.finish_member()
    except ValueError:
        raise DependencyError(f"the stored file {key} changed while it was read", code="storage_failed") from None
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
    return True


def _outdated() -> UsageError:
    return UsageError(
        "the database's tables are not those of this version",
        code="database_outdated",
        hint="run `vox chat migrate`, or take the backup with the version that serves it",
    )
