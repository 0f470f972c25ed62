"""Links to a file that need no header, for `<img>` and `<video>`: short-lived, for one user, signed. Pure.

The signature says who asked and until when, never that they may: whether that user may see the file is asked at every fetch, so a
link ends with the right to see, with the account and with the file (CVE-2016-4427 of a peer).
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from vox.chat.events.ids import FileId, UserId

SECRET_BYTES: Final = 32
_PURPOSE: Final = b"vox media link 1"


class Grant(msgspec.Struct, frozen=True):
    """What a link says.

    Args:
        expires: Unix seconds.
        user: who asked for it.
        signature: of both and the file, URL-safe.
    """

    expires: int
    user: UserId
    signature: str


def grant(secret: bytes, file_id: FileId, user: UserId, expires: int) -> Grant:
    """A link's parameters.

    Args:
        secret: the community's, SECRET_BYTES long.
        file_id: which file.
        user: who may use it.
        expires: until when, in Unix seconds.
    """
    return Grant(expires, user, _signature(secret, file_id, user, expires))


def is_valid(secret: bytes, file_id: FileId, given: Grant, now_s: float) -> bool:
    """Whether the link is one of ours for that file, and not over; the comparison takes the same time for every signature."""
    right = _signature(secret, file_id, given.user, given.expires)
    return hmac.compare_digest(right.encode(), given.signature.encode()) and now_s < given.expires


def _signature(secret: bytes, file_id: FileId, user: UserId, expires: int) -> str:
    said = b"\0".join((_PURPOSE, file_id.encode(), b"%d" % user, b"%d" % expires))
    return base64.urlsafe_b64encode(hmac.digest(secret, said, hashlib.sha256)).rstrip(b"=").decode()
