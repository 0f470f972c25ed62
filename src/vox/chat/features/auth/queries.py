"""SQL of accounts and logins."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, or_, select, update

from vox.chat.database.schema import bans, sessions, totp_secrets, users, webauthn_challenges, webauthn_credentials
from vox.chat.events.ids import LoginId, UserId
from vox.chat.features.auth.schemas import SessionInfo
from vox.chat.identity.queries import names_account

MOST_SESSIONS = 500
"""Logins of one user: beyond it each new login ends the oldest."""
SESSIONS_AT_ONCE = 100
"""Ended by one login, where an original database has more."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a login is decided by."""

    user_id: UserId
    password_hash: str | None
    is_active: bool
    is_banned: bool
    has_second_factor: bool


def find_account(connection: Connection, *, username: str) -> Account | None:
    """The local account with a name; else the one whose name looks the same."""
    totp = exists().where(totp_secrets.c.user_id == users.c.id, totp_secrets.c.enabled)
    passkey = exists().where(webauthn_credentials.c.user_id == users.c.id)
    row = connection.execute(
        select(users.c.id, users.c.password_hash, users.c.active, bans.c.id, or_(totp, passkey))
        .outerjoin(bans, bans.c.user_id == users.c.id)
        .where(names_account(username))
        .order_by(users.c.username != username)
    ).first()
    return None if row is None else Account(row[0], row[1], bool(row[2]), row[3] is not None, bool(row[4]))


def read_password_hash(connection: Connection, *, user_id: UserId) -> str | None:
    """The stored hash of a user that exists; None where the account has no password."""
    return connection.execute(select(users.c.password_hash).where(users.c.id == user_id)).scalar_one()


def lock_password_hash(connection: Connection, *, user_id: UserId, is_read_only: bool) -> str | None:
    """The stored hash, which no other transaction changes until this one ends.

    Args:
        connection: of the writer.
        user_id: the owner.
        is_read_only: whether a shared lock is enough, because this transaction does not change the hash either.
    """
    return connection.execute(
        select(users.c.password_hash).where(users.c.id == user_id).with_for_update(read=is_read_only)
    ).scalar_one_or_none()


def set_password_hash(connection: Connection, *, user_id: UserId, password_hash: str) -> None:
    """Stores another hash of the same password."""
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))


def replace_password_hash(connection: Connection, *, user_id: UserId, old: str | None, new: str) -> bool:
    """Stores the hash of another password; False where the stored one is no longer `old`."""
    changed = connection.execute(
        update(users).where(users.c.id == user_id, users.c.password_hash == old).values(password_hash=new)
    ).rowcount
    return bool(changed)


def list_sessions(connection: Connection, *, user_id: UserId, now_s: int) -> list[SessionInfo]:
    """The logins of a user that have not expired, newest first; tickets of an unfinished login are not among them."""
    columns = sessions.c
    rows = connection.execute(
        select(columns.id, columns.created_at, columns.expires_at, columns.last_used_at, columns.client, columns.method)
        .where(columns.user_id == user_id, columns.kind == "login", columns.expires_at > now_s)
        .order_by(columns.id.desc())
        .limit(MOST_SESSIONS)
    )
    return [SessionInfo(*row, is_current=False) for row in rows]


def delete_session(connection: Connection, *, user_id: UserId, session_id: LoginId) -> bool:
    """Deletes one login of a user; False where it is not theirs."""
    ended = connection.execute(
        delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.kind == "login")
    ).rowcount
    return bool(ended)


def delete_surplus_sessions(connection: Connection, *, user_id: UserId) -> list[LoginId]:
    """Deletes the oldest logins of a user beyond the maximum, and returns their ids."""
    columns = sessions.c
    mine = select(columns.id).where(columns.user_id == user_id, columns.kind == "login")
    oldest = mine.order_by(columns.id.desc()).limit(SESSIONS_AT_ONCE).offset(MOST_SESSIONS)
    return list(connection.execute(delete(sessions).where(columns.id.in_(oldest)).returning(columns.id)).scalars())


def delete_other_sessions(connection: Connection, *, user_id: UserId, kept: LoginId) -> list[LoginId]:
    """Deletes every session of a user but one, and returns their ids."""
    ended = connection.execute(
        delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id != kept).returning(sessions.c.id)
    ).scalars()
    return list(ended)


def delete_expired_sessions(connection: Connection, *, now_s: int) -> int:
    """Deletes the logins and tickets that have expired, and returns how many there were."""
    return connection.execute(delete(sessions).where(sessions.c.expires_at <= now_s)).rowcount


def delete_expired_challenges(connection: Connection, *, now_s: int) -> int:
    """Deletes the passkey challenges that have expired, and returns how many there were."""
    return connection.execute(delete(webauthn_challenges).where(webauthn_challenges.c.expires_at <= now_s)).rowcount
