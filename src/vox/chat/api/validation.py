"""Whether texts that callers send are as long as the present limits allow, and fit to be stored and shown.

The limits change while the server runs, so they are asked at each request. A NUL is refused because PostgreSQL cannot store
one; SQLite could, and both must answer alike.
"""

import re
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar, cast, overload

import msgspec

from vox.chat.errors import Refusal, refuse
from vox.text.names import is_reserved, problem_with_name, stored_name

Limits = Callable[[str], int]
"""The present value of a limit by its name: `chat.config.limit`."""

_UNSHOWABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e]")
"""Control characters but for tabs and line ends, and those that turn the direction of everything behind them."""
_SCHEME: Final = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_NOT_IN_ADDRESS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\u202a-\u202e]")


class _Named(Protocol):
    @property
    def name(self) -> str | None: ...


Body = TypeVar("Body", bound=_Named)


def with_name(limits: Limits, body: Body, longest: str, shortest: str = "") -> Body:
    """A request's body with its name as it is stored; see `validate_name`. Without a lower limit the name may be empty.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    if not body.name and not shortest:
        return body
    name = validate_name(limits, "name", body.name, longest, shortest)
    return body if name == body.name else cast("Body", msgspec.structs.replace(cast("Any", body), name=name))


@overload
def validate_name(limits: Limits, field: str, value: str, longest: str, shortest: str = "") -> str: ...
@overload
def validate_name(limits: Limits, field: str, value: str | None, longest: str, shortest: str = "") -> str | None: ...
def validate_name(limits: Limits, field: str, value: str | None, longest: str, shortest: str = "") -> str | None:
    """The name as it is stored: normalised, without surplus spaces; None stays None.

    Args:
        limits: asks for a limit.
        field: what the caller named it.
        value: the name as it was sent.
        longest: name of the upper limit, in characters.
        shortest: name of the lower limit; empty for none.

    Raises:
        Refusal: VALIDATION_ERROR where it is too long or too short, shows nothing, or hides or turns characters.
    """
    if value is None:
        return None
    name = stored_name(value)
    validate_length(limits, field, name, longest, shortest)
    if problem := problem_with_name(name):
        raise _invalid(field, problem)
    return name


def validate_person_name(limits: Limits, field: str, value: str, longest: str, shortest: str = "") -> str:
    """A name of a person as it is stored; see `validate_name`.

    Raises:
        Refusal: VALIDATION_ERROR, also where it looks like a mention of all members.
    """
    name = validate_name(limits, field, value, longest, shortest)
    if is_reserved(name):
        raise _invalid(field, "another name, because this one mentions all members")
    return name


def validate_length(limits: Limits, field: str, value: str | None, longest: str, shortest: str = "") -> None:
    """Refuses a text that is too long, too short or not storable; None is no text.

    Args:
        limits: asks for a limit.
        field: what the caller named it.
        value: the text.
        longest: name of the upper limit, in characters.
        shortest: name of the lower limit; empty for none.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    if value is None:
        return
    validate_text(field, value)
    if len(value) > limits(longest):
        raise _invalid(field, f"at most {limits(longest)} characters")
    if shortest and len(value) < limits(shortest):
        raise _invalid(field, f"at least {limits(shortest)} characters")


def validate_prose(limits: Limits, field: str, value: str | None, longest: str) -> None:
    """Refuses a text of sentences that is too long, or has control characters or such that turn the direction of what follows.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    validate_length(limits, field, value, longest)
    if value is not None and (found := _UNSHOWABLE.search(value)):
        raise _invalid(field, f"no control or direction characters (found U+{ord(found.group()):04X})")


def validate_address(field: str, value: str | None) -> None:
    """Refuses an address that a client should not open: neither https nor http, nor a path or id without a scheme.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    if not value:
        return
    if _NOT_IN_ADDRESS.search(value):
        raise _invalid(field, "an address without spaces and control characters")
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[1].lower() not in {"http", "https"}:
        raise _invalid(field, "an address that begins with https:// or http://, or a path")


def validate_text(field: str, value: str | None) -> None:
    """Refuses a text with a NUL.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    if value is not None and "\0" in value:
        raise _invalid(field, "no NUL characters")


def _invalid(field: str, wish: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"body.{field}: expected {wish}")
