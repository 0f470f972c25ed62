import pytest

from vox.errors import UsageError
from vox.fleet.calls.numbers import checked_number, masked_number


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("+15551234567", "+15551234567"),
        ("+49 30 901820", "+4930901820"),
        ("+91 (22) 2278-1234", "+912222781234"),
    ],
)
def test_numbers_become_e164(given: str, number: str):
    assert checked_number(given, "to") == number


@pytest.mark.parametrize(
    "given",
    [
        "",
        "5551234567",
        "+",
        "+1",
        "+1555",
        "+99912345678",
        "+1555123456789012345",
        "tel:+15551234567",
        "+15551234567;ext=5",
        "+1555CALLME!",
        "+\u0661\u0665",
    ],
)
def test_what_cannot_be_dialled_is_refused_by_the_fields_name(given: str):
    with pytest.raises(UsageError, match="pool\\[3\\]") as refused:
        checked_number(given, "pool[3]")
    assert refused.value.code == "number_invalid"


def test_a_masked_number_keeps_its_ends_only():
    assert masked_number("+15551234567") == "+15•••••••67"
    assert masked_number("+12") == "•••"
