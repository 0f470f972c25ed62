"""Restores a backup into an empty database and the storage of the settings: all of it or nothing that counts.

The whole file is read and its digest compared before anything is written. Then come the files, each of which replaces itself when a
restore is begun again, then the key, and the database last, in one step: a restore that was cut leaves no community behind.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from itertools import groupby
from pathlib import Path

from vox.chat.backups.archive import End, Header, Member, damaged, opened_archive, verified_end
from vox.chat.backups.key_file import LARGEST, MEMBER, key_file, write_key_file
from vox.chat.backups.taking import DATABASE_NAME
from vox.chat.config.settings import ChatSettings
from vox.chat.database.migrations.prepare import MIGRATIONS, prepare
from vox.chat.database.transfer import postgres_copy
from vox.chat.database.transfer.move import OnProgress, refuse_filled
from vox.chat.database.transfer.rows import count_rows
from vox.chat.database.transfer.stopped import database_failures, unhurried_postgres
from vox.chat.database.transfer.tables import copied_tables
from vox.chat.features.files.filenames import OCTETS
from vox.errors import UsageError
from vox.providers.storage.contract import Storage
from vox.stores.backup import to_disk
from vox.stores.engines import parse_url
from vox.stores.sql import SqlDatabase, sqlite_url


async def restore_backup(settings: ChatSettings, storage: Storage, source: Path, on_progress: OnProgress) -> End:
    """Restores; the server of these settings must not run.

    Args:
        settings: name an empty database of the backup's engine, and the key file.
        storage: takes the files.
        source: the backup.
        on_progress: is told how far it is, from threads, too.

    Raises:
        UsageError: backup_damaged, target_not_empty, restore_refused.
        DependencyError: database or storage failed.
    """
    database = SqlDatabase(settings.database_url.get_secret_value())
    end = await asyncio.to_thread(verified_end, source, partial(on_progress, "verify"))
    with opened_archive(source) as (header, _, _):
        _assert_engine(header, database)
    await asyncio.to_thread(_assert_empty, settings, database)
    await asyncio.to_thread(storage.prepare)
    with opened_archive(source) as (_, members, _):
        restored = 0
        for member in members:
            if member.name == MEMBER:
                write_key_file(key_file(settings, database.file), member.content(LARGEST))
            elif member.name.startswith("files/"):
                await storage.put(member.name.removeprefix("files/"), _pieces(member), content_type=OCTETS)
                restored += 1
                on_progress("files", restored, end.files)
    if database.file is not None:
        await asyncio.to_thread(_restore_sqlite, source, database.file, on_progress)
    else:
        url = settings.database_url.get_secret_value()
        await asyncio.to_thread(_restore_postgres, source, url, end, on_progress)
    return end


async def _pieces(member: Member) -> AsyncIterator[bytes]:
    for piece in member.pieces():
        yield piece


def _assert_engine(header: Header, database: SqlDatabase) -> None:
    engine = "sqlite" if database.is_sqlite else "postgresql"
    if header.engine != engine or (database.is_sqlite and database.file is None):
        raise UsageError(
            f"the backup is of {header.engine}, and the database of the settings is not",
            code="restore_refused",
            hint=f"restore into {header.engine}, then `vox chat move-database FROM TO`",
        )


def _assert_empty(settings: ChatSettings, database: SqlDatabase) -> None:
    if database.file is not None:
        log = database.file.with_name(f"{database.file.name}-wal")
        if any(file.exists() and file.stat().st_size for file in (database.file, log)):
            raise UsageError(
                f"{database.file} is there already",
                code="target_not_empty",
                hint="stop the server and move the file away, with those beside it whose names begin the same",
            )
        return
    with unhurried_postgres(parse_url(settings.database_url.get_secret_value()), snapshot=False) as connection:
        refuse_filled(connection)


def _restore_sqlite(source: Path, file: Path, on_progress: OnProgress) -> None:
    partial_file = file.with_name(f"{file.name}.partial")
    try:
        with database_failures("writing the database"):
            _write_file(source, file, partial_file, on_progress)
    finally:
        for suffix in ("", "-wal", "-shm"):
            file.with_name(f"{partial_file.name}{suffix}").unlink(missing_ok=True)


def _write_file(source: Path, file: Path, partial_file: Path, on_progress: OnProgress) -> None:
    partial_file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial_file.touch(0o600, exist_ok=False)
    with opened_archive(source) as (_, members, _), partial_file.open("wb") as out:
        member = next((member for member in members if member.name == DATABASE_NAME), None)
        if member is None:
            raise damaged("it has no database")
        done = 0
        for piece in member.pieces():
            out.write(piece)
            done += len(piece)
            on_progress("database", done, member.size)
    with closing(sqlite3.connect(partial_file)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise damaged(f"its database is not sound: {found and found[0]}")
    database = SqlDatabase(sqlite_url(partial_file))
    database.open()
    with closing(database):
        prepare(database)
    to_disk(partial_file)
    partial_file.rename(file)


def _restore_postgres(source: Path, url: str, end: End, on_progress: OnProgress) -> None:
    with (
        database_failures("writing the database"),
        opened_archive(source) as (header, members, _),
        unhurried_postgres(parse_url(url), snapshot=False) as connection,
    ):
        MIGRATIONS.lock(connection)
        refuse_filled(connection)
        postgres_copy.create_tables(connection, header.revision)
        total, done = sum(end.rows.values()), 0

        def counted(chunks: Iterator[Member]) -> Iterator[bytes]:
            nonlocal done
            for member in chunks:
                chunk = member.content()
                yield chunk
                done += chunk.count(b"\n")
                on_progress("database", done, total)

        parts = (member for member in members if member.name.startswith("tables/"))
        for name, chunks in groupby(parts, _table_of):
            postgres_copy.copy_in(connection, name, header.columns.get(name, ()), counted(chunks))
        for table in copied_tables():
            if table.name in end.rows and count_rows(connection, table) != end.rows[table.name]:
                raise damaged(f"the table {table.name} has another number of rows")
        on_progress("search index", 0, 1)
        postgres_copy.finish(connection, header.revision, end.counters)
        connection.commit()


def _table_of(member: Member) -> str:
    return member.name.split("/")[1]
