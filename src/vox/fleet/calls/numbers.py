"""Telephone numbers: checked before anything is dialled, and masked wherever they are logged."""

from typing import Final

import phonenumbers

from vox.errors import UsageError

_SHOWN_FRONT: Final = 3
_SHOWN_BACK: Final = 2


def checked_number(text: str, name: str) -> str:
    """A number in E.164.

    Args:
        text: as it was given; spaces, dashes, dots and brackets may stand in it.
        name: of the field, for the message.

    Raises:
        UsageError: number_invalid, where no such number can exist.
    """
    if not text.startswith("+"):
        raise _invalid(name, "it does not begin with + and the country code")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise _invalid(name, "it is no telephone number") from None
    if number.extension:
        raise _invalid(name, "it has an extension")
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason == phonenumbers.ValidationResult.TOO_SHORT:
        raise _invalid(name, "it is too short for its country")
    if reason == phonenumbers.ValidationResult.TOO_LONG:
        raise _invalid(name, "it is too long for its country")
    if reason == phonenumbers.ValidationResult.INVALID_COUNTRY_CODE:
        raise _invalid(name, "its country code does not exist")
    if not phonenumbers.is_possible_number(number):
        raise _invalid(name, "no such number exists in its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def masked_number(number: str) -> str:
    """A number for the log: country and end, the rest as dots."""
    if len(number) <= _SHOWN_FRONT + _SHOWN_BACK:
        return "•" * len(number)
    hidden = len(number) - _SHOWN_FRONT - _SHOWN_BACK
    return number[:_SHOWN_FRONT] + "•" * hidden + number[-_SHOWN_BACK:]


def _invalid(name: str, why: str) -> UsageError:
    return UsageError(
        f"{name} is not a number that can be dialled: {why}", code="number_invalid", hint="use E.164, as +15551234567"
    )
