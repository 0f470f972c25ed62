"""Reads CSV as it arrives, one record at a time, and names what is wrong with a record without losing the next one. Pure.

Memory is bounded by the longest record. A quotation mark that is never closed costs its own line only: reading goes on at the line after it.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from vox.errors import UsageError

LONGEST_RECORD: Final = 65_536
MOST_COLUMNS: Final = 64
_DELIMITERS: Final = (b",", b";", b"\t")
_BINARY: Final = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old format"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF", "a PDF"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)
_BOM: Final = b"\xef\xbb\xbf"


class Row(msgspec.Struct, frozen=True, gc=False):
    """One record.

    Args:
        number: counted as a spreadsheet does: the header is row 1.
        cells: as many as the header has.
    """

    number: int
    cells: tuple[str, ...]


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """A record that cannot be used.

    Args:
        row: its number.
        column: the header's name for it; empty where the whole record is meant.
        reason: what is wrong, and what to do.
    """

    row: int
    column: str
    reason: str


class CsvReader:
    """Turns the bytes of a CSV file into rows; the first record is the header.

    Separators are commas, semicolons or tabs, whichever the header uses most.
    """

    def __init__(self) -> None:
        self.header: tuple[str, ...] = ()
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._record: list[bytes] = []
        self._record_bytes = 0
        self._is_quoted = False
        self._number = 0
        self._delimiter = ","
        self._is_begun = False
        self._is_skipping = False

    def receive(self, data: bytes) -> Iterator[Row | BadRow]:
        """Takes a part of the file; yields the rows that are complete.

        Raises:
            UsageError: this is no CSV file (csv_invalid), or its header cannot be used (csv_header_invalid).
        """
        data = self._rest + data
        if not self._is_begun and len(data) < 4:  # noqa: PLR2004  as many bytes as the marks of other formats have
            self._rest = data
            return
        yield from self._take(data)

    def end(self) -> Iterator[Row | BadRow]:
        """The file is over; yields what is left.

        Raises:
            UsageError: as `receive`; there was not even a header (csv_invalid).
        """
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._take(rest + b"\n")
        while self._record:
            yield self._unclosed()
            yield from self._drain()
        if not self.header:
            raise UsageError("the file is empty", code="csv_invalid", hint="its first line has to name the columns")

    def _take(self, data: bytes) -> Iterator[Row | BadRow]:
        if not self._is_begun:
            self._is_begun = True
            data = _checked_beginning(data)
        *lines, self._rest = data.split(b"\n")
        self._lines.extend(lines)
        yield from self._drain()
        if len(self._rest) > LONGEST_RECORD:
            if not self.header:
                raise UsageError(
                    f"the first line is longer than {LONGEST_RECORD} bytes",
                    code="csv_invalid",
                    hint="is this a CSV file? its first line has to name the columns",
                )
            if not self._is_skipping:
                self._is_skipping = True
                self._number += 1
                yield BadRow(self._number, "", f"the line is longer than {LONGEST_RECORD} bytes")
            self._rest = b""

    def _drain(self) -> Iterator[Row | BadRow]:
        while self._lines:
            line = self._lines.popleft()
            if self._is_skipping:  # the end of a line that was too long
                self._is_skipping = False
                continue
            if not self._record and not line.strip():
                if self.header:
                    self._number += 1  # an empty row is a row to a spreadsheet, but no record
                continue
            self._record.append(line)
            self._record_bytes += len(line) + 1
            self._is_quoted ^= line.count(b'"') % 2 == 1
            if not self._is_quoted:
                yield from self._finish()
            elif self._record_bytes > LONGEST_RECORD:
                yield self._unclosed()

    def _unclosed(self) -> BadRow:
        _, *following = self._record
        self._lines.extendleft(reversed(following))
        self._forget()
        self._number += 1
        if not self.header:
            raise UsageError("a quotation mark in the header is never closed", code="csv_header_invalid")
        return BadRow(self._number, "", "a quotation mark is never closed; write it twice where it is meant itself")

    def _forget(self) -> None:
        self._record, self._record_bytes, self._is_quoted = [], 0, False

    def _finish(self) -> Iterator[Row | BadRow]:
        raw = b"\n".join(self._record)
        self._forget()
        self._number += 1
        if not self.header:
            self._read_header(raw)
            return
        outcome = self._parsed(raw)
        if isinstance(outcome, BadRow):
            yield outcome
        elif len(outcome) != len(self.header):
            yield BadRow(self._number, "", f"has {len(outcome)} columns where the header has {len(self.header)}")
        else:
            yield Row(self._number, tuple(outcome))

    def _parsed(self, raw: bytes) -> list[str] | BadRow:
        if b"\0" in raw:
            return BadRow(self._number, "", "has a zero byte; export the file as CSV text again")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            column = self._column_at(raw, error.start)
            return BadRow(
                self._number,
                column,
                f"has the byte 0x{raw[error.start]:02x}, which is not UTF-8; save the file as UTF-8",
            )
        try:
            # Without the final "\r" of a Windows line the reader sees one logical line, whatever is quoted in it.
            return next(csv.reader([text.removesuffix("\r")], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return BadRow(self._number, "", f"is not CSV: {error}")

    def _column_at(self, raw: bytes, at: int) -> str:
        number = raw[:at].count(self._delimiter.encode())
        return self.header[number] if number < len(self.header) else ""

    def _read_header(self, raw: bytes) -> None:
        if b"\0" in raw:
            raise UsageError("the file is binary, not CSV", code="csv_invalid", hint="export it as CSV in UTF-8")
        counts = {mark: raw.count(mark) for mark in _DELIMITERS}
        self._delimiter = max(counts, key=lambda mark: counts[mark]).decode()
        outcome = self._parsed(raw)
        if isinstance(outcome, BadRow):
            raise UsageError(f"the header {outcome.reason}", code="csv_header_invalid")
        names = tuple(name.strip() for name in outcome)
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled or not all(names):
            what = f"names {doubled[0]!r} twice" if doubled and doubled[0] else "leaves a column without a name"
            raise UsageError(
                f"the header {what}",
                code="csv_header_invalid",
                hint="give each column a name of its own in the first line",
            )
        if len(names) > MOST_COLUMNS:
            raise UsageError(f"the header names more than {MOST_COLUMNS} columns", code="csv_header_invalid")
        self.header = names


def _checked_beginning(data: bytes) -> bytes:
    for mark, what in _BINARY:
        if data.startswith(mark):
            raise UsageError(f"the file is {what}, not CSV", code="csv_invalid", hint="export it as CSV in UTF-8")
    return data.removeprefix(_BOM)
