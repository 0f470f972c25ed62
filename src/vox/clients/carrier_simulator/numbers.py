"""Numbers in requests: telephone numbers, and seconds within bounds; pure."""

from typing import Final

_SHORTEST: Final = 7
_LONGEST: Final = 15


def is_number(text: str) -> bool:
    """Whether this is a number in E.164: a plus and 7 to 15 digits."""
    return text.startswith("+") and is_digits(text[1:])


def is_digits(text: str) -> bool:
    """Whether these are the 7 to 15 digits of a telephone number."""
    return text.isascii() and text.isdigit() and _SHORTEST <= len(text) <= _LONGEST


def whole_seconds(value: object, least: int, most: int) -> float | None:
    """Seconds as a number or its text; None where that is no whole number within bounds."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(most)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        return None
    return float(value)
