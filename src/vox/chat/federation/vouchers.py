"""Vouchers: a server's word that one of its users wants to join another server. Pure.

`base64(json) + "." + base64(signature)`, bound to the user, to the server it is shown to, to a time and to a nonce.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vox.chat.federation.signing import SKEW_S
from vox.errors import UsageError
from vox.security.digests import base64_bytes, verify_ed25519
from vox.security.http_signatures import sign_bytes

LIFE_S: Final = 300
LONGEST: Final = 4096
REMEMBERED_S: Final = 3600
"""How long a used voucher's nonce is kept."""


class Voucher(msgspec.Struct, frozen=True):
    """What a voucher says; times in Unix seconds."""

    user_address: Annotated[str, Meta(max_length=512)]
    target_domain: Annotated[str, Meta(max_length=253)]
    issued_at: float
    expires_at: float
    nonce: Annotated[str, Meta(min_length=8, max_length=128)]


def issue(private_key: str, user_address: str, target_domain: str, *, now_s: float, nonce: str) -> str:
    """A voucher as text.

    Args:
        private_key: of the user's server, base64.
        user_address: who joins.
        target_domain: the server that is joined.
        now_s: Unix seconds.
        nonce: fresh.
    """
    said = msgspec.json.encode(Voucher(user_address, target_domain, now_s, now_s + LIFE_S, nonce))
    return f"{base64.b64encode(said).decode('ascii')}.{sign_bytes(private_key, said)}"


def read(text: str, *, public_keys: Sequence[str], user_address: str, own_domain: str, now_s: float) -> Voucher | None:
    """The voucher, where it is right in every point; None for any other.

    Args:
        text: as it was sent.
        public_keys: of the user's server, base64.
        user_address: who it must be for.
        own_domain: the server it must be for.
        now_s: Unix seconds.
    """
    if len(text) > LONGEST:
        return None
    first, _, signature = text.partition(".")
    said = base64_bytes(first)
    if said is None or not any(_is_signed(key, signature, said) for key in public_keys):
        return None
    try:
        voucher = msgspec.json.decode(said, type=Voucher)
    except (ValueError, RecursionError):
        return None
    is_for_this = voucher.user_address == user_address and voucher.target_domain.lower() == own_domain
    is_short = voucher.expires_at - voucher.issued_at <= LIFE_S
    is_now = voucher.issued_at - SKEW_S <= now_s <= voucher.expires_at + SKEW_S
    return voucher if is_for_this and is_short and is_now else None


def _is_signed(public_key: str, signature: str, said: bytes) -> bool:
    try:
        verify_ed25519(public_key, signature, said)
    except UsageError:
        return False
    return True
