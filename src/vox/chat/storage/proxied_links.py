"""Signed addresses under which this server fetches pictures from elsewhere, so that readers' own addresses stay unknown there. Pure.

Only what the server signed is fetched: it is no open proxy, and a link ends with its time and with its user.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import msgspec

from vox.chat.events.ids import UserId

ADDRESS: Final = "/api/v1/media"
LONGEST_URL: Final = 2048
_PURPOSE: Final = b"vox media proxy 1"


class ProxiedPicture(msgspec.Struct, frozen=True):
    """A picture from elsewhere, and where this server gives it out."""

    source: str
    url: str


def proxied(secret: bytes, user_id: UserId, expires_at: int, sources: Iterable[str]) -> list[ProxiedPicture]:
    """The addresses for some pictures; those that are no http or https, or too long, are left out.

    Args:
        secret: the community's.
        user_id: who may use them.
        expires_at: until when, in Unix seconds.
        sources: where the pictures are.
    """
    return [
        ProxiedPicture(source, _address(secret, user_id, expires_at, source))
        for source in sources
        if source.startswith(("https://", "http://")) and len(source) <= LONGEST_URL
    ]


def is_signed(secret: bytes, user_id: UserId, expires_at: int, source: str, signature: str) -> bool:
    """Whether these are the parts of an address of ours; the comparison takes the same time for every signature."""
    right = _signature(secret, user_id, expires_at, source)
    return hmac.compare_digest(right.encode(), signature.encode())


def _address(secret: bytes, user_id: UserId, expires_at: int, source: str) -> str:
    signature = _signature(secret, user_id, expires_at, source)
    return f"{ADDRESS}?source={quote(source, safe='')}&expires={expires_at}&user={user_id}&signature={signature}"


def _signature(secret: bytes, user_id: UserId, expires_at: int, source: str) -> str:
    said = b"\0".join((_PURPOSE, source.encode(), b"%d" % user_id, b"%d" % expires_at))
    return base64.urlsafe_b64encode(hmac.digest(secret, said, hashlib.sha256)).rstrip(b"=").decode()
