"""Imports a CSV file of recipients or of do-not-call numbers as it arrives, in batches.

The one thing to know before changing it: a batch and the number of its last row are stored in one transaction. So an import that was
interrupted goes on when the same file is sent again under the same id: rows that are stored already are passed over, and a digest
over them says whether it is the same file.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal

from vox.errors import UsageError
from vox.fleet.campaigns import do_not_call
from vox.fleet.campaigns.do_not_call import Scope
from vox.fleet.campaigns.imports import storing
from vox.fleet.campaigns.imports.csv_rows import BadRow, CsvReader, Row
from vox.fleet.campaigns.imports.recipient_rows import NUMBER_COLUMNS, Recipient, RecipientColumns
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection, SqlDatabase

BATCH_ROWS: Final = 1000
MOST_BAD_ROWS: Final = 100_000
"""An import with more rows that cannot be used is stopped: it is the wrong file, or the wrong column."""
PIECE_S: Final = 60.0
"""How long to wait for the next piece of the file."""
SHOWN_ERRORS: Final = 100
_HASH_COLUMNS: Final = ("sha256", "hash", "digest")

ImportState = Literal["running", "done", "failed"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecipientTarget:
    """Recipients of a campaign."""

    campaign_id: str


@dataclass(frozen=True, slots=True)
class ListTarget:
    """A do-not-call list."""

    scope: Scope
    owner: str = ""


@dataclass(slots=True)
class _Batch:
    """Rows between two transactions, and the digest over all rows before them."""

    recipients: list[Recipient] = field(default_factory=list[Recipient])
    digests: list[str] = field(default_factory=list[str])
    bad: list[BadRow] = field(default_factory=list[BadRow])
    last_row: int = 0

    @property
    def rows(self) -> int:
        return len(self.recipients) + len(self.digests) + len(self.bad)


class Imports:
    """Runs imports.

    Args:
        database: open while this is used.
        clock: for the times in the rows.
    """

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._running: set[str] = set()

    async def run(
        self,
        import_id: str,
        target: RecipientTarget | ListTarget,
        pieces: AsyncIterator[bytes],
        *,
        default_region: str = "",
    ) -> dict[str, Any]:
        """Reads a file to its end, or goes on with one that was interrupted.

        Args:
            import_id: names the import; the same file under the same id goes on where it stopped.
            target: where the rows go.
            pieces: the bytes of the file.
            default_region: ISO 3166 code of the region whose national numbers are understood; empty for none.

        Returns:
            The import: its counts, and the first rows that could not be used.

        Raises:
            UsageError: csv_invalid, csv_header_invalid; import_conflict where it runs already or the file is another one;
                campaign_not_found, campaign_state_conflict.
            PeerError: the file did not arrive to its end (body_incomplete); what is stored stays.
            DependencyError: the database failed; the same holds.
        """
        if import_id in self._running:
            raise UsageError("This import is running.", code="import_conflict", hint="wait for its end")
        self._running.add(import_id)
        try:
            reading = _Reading(await self._begun(import_id, target), target, default_region)
            await self._read(reading, import_id, pieces)
        except UsageError as error:
            await self._fail(import_id, str(error))
            raise
        finally:
            self._running.discard(import_id)
        return await self.get(import_id)

    async def get(self, import_id: str) -> dict[str, Any]:
        """How far an import has come.

        Raises:
            UsageError: there is none (import_not_found).
        """

        def unit(connection: Connection) -> dict[str, Any]:
            row = storing.find_import(connection, import_id)
            if row is None:
                raise UsageError("There is no such import.", code="import_not_found")
            errors = storing.page_of_errors(connection, import_id, limit=SHOWN_ERRORS, after=0)
            names = ("id", "kind", "owner", "state", "last_row", "accepted", "duplicates", "rejected", "problem")
            return {**{name: row[name] for name in names}, "errors": [dict(one) for one in errors]}

        return await self._database.read(unit)

    async def errors(self, import_id: str, *, limit: int, after: int) -> list[dict[str, Any]]:
        """Rows that could not be used, in order.

        Args:
            import_id: of the import.
            limit: how many.
            after: the row behind which to begin.
        """
        rows = await self._database.read(
            lambda connection: storing.page_of_errors(connection, import_id, limit=limit, after=after)
        )
        return [dict(row) for row in rows]

    async def _begun(self, import_id: str, target: RecipientTarget | ListTarget) -> "_Progress":
        kind, owner = _named(target)
        now = self._clock.unix_ms()

        def unit(connection: Connection) -> _Progress:
            if isinstance(target, RecipientTarget):
                storing.check_takes_recipients(connection, target.campaign_id, now)
            row = storing.find_import(connection, import_id)
            if row is None:
                fresh = {"id": import_id, "kind": kind, "owner": owner, "state": "running", "last_row": 0}
                counts = {"accepted": 0, "duplicates": 0, "rejected": 0, "rows_digest": "", "problem": ""}
                storing.insert_import(connection, fresh | counts | {"created_at_ms": now, "updated_at_ms": now})
                return _Progress(0, 0, "")
            if (row["kind"], row["owner"]) != (kind, owner):
                raise UsageError("An import with this id goes elsewhere.", code="import_conflict", hint="use a new id")
            storing.change_import(connection, import_id, {"state": "running", "problem": "", "updated_at_ms": now})
            return _Progress(row["last_row"], row["rejected"], row["rows_digest"])

        return await self._database.write(unit)

    async def _read(self, reading: "_Reading", import_id: str, pieces: AsyncIterator[bytes]) -> None:
        async for piece in _timed(pieces):
            for start in range(0, len(piece), 65_536):
                # Parsing numbers takes Python's time: off the loop, so that the calls' events are not kept waiting.
                await asyncio.to_thread(reading.receive, piece[start : start + 65_536])
                if reading.batch.rows >= BATCH_ROWS:
                    await self._store(reading, import_id, "running")
        await asyncio.to_thread(reading.end)
        await self._store(reading, import_id, "done")

    async def _store(self, reading: "_Reading", import_id: str, state: ImportState) -> None:
        batch, target, now = reading.take(), reading.target, self._clock.unix_ms()
        digest = reading.digest

        def unit(connection: Connection) -> None:
            row = storing.find_import(connection, import_id)
            if row is None or row["last_row"] > batch.last_row > 0:
                raise UsageError("This import goes on elsewhere.", code="import_conflict", hint="wait for its end")
            if isinstance(target, RecipientTarget):
                added = storing.insert_recipients(connection, target.campaign_id, batch.recipients, now)
                given = len(batch.recipients)
            else:
                source = f"import {import_id}"
                added = do_not_call.add(connection, target.scope, target.owner, batch.digests, source, now)
                given = len(batch.digests)
            storing.insert_errors(connection, import_id, batch.bad)
            change = {
                "state": state,
                "last_row": batch.last_row or row["last_row"],
                "accepted": row["accepted"] + added,
                "duplicates": row["duplicates"] + given - added,
                "rejected": row["rejected"] + len(batch.bad),
                "rows_digest": digest if batch.last_row else row["rows_digest"],
                "updated_at_ms": now,
            }
            storing.change_import(connection, import_id, change)

        await self._database.write(unit)
        reading.rejected += len(batch.bad)
        if reading.rejected > MOST_BAD_ROWS:
            raise UsageError(
                f"More than {MOST_BAD_ROWS} rows cannot be used, so the import was stopped.",
                code="csv_invalid",
                hint="is this the right file, and the right column?",
            )

    async def _fail(self, import_id: str, problem: str) -> None:
        values = {"state": "failed", "problem": problem, "updated_at_ms": self._clock.unix_ms()}
        await self._database.write(lambda connection: storing.change_import(connection, import_id, values))
        _log.warning("an import failed", import_id=import_id, problem=problem)


@dataclass(frozen=True, slots=True)
class _Progress:
    last_row: int
    rejected: int
    rows_digest: str


class _Reading:
    """One file on its way in; its methods run on a thread, one at a time."""

    def __init__(self, before: _Progress, target: RecipientTarget | ListTarget, default_region: str) -> None:
        self.target = target
        self.batch = _Batch()
        self.rejected = before.rejected
        self._before = before
        self._default_region = default_region
        self._csv = CsvReader()
        self._columns: RecipientColumns | None = None
        self._number = -1
        self._hash = sha256()
        self._is_passed = before.last_row == 0

    @property
    def digest(self) -> str:
        """Over all rows so far."""
        return self._hash.hexdigest()

    def take(self) -> _Batch:
        """The rows that came since the last time."""
        batch, self.batch = self.batch, _Batch()
        return batch

    def receive(self, data: bytes) -> None:
        """Takes a part of the file."""
        for one in self._csv.receive(data):
            self._note(one)

    def end(self) -> None:
        """The file is over."""
        for one in self._csv.end():
            self._note(one)
        self._read_header()
        if not self._is_passed:
            raise _other_file()

    def _note(self, one: Row | BadRow) -> None:
        self._read_header()
        number = one.number if isinstance(one, Row) else one.row
        content = "\x1f".join(one.cells) if isinstance(one, Row) else f"{one.column}\x1f{one.reason}"
        if not self._is_passed and number > self._before.last_row:
            if self.digest != self._before.rows_digest:
                raise _other_file()
            self._is_passed = True
        self._hash.update(f"{number}\x1e{content}\x1e".encode())
        if not self._is_passed:
            if number == self._before.last_row and self.digest == self._before.rows_digest:
                self._is_passed = True  # it may end right here
            return
        self._take(one, number)

    def _take(self, one: Row | BadRow, number: int) -> None:
        found = self._meant(one) if isinstance(one, Row) else one
        self.batch.last_row = number
        if isinstance(found, BadRow):
            self.batch.bad.append(found)
        elif isinstance(found, Recipient):
            self.batch.recipients.append(found)
        else:
            self.batch.digests.append(found)

    def _meant(self, row: Row) -> Recipient | str | BadRow:
        if self._columns is not None:
            return self._columns.recipient(row)
        text = row.cells[self._number]
        try:
            return do_not_call.listed_form(text, self._default_region)
        except UsageError as error:
            return BadRow(row.number, self._csv.header[self._number], str(error))

    def _read_header(self) -> None:
        if self._columns is not None or self._number >= 0:
            return
        header = self._csv.header
        if isinstance(self.target, RecipientTarget):
            self._columns = RecipientColumns(header, self._default_region)
            return
        lowered = [name.lower().replace(" ", "_") for name in header]
        names = [name for name in (*_HASH_COLUMNS, *NUMBER_COLUMNS) if name in lowered]
        if not names:
            raise UsageError(
                f"no column of the header is the telephone number: {', '.join(header)[:200]}",
                code="csv_header_invalid",
                hint=f"name it number, or sha256 where it has hashes of numbers: {', '.join(_HASH_COLUMNS)}",
            )
        self._number = lowered.index(names[0])


async def _timed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, each within a time."""
    iterator = aiter(pieces)
    while True:
        try:
            async with asyncio.timeout(PIECE_S):
                piece = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UsageError(
                "The file comes too slowly.",
                code="body_timeout",
                hint="send it again under the same id; it goes on where it stopped",
            ) from None
        yield piece


def _named(target: RecipientTarget | ListTarget) -> tuple[str, str]:
    if isinstance(target, RecipientTarget):
        return "recipients", target.campaign_id
    return f"do_not_call_{target.scope}", target.owner


def _other_file() -> UsageError:
    return UsageError(
        "This is another file than the one that the import was begun with.",
        code="import_conflict",
        hint="use a new id for it",
    )
