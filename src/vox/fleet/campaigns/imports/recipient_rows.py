"""What a row of a recipients' file means: a number, perhaps a time zone, and variables for the bot. Pure."""

from typing import Final

import msgspec

from vox.errors import UsageError
from vox.fleet.campaigns.imports.csv_rows import BadRow, Row
from vox.fleet.campaigns.rules.time_zones import subscriber

NUMBER_COLUMNS: Final = ("number", "phone", "phone_number", "to", "to_number", "telephone", "mobile")
ZONE_COLUMNS: Final = ("time_zone", "timezone", "tz", "zone")
LONGEST_CELL: Final = 4096


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """A person to call.

    Args:
        number: in E.164.
        region: of the number.
        zones: in which they may be.
        variables: for the bot, by column name.
        row: of the file that they came from; 0 for none.
    """

    number: str
    region: str
    zones: tuple[str, ...]
    variables: dict[str, str]
    row: int = 0


class RecipientColumns:
    """Which column of a file is what.

    Args:
        header: names of the columns.
        default_region: ISO 3166 code of the region whose national numbers are understood; empty for none.

    Raises:
        UsageError: no column is the number (csv_header_invalid).
    """

    def __init__(self, header: tuple[str, ...], default_region: str = "") -> None:
        lowered = [name.lower().replace(" ", "_") for name in header]
        self._number = next((lowered.index(name) for name in NUMBER_COLUMNS if name in lowered), -1)
        self._zone = next((lowered.index(name) for name in ZONE_COLUMNS if name in lowered), -1)
        self._header = header
        self._default_region = default_region
        if self._number < 0:
            raise UsageError(
                f"no column of the header is the telephone number: {', '.join(header)[:200]}",
                code="csv_header_invalid",
                hint=f"name it one of {', '.join(NUMBER_COLUMNS)}",
            )

    def recipient(self, row: Row) -> Recipient | BadRow:
        """The recipient of a row, or what is wrong with it."""
        for name, cell in zip(self._header, row.cells, strict=True):
            if len(cell) > LONGEST_CELL:
                return BadRow(row.number, name, f"is longer than {LONGEST_CELL} characters")
        text = row.cells[self._number]
        if not text.strip():
            return BadRow(row.number, self._header[self._number], "is empty")
        given_zone = row.cells[self._zone].strip() if self._zone >= 0 else ""
        try:
            found = subscriber(text, default_region=self._default_region, time_zone=given_zone)
        except UsageError as error:
            column = self._zone if error.code == "time_zone_unknown" else self._number
            return BadRow(row.number, self._header[column], str(error))
        if not found.zones:
            return BadRow(
                row.number,
                self._header[self._number],
                "the number's time zone is not known, so it could never be dialled; add a column time_zone",
            )
        variables = {
            name: cell
            for number, (name, cell) in enumerate(zip(self._header, row.cells, strict=True))
            if number not in {self._number, self._zone} and cell
        }
        return Recipient(found.number, found.region, found.zones, variables, row.number)
