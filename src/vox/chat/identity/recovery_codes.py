"""Recovery codes: eight, each good for one login when the second factor is lost. Pure."""

import secrets
import string
from typing import Final

CODES: Final = 8
HALF: Final = 4
_LETTERS: Final = string.ascii_uppercase + string.digits


def new_codes() -> list[str]:
    """Fresh codes as they are shown, once: `XXXX-XXXX`."""
    return [f"{_half()}-{_half()}" for _ in range(CODES)]


def normalised(code: str) -> str | None:
    """A code as it is hashed, whatever case, blanks and dash it was typed with; None for what cannot be one."""
    letters = "".join(code.split()).replace("-", "").upper()
    if len(letters) != 2 * HALF or not all(letter in _LETTERS for letter in letters):
        return None
    return f"{letters[:HALF]}-{letters[HALF:]}"


def _half() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(HALF))
