"""SQL of challenges for passkeys."""

import base64

import msgspec
from sqlalchemy import Connection, delete, insert

from vox.chat.database.schema import webauthn_challenges
from vox.chat.identity.challenges import LONGEST_ID, Challenge


class _Data(msgspec.Struct):
    challenge: str
    bound_to: int | None
    must_verify_user: bool


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
