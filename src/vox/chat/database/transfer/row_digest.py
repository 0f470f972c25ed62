"""A digest of all rows of a table that does not depend on their order, nor on the engine they lie in. Pure.

Two engines sort texts differently, and neither promises an order without sorting; so the digests of the rows are added up.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

_BYTES: Final = 16
_WRAP: Final = (1 << (8 * _BYTES)) - 1

_encode = msgspec.msgpack.Encoder().encode


class TableDigest:
    """Count and digest of rows that pass through.

    Args:
        flags: positions of columns that one engine reads as 1 and 0, the other as true and false.
    """

    __slots__ = ("_flags", "_sum", "rows")

    def __init__(self, flags: Sequence[int] = ()) -> None:
        self.rows = 0
        self._sum = 0
        self._flags = tuple(flags)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Takes rows in."""
        total, count = 0, 0
        for row in rows:
            values = list(row)
            for place in self._flags:
                values[place] = bool(values[place])
            total += int.from_bytes(blake2b(_encode(values), digest_size=_BYTES).digest())
            count += 1
        self._sum = (self._sum + total) & _WRAP
        self.rows += count

    @property
    def hex(self) -> str:
        """The digest so far, in hex."""
        return f"{self._sum:032x}"
