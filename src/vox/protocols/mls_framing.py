"""What an MLS message says in clear about itself (RFC 9420 sections 6 and 17): kind, group and epoch.

A delivery service needs no more to put the commits of a group in order. Nothing here touches a key or a ciphertext; everything
behind the header stays unread.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal

MLS_1_0: Final = 1
MAX_GROUP_ID: Final = 255
"""Longest group id that is taken, in bytes."""

ContentKind = Literal["application", "proposal", "commit"]

_PUBLIC, _PRIVATE, _WELCOME = 1, 2, 3
_CONTENT: Final[dict[int, ContentKind]] = {1: "application", 2: "proposal", 3: "commit"}
_SENDER_BYTES: Final = {1: 4, 2: 4, 3: 0, 4: 0}
"""Bytes behind the type of a sender: a member's leaf, an external sender's index, nothing for new members."""


@dataclass(frozen=True, slots=True)
class MlsHeader:
    """The clear part of a message.

    Args:
        kind: what is inside; `welcome` names neither group nor epoch.
        group_id: of the group; empty for a Welcome.
        epoch: in which it was made; 0 for a Welcome.
    """

    kind: ContentKind | Literal["welcome"]
    group_id: bytes = b""
    epoch: int = 0


def read_header(message: bytes) -> MlsHeader | None:
    """The header of an MLSMessage; None where the bytes are none, or of a kind that is not sent in a group."""
    try:
        version, wire_format = struct.unpack_from(">HH", message)
        if version != MLS_1_0:
            return None
        if wire_format == _WELCOME:
            return MlsHeader("welcome")
        if wire_format not in {_PUBLIC, _PRIVATE}:
            return None
        group_id, at = _vector(message, 4)
        if len(group_id) > MAX_GROUP_ID:
            return None
        (epoch,) = struct.unpack_from(">Q", message, at)
        at += 8
        if wire_format == _PUBLIC:
            at += 1 + _SENDER_BYTES[message[at]]
            _, at = _vector(message, at)
        return MlsHeader(_CONTENT[message[at]], group_id, epoch)
    except (struct.error, IndexError, KeyError):
        return None


def _vector(message: bytes, at: int) -> tuple[bytes, int]:
    """A vector with its length in front (section 2.1.2), and the place behind it.

    Raises:
        IndexError: it is cut off, or its length is not in the shortest form.
    """
    prefix = message[at] >> 6
    if prefix == 3:  # noqa: PLR2004  the one prefix that is not defined
        raise IndexError
    size = 1 << prefix
    if at + size > len(message):
        raise IndexError
    length = int.from_bytes(message[at : at + size]) & ((1 << (8 * size - 2)) - 1)
    if prefix and length < 1 << (8 * (size >> 1) - 2):
        raise IndexError
    start, end = at + size, at + size + length
    if end > len(message):
        raise IndexError
    return message[start:end], end
