"""The bytes of a file that a client requests: one range, or all. Pure.

A header with several ranges, or a malformed one, is ignored, as RFC 9110 allows; so it costs nothing to read (CVE-2025-62727 of a
framework: many ranges in quadratic time).
"""

import re
from dataclasses import dataclass
from typing import Final

from vox.chat.errors import refuse

_ONE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def requested(header: str, size: int) -> Span | None:
    """The requested range; None means all.

    Args:
        header: of the request; empty where there is none.
        size: of the file in bytes.

    Raises:
        Refusal: RANGE_NOT_SATISFIABLE where no byte of the file lies in it.
    """
    found = _ONE.fullmatch(header)
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        last = min(int(found[2]), size)
        span = Span(size - last, size)
    else:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
        if found[2] and last < first:
            return None
        span = Span(first, min(last + 1, size))
    if span.start >= span.end:
        raise refuse("RANGE_NOT_SATISFIABLE", f"The file has {size} bytes.")
    return span
