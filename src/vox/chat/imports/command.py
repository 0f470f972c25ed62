"""An import as an operator starts it: opens database, storage and archive, and closes them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from vox.chat.config.limits import DEFAULTS
from vox.chat.config.settings import ChatSettings
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.transfer.move import OnProgress
from vox.chat.database.worker_lease import largest_number
from vox.chat.imports.archive_source import open_source
from vox.chat.imports.claiming import claim_placeholder
from vox.chat.imports.emoji_packs import PackReport, export_pack, import_pack
from vox.chat.imports.importing import Importer, ImportOptions, ImportReport
from vox.chat.imports.model import Origin, Skipped
from vox.chat.storage.limits import open_storage
from vox.errors import UsageError
from vox.runtime.clock import SystemClock
from vox.stores.sql import SqlDatabase


def import_archive(
    settings: ChatSettings,
    origin: Origin,
    archive: Path,
    report_file: Path,
    options: ImportOptions,
    on_progress: OnProgress,
) -> ImportReport:
    """Imports an archive into the community of the settings; its server may run. Blocks.

    Args:
        settings: name database and storage.
        origin: the program that wrote the export.
        archive: a ZIP archive, a folder or a file.
        report_file: gets a line for each thing that is skipped; replaced where it is there.
        options: of the operator; the limits of the settings take the place of theirs.
        on_progress: is told how far it is.

    Raises:
        UsageError: archive_damaged, archive_refused, report_unwritable.
        DependencyError: database or storage failed; the same command goes on where it was.
    """
    limits = {**DEFAULTS, **settings.limits}
    options = replace(options, largest_file=limits["file_upload_max_bytes"], most_pins=limits["max_pins_per_feed"])
    source = open_source(archive)
    clock = SystemClock()
    storage = open_storage(settings)
    storage.prepare()
    database = SqlDatabase(settings.database_url.get_secret_value(), readers=1, synchronous=settings.sqlite_synchronous)
    try:
        descriptor = os.open(report_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise UsageError(
            f"{report_file} cannot be written: {error.strerror}",
            code="report_unwritable",
            hint="name another by --report",
        ) from error
    database.open()
    with (
        closing(source),
        closing(database),
        os.fdopen(descriptor, "w", encoding="utf-8") as report,
        asyncio.Runner() as loop,
    ):
        prepare(database)
        ids = Snowflakes(clock, after=database.run_sync(largest_number))

        def put(key: str, pieces: Iterator[bytes], mime: str) -> None:
            loop.run(_put(key, pieces, mime))

        async def _put(key: str, pieces: Iterator[bytes], mime: str) -> None:
            await storage.put(key, _in_turn(pieces), content_type=mime)

        return Importer(database, put, clock, ids.next, report, on_progress, options).run(origin, source)


def run_export_of_emoji(settings: ChatSettings, target: Path) -> tuple[int, list[Skipped]]:
    """Writes the community's emoji and stickers into a pack; the server may run. Blocks.

    Raises:
        UsageError: pack_unwritable.
    """
    database = SqlDatabase(settings.database_url.get_secret_value(), readers=1)
    database.open()
    with closing(database):
        prepare(database)
        return asyncio.run(export_pack(database, open_storage(settings), target, settings.server_name))


def run_import_of_emoji(settings: ChatSettings, pack: Path) -> PackReport:
    """Adds the emoji and stickers of a pack; the server may run. Blocks.

    Raises:
        UsageError: archive_damaged, archive_refused.
    """
    source = open_source(pack)
    clock, storage = SystemClock(), open_storage(settings)
    storage.prepare()
    database = SqlDatabase(settings.database_url.get_secret_value(), readers=1)
    database.open()
    with closing(source), closing(database):
        prepare(database)
        ids = Snowflakes(clock, after=database.run_sync(largest_number))
        adding = import_pack(settings, database, storage, source, ids.next, clock.unix_ms())
        return asyncio.run(adding)


def run_claim(settings: ChatSettings, placeholder: str, account: str, on_progress: OnProgress) -> int:
    """Gives what a placeholder said to an account, and returns the number of messages; the server may run. Blocks.

    Raises:
        UsageError: claim_refused.
    """
    clock = SystemClock()
    database = SqlDatabase(settings.database_url.get_secret_value(), readers=1)
    database.open()
    with closing(database):
        prepare(database)
        ids = Snowflakes(clock, after=database.run_sync(largest_number))
        return claim_placeholder(database, placeholder, account, ids.next, clock.unix_ms(), on_progress)


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
