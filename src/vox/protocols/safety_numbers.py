"""Safety numbers: sixty digits that two people compare, so that they know that no one stands between them.

The number of two identity keys is the SHA-256 of both, the smaller first, read as one number, modulo 10^60, as 12 groups of 5
digits. Both sides compute the same one. Keys are compared as bytes, which are not base64.
"""

import hashlib
from typing import Final

GROUPS: Final = 12
DIGITS_PER_GROUP: Final = 5


def safety_number(one: bytes, other: bytes) -> str:
    """The safety number of two identity keys, as it is shown.

    Args:
        one: an identity key, decoded.
        other: the other side's, of the same length.

    Raises:
        ValueError: a key is empty, or they differ in length, so that their border would be ambiguous.
    """
    if not one or len(one) != len(other):
        raise ValueError("a safety number needs two identity keys of one length")
    digest = hashlib.sha256(min(one, other) + max(one, other)).digest()
    count = GROUPS * DIGITS_PER_GROUP
    digits = f"{int.from_bytes(digest) % 10**count:0{count}d}"
    return " ".join(digits[at : at + DIGITS_PER_GROUP] for at in range(0, count, DIGITS_PER_GROUP))
