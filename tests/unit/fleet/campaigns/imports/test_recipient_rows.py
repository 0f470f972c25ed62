import pytest

from vox.errors import UsageError
from vox.fleet.campaigns.imports.csv_rows import BadRow, Row
from vox.fleet.campaigns.imports.recipient_rows import LONGEST_CELL, Recipient, RecipientColumns

COLUMNS = RecipientColumns(("Phone Number", "Time Zone", "name"))


def test_a_row_becomes_a_recipient_with_variables():
    found = COLUMNS.recipient(Row(2, ("+1 212 555 0123", "", "Ann")))
    assert isinstance(found, Recipient)
    assert (found.number, found.zones, found.variables, found.row) == (
        "+12125550123",
        ("America/New_York",),
        {"name": "Ann"},
        2,
    )


@pytest.mark.parametrize(
    ("cells", "column", "said"),
    [
        (("", "", "Ann"), "Phone Number", "empty"),
        (("12", "", "Ann"), "Phone Number", "country code"),
        (("+12125550123", "Mars/Base", "Ann"), "Time Zone", "no IANA time zone"),
        (("+881612345678", "", "Ann"), "Phone Number", "time zone is not known"),
        (("+12125550123", "", "x" * (LONGEST_CELL + 1)), "name", "longer"),
    ],
)
def test_a_row_that_cannot_be_called_is_named_with_its_column(cells, column, said):
    found = COLUMNS.recipient(Row(7, cells))
    assert isinstance(found, BadRow)
    assert (found.row, found.column) == (7, column)
    assert said in found.reason


def test_a_file_without_numbers_is_refused():
    with pytest.raises(UsageError, match="telephone number"):
        RecipientColumns(("name", "city"))


def test_national_numbers_are_read_with_their_region():
    found = RecipientColumns(("to",), "GB").recipient(Row(2, ("020 7946 0958",)))
    assert isinstance(found, Recipient)
    assert found.number == "+442079460958"
