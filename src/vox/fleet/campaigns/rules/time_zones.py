"""Where a telephone number may be: its region and the time zones of its area. Pure.

The data are those of the phonenumbers library. A number that can be anywhere in a region, such as a mobile number or a toll-free
one, has all zones of the region; the windows then hold for each of them.
"""

import re
from typing import Final

import msgspec
import phonenumbers
from phonenumbers import timezone

from vox.errors import UsageError
from vox.fleet.campaigns.rules.windows import zone

_UNKNOWN: Final = "Etc/Unknown"
_ROUNDED: Final = re.compile(r"\d[.,]?\d*E\+?\d+", re.IGNORECASE)
_NORTH_AMERICA: Final = 1


class Subscriber(msgspec.Struct, frozen=True):
    """A telephone number and where it may be.

    Args:
        number: in E.164, such as `+12125550123`.
        region: ISO 3166 code, such as `US`; empty where the number belongs to no region.
        zones: IANA names, in the order of the alphabet; empty where none is known.
    """

    number: str
    region: str
    zones: tuple[str, ...]


def subscriber(text: str, *, default_region: str = "", time_zone: str = "") -> Subscriber:
    """Reads a telephone number as people write it.

    Args:
        text: with its country code after a plus sign, unless `default_region` says where it is dialled.
        default_region: ISO 3166 code of the region whose national numbers are understood too.
        time_zone: IANA name where the recipient's zone is known; it replaces those of the number's area.

    Raises:
        UsageError: it is no telephone number (number_invalid), or there is no such zone (time_zone_unknown).
    """
    number = _parsed(text.strip(), default_region)
    if time_zone and zone(time_zone) is None:
        raise UsageError(
            f"{time_zone[:64]!r} is no IANA time zone",
            code="time_zone_unknown",
            hint="use a name such as America/New_York, or leave it empty to use the number's area",
        )
    region = phonenumbers.region_code_for_number(number) or ""
    if region == "001" or not region:  # a number of no country
        region = "US" if number.country_code == _NORTH_AMERICA else ""
    zones = (time_zone,) if time_zone else _zones(number)
    return Subscriber(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), region, zones)


def _parsed(text: str, default_region: str) -> phonenumbers.PhoneNumber:
    if _ROUNDED.fullmatch(text):
        raise _invalid(f"{text!r} was rounded by a spreadsheet", "format the column as text and export it again")
    try:
        number = phonenumbers.parse(text, default_region or None)
    except phonenumbers.NumberParseException as error:
        hint = "write it with its country code, such as +12125550123"
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and not text.startswith("+"):
            raise _invalid(f"{text[:40]!r} has no country code", f"{hint}, or name the default region") from None
        raise _invalid(f"{text[:40]!r} is no telephone number", hint) from None
    if number.extension:
        raise _invalid(f"{text[:40]!r} has an extension", "only the number itself can be dialled")
    if not phonenumbers.is_valid_number(number):
        raise _invalid(f"{text[:40]!r} is not a number that is in use", "check for missing or extra digits")
    return number


def _zones(number: phonenumbers.PhoneNumber) -> tuple[str, ...]:
    found: tuple[str, ...] = timezone.time_zones_for_number(number)
    return () if _UNKNOWN in found else tuple(sorted(found))


def _invalid(message: str, hint: str) -> UsageError:
    return UsageError(message, code="number_invalid", hint=hint)
