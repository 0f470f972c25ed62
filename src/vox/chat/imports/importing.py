"""Imports an export: looked into, checked to its last byte, then stored in batches beside a server that may run.

Everything has the same id at every import, so what was stored before a cut is found again and not stored twice; parts of the archive
that were finished are not even read again. Nothing is stored of an archive with a damaged part, unless that is asked for.
"""

import hashlib
import mimetypes
import tempfile
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Final, Protocol, TextIO, cast

from vox.chat.database.schema.full_text import settle
from vox.chat.database.transfer.move import OnProgress
from vox.chat.database.unit_of_work import AuditEntry, Change, NextId, lock_event_order, persist_outcome
from vox.chat.errors import Refusal
from vox.chat.features.files.filenames import OCTETS, clean_name
from vox.chat.features.files.mime_sniffing import SNIFFED_BYTES, sniff
from vox.chat.imports import queries
from vox.chat.imports.archive_source import ArchiveSource
from vox.chat.imports.exports import Export, open_export
from vox.chat.imports.model import ForeignChannel, ForeignFile, ForeignMessage, Origin, Skipped
from vox.chat.imports.storing import Batch, StoredFileRow, store_batch, store_space
from vox.chat.storage.file_links import ADDRESS
from vox.chat.storage.image_worker import re_encode_here_or_apart
from vox.chat.storage.images import FORMATS, Dimensions
from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.stores.sql import Connection, SqlDatabase

BATCH: Final = 500
"""Messages of one transaction: some 50 ms, for which a running server's writers wait."""
DAY_MS: Final = 86_400_000
PIECE: Final = 1 << 18
IN_MEMORY_BYTES: Final = 1 << 20
"""A picture of more lies in a temporary file while it is written anew."""
PART_DIGITS: Final = 32


class PutFile(Protocol):
    """Stores a file and returns when it is stored."""

    def __call__(self, key: str, pieces: Iterator[bytes], mime: str) -> None:
        """Stores what the pieces give under a key."""
        ...


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What an operator may choose.

    Args:
        is_hidden: whether new feeds are for administrators only.
        skips_damaged: whether the rest is imported where a part is damaged.
        most_people: placeholders that may be made.
        largest_file: bytes of one file.
        most_pins: of one feed.
    """

    is_hidden: bool = False
    skips_damaged: bool = False
    most_people: int = 100_000
    largest_file: int = 26_214_400
    most_pins: int = 50


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Args:
        messages: new ones.
        known: messages that were there already.
        files: stored.
        people: who wrote or reacted.
        feeds: that messages came to.
        skipped: how many things were left out, by kind and reason.
        examples: the first names of those.
    """

    messages: int = 0
    known: int = 0
    files: int = 0
    people: int = 0
    feeds: int = 0
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])


class Importer:
    """One import.

    Args:
        database: with this version's tables; a server may run on it.
        put_file: stores the bytes of a file.
        clock: tells what lies in the future.
        next_id: gives snowflakes, for the audit log.
        skipped_to: each skipped thing is written there, a line each.
        on_progress: is told how far it is.
        options: of the operator.
    """

    def __init__(
        self,
        database: SqlDatabase,
        put_file: PutFile,
        clock: Clock,
        next_id: NextId,
        skipped_to: TextIO,
        on_progress: OnProgress,
        options: ImportOptions,
    ) -> None:
        self._database = database
        self._put_file = put_file
        self._clock = clock
        self._next_id = next_id
        self._skipped_to = skipped_to
        self._on_progress = on_progress
        self._options = options
        self._now_s = clock.unix_ms() // 1000
        self._people: set[int] = set()
        self._report = ImportReport()

    def run(self, origin: Origin, source: ArchiveSource) -> ImportReport:
        """Imports it; blocks.

        Raises:
            UsageError: archive_damaged, archive_refused.
            DependencyError: database or storage failed; the same import goes on where it was.
        """
        export = open_export(origin, source)
        try:
            channels = self._channels(export)
            counts = self._checked(export, source, channels)
            total, done = sum(counts.values()), 0
            for channel in channels:
                parts = [name for name in channel.files if name in counts]
                keys = {name: _part_key(source, channel, name) for name in parts}
                known = self._database.run_sync(lambda c, keys=keys: queries.mapped(c, origin, "part", keys.values()))
                todo = [(name, key) for name, key in keys.items() if key not in known]
                done += sum(counts[name] for name in parts) - sum(counts[name] for name, _ in todo)
                if not todo and channel.files:
                    continue
                space = self._database.run_sync(
                    lambda c, channel=channel: store_space(
                        c, origin, channel, self._now_s, is_hidden=self._options.is_hidden
                    ),
                    deadline_s=60,
                )
                if isinstance(space, Skipped):
                    self._skip(space)
                    continue
                self._report.feeds += 1
                for name, key in todo:
                    for stored in self._import_part(export, source, origin, Batch(*space, channel), name, key):
                        done += stored
                        self._on_progress("import", min(done, total), total)
            self._database.run_sync(lambda c: self._finish(c, origin))
            self._on_progress("search index", 0, 1)
            self._database.run_sync(self._settle, deadline_s=3600)
            self._on_progress("search index", 1, 1)
        finally:
            export.close()
        self._report.people = len(self._people)
        return self._report

    def _channels(self, export: Export) -> list[ForeignChannel]:
        channels: list[ForeignChannel] = []
        for found in export.read_channels():
            if isinstance(found, Skipped):
                self._skip(found)
            elif found.parent is not None and found.members is not None:
                self._skip(Skipped("thread", found.name, "a private thread has no counterpart here"))
            else:
                channels.append(found)
        threads = {channel.id for channel in channels if channel.parent is not None}
        kept: list[ForeignChannel] = []
        for channel in channels:
            if channel.parent is not None and channel.parent[0] in threads:
                self._skip(Skipped("thread", channel.name, "it is said to be in another thread"))
            else:
                kept.append(channel)
        return kept

    def _checked(self, export: Export, source: ArchiveSource, channels: list[ForeignChannel]) -> dict[str, int]:
        """Reads every part to its end, so that a damaged archive is refused before anything is stored."""
        names = [name for channel in channels for name in channel.files]
        total, done = sum(source.size(name) or 0 for name in names), 0
        counts: dict[str, int] = {}
        for name in names:
            try:
                counts[name] = export.check_file(name)
            except UsageError as error:
                if not self._options.skips_damaged or error.code != "archive_damaged":
                    raise
                self._skip(Skipped("file", name, "it is damaged"))
            done += source.size(name) or 0
            self._on_progress("check", done, total)
        return counts

    def _import_part(
        self, export: Export, source: ArchiveSource, origin: Origin, batch: Batch, name: str, key: str
    ) -> Iterator[int]:
        """Stores a part, and tells after each batch how many messages were read for it."""
        read = 0
        for found in export.read_messages(name, batch.feed_id):
            read += 1
            message = found if isinstance(found, Skipped) else self._plausible(found)
            if isinstance(message, Skipped):
                self._skip(message)
                continue
            batch.messages.append(self._with_files(source, batch, message))
            if len(batch.messages) >= BATCH:
                self._store(origin, batch)
                yield read
                read = 0
                batch = Batch(batch.feed_id, batch.thread_id, batch.channel)
        batch.finished = key
        self._store(origin, batch)
        yield read

    def _plausible(self, message: ForeignMessage) -> ForeignMessage | Skipped:
        now_ms = self._clock.unix_ms()
        if not 0 < message.id >> 22 <= now_ms + DAY_MS:
            return Skipped("message", message.name, "its time lies in the future, or before all time")
        if message.reply_to is not None and message.reply_to >= message.id:
            self._skip(Skipped("reply", message.name, "it is said to answer itself or a later message"))
            return replace(message, reply_to=None)
        return message

    def _with_files(self, source: ArchiveSource, batch: Batch, message: ForeignMessage) -> ForeignMessage:
        missing: list[str] = []
        for position, file in enumerate(message.files):
            place = next((place for place in file.places if source.size(place) is not None), None)
            size = 0 if place is None else source.size(place) or 0
            if place is None or size > self._options.largest_file:
                reason = "the archive does not have it" if place is None else "it is larger than a file may be"
                self._skip(Skipped("file", f"{file.name} of {message.name}", reason))
                missing.append(f"[{clean_name(file.name)}]")
                continue
            values = self._stored(source, file, place, size, message)
            batch.files.append(StoredFileRow(values, message.id, position))
        if missing:  # so that a reader sees that there was something
            return replace(message, body="\n".join([message.body, *missing]).strip())
        return message

    def _stored(
        self, source: ArchiveSource, file: ForeignFile, place: str, size: int, message: ForeignMessage
    ) -> dict[str, Any]:
        said = f"{message.id}\0{file.id}\0{place}".encode("utf-8", "replace")
        key = urlsafe_b64encode(hashlib.sha256(said).digest()[:16]).rstrip(b"=").decode()
        with source.open(place) as opened, _spool() as whole, _spool() as shown:
            head = opened.read(SNIFFED_BYTES)
            mime, dimensions = sniff(head) or _mime_by_name(file.name), None
            if mime == "image/apng":
                mime = "image/png"  # it is a PNG as well, and clients know that type
            pieces = _pieces_of(opened, head)
            if mime in FORMATS:
                mime, body, dimensions = self._picture(pieces, mime, whole, shown)
                size = body.seek(0, 2)
                body.seek(0)
                pieces = _pieces_of(body)
            self._put_file(key, pieces, mime)
        self._report.files += 1
        return {
            "id": key,
            "name": clean_name(file.name),
            "size": size,
            "mime": mime,
            "width": None if dimensions is None else dimensions.width,
            "height": None if dimensions is None else dimensions.height,
            "url": ADDRESS.format(key),
            "created_at": message.timestamp // 1000,
            "purpose": "attachment",
            "state": "ready",
        }

    def _picture(
        self, pieces: Iterator[bytes], mime: str, whole: BinaryIO, shown: BinaryIO
    ) -> tuple[str, BinaryIO, Dimensions | None]:
        """A picture as an upload of it would be kept: written anew, or as a file of no particular type where that cannot be."""
        whole.writelines(pieces)
        whole.seek(0)
        try:
            dimensions = re_encode_here_or_apart(whole, mime, shown)
        except Refusal:
            return OCTETS, whole, None
        if dimensions is None:
            return mime, whole, None
        if shown.seek(0, 2) > self._options.largest_file:
            return OCTETS, whole, None
        return mime, shown, dimensions

    def _store(self, origin: Origin, batch: Batch) -> None:
        stored = self._database.run_sync(
            lambda c: store_batch(c, origin, batch, self._now_s, self._options.most_pins), deadline_s=60
        )
        self._report.messages += stored.inserted
        self._report.known += len(batch.messages) - stored.inserted
        self._people.update(stored.people.values())
        for skipped in stored.skipped:
            self._skip(skipped)
        if len(self._people) > self._options.most_people:
            raise UsageError(
                f"the archive has more than {self._options.most_people:,} people",
                code="archive_refused",
                hint="raise --max-people to go on where it stopped",
            )

    def _finish(self, connection: Connection, origin: Origin) -> None:
        """Counts the version up, upon which a running server loads the community anew within a second, and leaves a trace."""
        lock_event_order(connection)
        report = self._report
        queries.count_version(connection)
        done = {"origin": origin, "messages": report.messages, "files": report.files, "people": len(self._people)}
        entry = AuditEntry("import.finish", None, None, done)
        persist_outcome(connection, Change(None, (), [entry]), self._next_id, self._now_s * 1000)

    def _settle(self, connection: Connection) -> None:
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
            queries.lift_deadline(connection, setting)
        settle(connection)

    def _skip(self, skipped: Skipped) -> None:
        kind = (skipped.what, skipped.reason)
        self._report.skipped[kind] += 1
        name = skipped.name.replace("\n", " ")[:200]
        examples = self._report.examples.setdefault(kind, [])
        if len(examples) < 3:  # noqa: PLR2004  enough to see what is meant; the file has all
            examples.append(name)
        self._skipped_to.write(f"{skipped.what}\t{name}\t{skipped.reason}\n")


def _part_key(source: ArchiveSource, channel: ForeignChannel, name: str) -> str:
    """What a part is remembered by once it was imported to its end."""
    said = f"{channel.id}\0{name}\0{source.fingerprint(name)}"
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:PART_DIGITS]


def _spool() -> BinaryIO:
    spool = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  closed by the caller's block
    return cast("BinaryIO", spool)


def _pieces_of(file: BinaryIO, head: bytes = b"") -> Iterator[bytes]:
    if head:
        yield head
    while piece := file.read(PIECE):
        yield piece


def _mime_by_name(name: str) -> str:
    """A type that a name claims, but none that a browser would show: those are known by their bytes."""
    guessed = mimetypes.guess_type(name)[0] or OCTETS
    return OCTETS if guessed.startswith(("image/", "video/", "audio/", "text/html", "application/xhtml")) else guessed
