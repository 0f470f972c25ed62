"""The files of ban lists, JSON and CSV: reading and writing. Pure.

A list names people by their user name, because ids differ from server to server. Cells of a CSV that a spreadsheet would take for
a formula get an apostrophe in front, which reading takes off.
"""

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from vox.chat.api.fields import MAX_ID, Id

COLUMNS: Final = ("user_id", "username", "home_domain", "display_name", "reason", "created_at")
LONGEST_LIST: Final = 10_000
MAX_IMPORTED: Final = 200
"""Bans of one request; the answer says where to go on."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportedBan(Struct, kw_only=True):
    """A ban in a list; `created_at` in Unix seconds."""

    user_id: int | None = None
    username: str | None = None
    home_domain: str | None = None
    display_name: str | None = None
    reason: str | None = None
    created_at: int | None = None


class BanList(Struct):
    """One page of all bans; `cursor` is null on the last one."""

    format: Literal["vox-bans"]
    version: int
    bans: list[ExportedBan]
    cursor: str | None


class ImportedBan(Struct, kw_only=True):
    """A ban to import: by user name, or by the id on this server; where both are given, both must be the same user's."""

    user_id: Id | None = None
    username: Annotated[str, Meta(max_length=4096)] | None = None
    home_domain: Annotated[str, Meta(max_length=256)] | None = None
    reason: Annotated[str, Meta(max_length=10_000)] | None = None


class BanImport(Struct, kw_only=True):
    """A list to import, from `start` on: as `bans`, or as the text of a CSV file."""

    bans: Annotated[list[ImportedBan], Meta(max_length=LONGEST_LIST)] | None = None
    csv: str | None = None
    start: Annotated[int, Meta(ge=0, le=LONGEST_LIST)] = 0
    dry_run: bool = False
    on_conflict: Literal["keep", "replace"] = "keep"
    """What becomes of a ban that is there with another reason."""


class BanConflict(Struct):
    """An entry that was not imported: its place in the list, and why."""

    index: int
    username: str | None
    code: str
    message: str


class BanImportResult(Struct, kw_only=True):
    """What was imported, or would be in a dry run; go on with `start` at `next` until it is null."""

    banned: int
    unchanged: int
    conflicts: list[BanConflict]
    total: int
    next: int | None
    dry_run: bool


def csv_of(bans: Sequence[ExportedBan]) -> str:
    """A list as the text of a CSV file with a heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for ban in bans:
        writer.writerow([_cell(getattr(ban, column)) for column in COLUMNS])
    return text.getvalue()


def bans_of_csv(text: str) -> list[ImportedBan]:
    """The entries of a CSV file; its heading names the columns, in any order, and others are ignored.

    Raises:
        ValueError: it is none; the message says what is expected.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(f"a CSV file ({error})") from None
    if not rows:
        raise ValueError("a CSV file with a heading")
    heading = [name.strip().lower() for name in rows[0]]
    if "username" not in heading and "user_id" not in heading:
        raise ValueError("a CSV file whose heading has username or user_id")
    filled = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    if len(filled) > LONGEST_LIST:
        raise ValueError(f"at most {LONGEST_LIST} bans")
    return [_entry(dict(zip(heading, row, strict=False)), number) for number, row in enumerate(filled)]


def _entry(row: dict[str, str], number: int) -> ImportedBan:
    cells = {name: _read(value) for name, value in row.items()}
    user_id = cells.get("user_id") or None
    if user_id is not None and not (user_id.isascii() and user_id.isdigit() and int(user_id[:20]) <= MAX_ID):
        raise ValueError(f"a number as user_id in entry {number}")
    return ImportedBan(
        user_id=int(user_id) if user_id else None,
        username=cells.get("username") or None,
        home_domain=cells.get("home_domain") or None,
        reason=cells.get("reason") or None,
    )


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
