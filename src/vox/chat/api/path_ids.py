"""Ids in the path of a request."""

from collections.abc import Mapping
from typing import Final

from vox.chat.errors import refuse
from vox.chat.events.ids import UserId

MAX_ID: Final = (1 << 63) - 1
MAX_ID_DIGITS: Final = 19
ME: Final = "@me"
"""The caller, where a path names a user."""


def path_id(path: Mapping[str, str], name: str) -> int:
    """A number of the path.

    Args:
        path: the values of the route's parameters.
        name: of the parameter.

    Raises:
        Refusal: VALIDATION_ERROR where it is none.
    """
    number = _number(path[name])
    if number is None:
        raise refuse("VALIDATION_ERROR", f"path.{name}: expected an id, a number below 2^63")
    return number


def target_id(path: Mapping[str, str], caller_id: UserId) -> UserId:
    """The user of the path; `@me` is the caller.

    Raises:
        Refusal: INVALID_USER_ID where it is no number.
    """
    text = path["user_id"]
    if text == ME:
        return caller_id
    number = _number(text)
    if number is None:
        raise refuse("INVALID_USER_ID", "A user id is a number.")
    return UserId(number)


def _number(text: str) -> int | None:
    if len(text) > MAX_ID_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number <= MAX_ID else None
