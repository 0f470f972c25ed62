"""Challenges for passkeys: each is answered once, by the user and for the purpose it was made for.

Reading a challenge uses it up, also where the answer is refused afterwards: nothing is tried twice.
"""

import secrets
from dataclasses import dataclass
from typing import Final, Literal

from vox.chat.events.ids import UserId
from vox.chat.identity.webauthn import CHALLENGE_BYTES

LASTS_S: Final = 300
ID_BYTES: Final = 16
LONGEST_ID: Final = 128
Purpose = Literal["register", "login", "second_factor", "proof"]
"""Make a passkey; log in by one alone; finish a login that a password began; prove oneself within a login."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge.

    Args:
        id: what clients call it.
        data: what is signed.
        purpose: what the answer is good for.
        user_id: who may answer; None for the owner of the passkey that does.
        bound_to: the login or ticket, a row of `sessions`, that it was made in; None before a login.
        must_verify_user: whether the authenticator must have checked a PIN or finger.
        expires_at: Unix seconds.
    """

    id: str
    data: bytes
    purpose: Purpose
    user_id: UserId | None
    bound_to: int | None
    must_verify_user: bool
    expires_at: int


def new_challenge(
    purpose: Purpose, now_s: int, *, user_id: UserId | None, bound_to: int | None = None, must_verify_user: bool
) -> Challenge:
    """A fresh challenge, to be stored."""
    return Challenge(
        secrets.token_urlsafe(ID_BYTES),
        secrets.token_bytes(CHALLENGE_BYTES),
        purpose,
        user_id,
        bound_to,
        must_verify_user,
        now_s + LASTS_S,
    )
