"""SQL of second factors: one-time passwords, passkeys and recovery codes, and what a user has of them."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import (
    recovery_codes,
    sessions,
    totp_secrets,
    users,
    webauthn_challenges,
    webauthn_credentials,
)
from vox.chat.events.ids import LoginId, UserId
from vox.chat.identity.factors import Factors, RecoveryCode, StoredCredential, StoredTotp
from vox.chat.identity.ticket_queries import delete_kinds
from vox.chat.identity.tickets import MFA, SETUP_TOTP, SETUP_WEBAUTHN
from vox.chat.identity.webauthn import Credential, transports_of, transports_text


def read_factors(connection: Connection, *, user_id: UserId) -> Factors:
    """What a user has."""
    totp = select(func.count()).where(totp_secrets.c.user_id == user_id, totp_secrets.c.enabled)
    passkeys = select(func.count()).where(webauthn_credentials.c.user_id == user_id)
    codes = select(func.count()).where(recovery_codes.c.user_id == user_id, ~recovery_codes.c.used)
    counts = [int(connection.execute(each).scalar_one()) for each in (totp, passkeys, codes)]
    return Factors(counts[0] > 0, counts[1], counts[2])


def last_proof(connection: Connection, *, session_id: LoginId) -> int:
    """When a login last showed a password or second factor, in Unix seconds; 0 where it has ended."""
    row = sessions.c
    found = connection.execute(
        select(func.coalesce(row.proved_at, row.created_at)).where(row.id == session_id, row.kind == "login")
    ).scalar_one_or_none()
    return int(found or 0)


def record_proof(connection: Connection, *, session_id: LoginId, now_s: int) -> bool:
    """Stores that a login has shown a second factor; False where it has ended."""
    row = sessions.c
    proved = update(sessions).where(row.id == session_id, row.kind == "login").values(proved_at=now_s)
    return bool(connection.execute(proved).rowcount)


def find_totp(connection: Connection, *, user_id: UserId) -> StoredTotp | None:
    """A user's one-time password secret, confirmed or not."""
    row = connection.execute(select(totp_secrets).where(totp_secrets.c.user_id == user_id)).first()
    return None if row is None else StoredTotp(row.secret, bool(row.enabled), row.last_used_counter)


def store_pending_totp(connection: Connection, *, user_id: UserId, secret: str) -> bool:
    """Stores a secret that is yet to be confirmed; False where there is a confirmed one."""
    values = {"secret": secret, "enabled": False, "last_used_counter": None}
    if insert_if_absent(connection, totp_secrets, {"user_id": user_id, **values}):
        return True
    pending = update(totp_secrets).where(totp_secrets.c.user_id == user_id, ~totp_secrets.c.enabled).values(values)
    return bool(connection.execute(pending).rowcount)


def enable_totp(connection: Connection, *, user_id: UserId, secret: str, step: int) -> bool:
    """Confirms the pending secret; False where another one is pending, or it is confirmed already."""
    row = totp_secrets.c
    confirmed = (
        update(totp_secrets)
        .where(row.user_id == user_id, row.secret == secret, ~row.enabled)
        .values(enabled=True, last_used_counter=step)
    )
    return bool(connection.execute(confirmed).rowcount)


def use_totp_step(connection: Connection, *, user_id: UserId, step: int) -> bool:
    """Uses a step up; False where it, or a later one, was used."""
    row = totp_secrets.c
    unused = row.last_used_counter.is_(None) | (row.last_used_counter < step)
    used = update(totp_secrets).where(row.user_id == user_id, row.enabled, unused).values(last_used_counter=step)
    return bool(connection.execute(used).rowcount)


def list_credentials(connection: Connection, *, user_id: UserId) -> list[StoredCredential]:
    """A user's passkeys, oldest first."""
    row = webauthn_credentials.c
    found = select(webauthn_credentials).where(row.user_id == user_id).order_by(row.registered_at, row.credential_id)
    return [_credential(each) for each in connection.execute(found)]


def find_credential(connection: Connection, *, credential_id: str) -> StoredCredential | None:
    """The passkey of an id, padded or not."""
    padded = credential_id + "=" * (-len(credential_id) % 4)
    ids = {credential_id, padded, padded.replace("-", "+").replace("_", "/")}
    row = connection.execute(select(webauthn_credentials).where(webauthn_credentials.c.credential_id.in_(ids))).first()
    return None if row is None else _credential(row)


def insert_credential(
    connection: Connection, *, user_id: UserId, credential: Credential, name: str, now_s: int
) -> bool:
    """Stores a new passkey; False where it belongs to an account already."""
    values = {
        "credential_id": credential.credential_id,
        "user_id": user_id,
        "name": name,
        "public_key": credential.public_key,
        "sign_count": credential.sign_count,
        "registered_at": now_s,
        "transports": transports_text(credential.transports),
    }
    return insert_if_absent(connection, webauthn_credentials, values)


def use_credential(connection: Connection, *, credential: Credential, sign_count: int, now_s: int) -> bool:
    """Stores a use of a passkey; False where it is gone, or was used with the same count meanwhile."""
    row = webauthn_credentials.c
    used = (
        update(webauthn_credentials)
        .where(row.credential_id == credential.credential_id, row.sign_count == credential.sign_count)
        .values(sign_count=sign_count, last_used_at=now_s)
    )
    return bool(connection.execute(used).rowcount)


def delete_credential(connection: Connection, *, user_id: UserId, credential_id: str) -> bool:
    """Deletes one of a user's passkeys; False where it is not theirs."""
    row = webauthn_credentials.c
    gone = delete(webauthn_credentials).where(row.user_id == user_id, row.credential_id == credential_id)
    return bool(connection.execute(gone).rowcount)


def unused_codes(connection: Connection, *, user_id: UserId) -> list[RecoveryCode]:
    """A user's recovery codes that were not used yet."""
    row = recovery_codes.c
    found = select(row.id, row.code_hash).where(row.user_id == user_id, ~row.used).order_by(row.id)
    return [RecoveryCode(each.id, each.code_hash) for each in connection.execute(found)]


def use_code(connection: Connection, *, code_id: int) -> bool:
    """Uses a recovery code up; False where it was used, or replaced."""
    row = recovery_codes.c
    used = update(recovery_codes).where(row.id == code_id, ~row.used).values(used=True)
    return bool(connection.execute(used).rowcount)


def replace_codes(connection: Connection, *, user_id: UserId, hashes: Sequence[str]) -> None:
    """Gives a user these recovery codes and no others."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    if hashes:
        connection.execute(insert(recovery_codes), [{"user_id": user_id, "code_hash": each} for each in hashes])


def lock_factors(connection: Connection, *, user_id: UserId) -> None:
    """Lets no other transaction change the user's factors until this one ends."""
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())


def remove_totp(connection: Connection, *, user_id: UserId) -> None:
    """Forgets a user's one-time password secret."""
    connection.execute(delete(totp_secrets).where(totp_secrets.c.user_id == user_id))


def remove_credentials(connection: Connection, *, user_id: UserId) -> None:
    """Forgets a user's passkeys."""
    connection.execute(delete(webauthn_credentials).where(webauthn_credentials.c.user_id == user_id))


def remove_codes_without_factor(connection: Connection, *, user_id: UserId) -> None:
    """Forgets a user's recovery codes where no factor is left that they could stand for."""
    if not read_factors(connection, user_id=user_id).any:
        replace_codes(connection, user_id=user_id, hashes=())


def remove_all(connection: Connection, *, user_id: UserId) -> None:
    """Forgets everything that a user's second factors consist of, and logins and set-ups that are under way."""
    remove_totp(connection, user_id=user_id)
    remove_credentials(connection, user_id=user_id)
    replace_codes(connection, user_id=user_id, hashes=())
    connection.execute(delete(webauthn_challenges).where(webauthn_challenges.c.user_id == user_id))
    delete_kinds(connection, user_id=user_id, kinds=(MFA, SETUP_TOTP, SETUP_WEBAUTHN))


def _credential(row: object) -> StoredCredential:
    found = getattr(row, "_mapping")  # noqa: B009  a Row's own name for its values
    credential = Credential(
        found["credential_id"], found["public_key"], found["sign_count"], transports_of(found["transports"])
    )
    return StoredCredential(found["user_id"], credential, found["name"], found["registered_at"], found["last_used_at"])
