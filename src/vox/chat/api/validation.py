"""Whether texts that callers send are as long as the present limits allow, and can be stored at all.

The limits change while the server runs, so they are asked at each request. A NUL is refused because PostgreSQL cannot store
one; SQLite could, and both must answer alike.
"""

from collections.abc import Callable

from vox.chat.errors import Refusal, refuse

Limits = Callable[[str], int]
"""The present value of a limit by its name: `chat.config.limit`."""


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


def validate_text(field: str, value: str | None) -> None:
    """Refuses a text with a NUL.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    if value is not None and "\0" in value:
        raise _invalid(field, "no NUL characters")


def _invalid(field: str, wish: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"body.{field}: expected {wish}")
