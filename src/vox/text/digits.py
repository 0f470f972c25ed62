"""Digits of all scripts as ASCII digits."""

import unicodedata


def ascii_digits(text: str) -> str:
    """The text with each decimal digit of any script (`٣`, `३`, `３`) as its ASCII digit; all else stays."""
    if text.isascii():
        return text
    return "".join(
        char if char.isascii() or (value := unicodedata.decimal(char, None)) is None else str(value) for char in text
    )


def is_number(text: str) -> bool:
    """Whether a text is made of decimal digits only, of whichever script."""
    return text.isdecimal()
