"""Challenges for passkeys: each is answered once, by whom it was made for, for what it was made for.

Reading a challenge uses it up, also where the answer is refused afterwards: nothing is tried twice.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, delete, insert

from vox.chat.database.schema import webauthn_challenges
from vox.chat.events.ids import UserId
from vox.chat.identity.webauthn import CHALLENGE_BYTES

LASTS_S: Final = 300
ID_BYTES: Final = 16
LONGEST_ID: Final = 128
Purpose = Literal["register", "login", "second_factor", "proof"]
"""Make a passkey; log in by one alone; finish a login that a password began; prove oneself within a login."""


class _Data(msgspec.Struct):
    challenge: str
    bound_to: int | None
    must_verify_user: bool


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge.

    Args:
        id: what clients call it.
        data: what is signed.
        purpose: what the answer is good for.
        user_id: who may answer; None for whoever owns the passkey that does.
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


def store(connection: Connection, challenge: Challenge) -> None:
    """Stores a new challenge."""
    data = _Data(base64.b64encode(challenge.data).decode(), challenge.bound_to, challenge.must_verify_user)
    connection.execute(
        insert(webauthn_challenges).values(
            id=challenge.id,
            user_id=challenge.user_id,
            challenge_type=challenge.purpose,
            challenge_data=msgspec.json.encode(data).decode(),
            expires_at=challenge.expires_at,
        )
    )


def take(connection: Connection, challenge_id: str, now_s: int) -> Challenge | None:
    """Uses a challenge up; None where it is unknown, used or expired."""
    if len(challenge_id) > LONGEST_ID or "\0" in challenge_id:
        return None
    columns = webauthn_challenges.c
    row = connection.execute(
        delete(webauthn_challenges)
        .where(columns.id == challenge_id)
        .returning(columns.user_id, columns.challenge_type, columns.challenge_data, columns.expires_at)
    ).first()
    if row is None or row.expires_at <= now_s:
        return None
    try:
        data = msgspec.json.decode(row.challenge_data, type=_Data)
        signed = base64.b64decode(data.challenge, validate=True)
    except ValueError:  # of an original, whose challenges mean something else
        return None
    return Challenge(
        challenge_id, signed, row.challenge_type, row.user_id, data.bound_to, data.must_verify_user, row.expires_at
    )
