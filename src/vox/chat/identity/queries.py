"""SQL of accounts, their logins and profiles: what several features and the server itself stand on."""

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from vox.chat.database.schema import audit_log, bans, event_log, role_members, roles, sessions, users
from vox.chat.database.snowflakes import first_at
from vox.chat.events.ids import LoginId, RoleId, UserId
from vox.text.names import name_key

BOT: Final = "bot"
DISABLED_BOT: Final = "bot_disabled"
"""Kinds of `sessions`: a bot's token, and that of a bot which is disabled."""

Gone = Literal["banned", "kicked", "left"]


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to create; `created_at` in Unix seconds. Without a password hash only an organisation's provider lets it in, and a bot's token."""

    username: str
    display_name: str
    password_hash: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A login to store; times in Unix seconds."""

    digest: str
    created_at: int
    expires_at: int
    client: str | None
    method: str = "password"


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A stored login or a bot's token; times in Unix seconds."""

    id: LoginId
    user_id: UserId
    created_at: int
    expires_at: int
    last_used_at: int | None
    kind: str = "login"
    is_keyless: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """The rarely read half of a user; `created_at` in Unix seconds."""

    bio: str | None
    created_at: int
    federated: bool
    home_domain: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an account may be let in."""

    is_active: bool
    is_banned: bool


@dataclass(frozen=True, slots=True)
class LocalUser:
    """A user whose account is on this server."""

    id: UserId
    is_active: bool


def has_users(connection: Connection) -> bool:
    """Whether there is any account."""
    return connection.execute(select(users.c.id).limit(1)).first() is not None


def is_name_taken(connection: Connection, *, username: str) -> bool:
    """Whether there is an account with a name, or a local one whose name looks the same."""
    is_alike = (users.c.username_key == name_key(username)) & users.c.home_domain.is_(None)
    return connection.execute(select(users.c.id).where((users.c.username == username) | is_alike)).first() is not None


def insert_user(connection: Connection, user: NewUser) -> UserId | None:
    """Stores a new account and returns its id; None where another transaction has taken the name."""
    try:
        return connection.execute(
            insert(users)
            .values(
                username=user.username,
                username_key=name_key(user.username),
                display_name=user.display_name,
                password_hash=user.password_hash,
                created_at=user.created_at,
            )
            .returning(users.c.id)
        ).scalar_one()
    except IntegrityError:
        return None


def names_account(username: str) -> ColumnElement[bool]:
    """The condition for the local account that a user means by a name; the one with exactly that name goes before."""
    is_meant = (users.c.username == username) | (users.c.username_key == name_key(username))
    return is_meant & users.c.home_domain.is_(None)


def find_local_user(connection: Connection, *, username: str) -> LocalUser | None:
    """The local account with a name; else the one whose name looks the same."""
    row = connection.execute(
        select(users.c.id, users.c.active).where(names_account(username)).order_by(users.c.username != username)
    ).first()
    return None if row is None else LocalUser(row.id, bool(row.active))


def find_standing(connection: Connection, *, user_id: UserId) -> Standing | None:
    """Whether an account may be let in; None where there is none."""
    row = connection.execute(
        select(users.c.active, bans.c.id).outerjoin(bans, bans.c.user_id == users.c.id).where(users.c.id == user_id)
    ).first()
    return None if row is None else Standing(bool(row[0]), row[1] is not None)


def why_no_member(connection: Connection, *, user_id: UserId) -> Gone:
    """Why an inactive user is no member: a ban that holds, or the last entry of the audit log about their going."""
    if connection.execute(select(bans.c.id).where(bans.c.user_id == user_id)).first() is not None:
        return "banned"
    row = audit_log.c
    last = connection.execute(
        select(row.event_type)
        .where(row.target_id == user_id, row.event_type.in_(("member.kick", "member.leave")))
        .order_by(row.id.desc())
        .limit(1)
    ).scalar()
    return "left" if last == "member.leave" else "kicked"


def reset_account(connection: Connection, *, user_id: UserId, password_hash: str | None) -> None:
    """Makes an account active with another password, without a ban and without logins."""
    connection.execute(delete(bans).where(bans.c.user_id == user_id))
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    connection.execute(update(users).where(users.c.id == user_id).values(active=True, password_hash=password_hash))


def find_profile(connection: Connection, *, user_id: UserId) -> Profile | None:
    """The profile of a user."""
    row = connection.execute(
        select(users.c.bio, users.c.created_at, users.c.federated, users.c.home_domain).where(users.c.id == user_id)
    ).first()
    return None if row is None else Profile(row.bio, row.created_at, bool(row.federated), row.home_domain)


def insert_session(connection: Connection, *, user_id: UserId, session: NewSession) -> int:
    """Stores a new login of a user and returns its id."""
    return int(
        connection.execute(
            insert(sessions)
            .values(
                token=session.digest,
                user_id=user_id,
                created_at=session.created_at,
                expires_at=session.expires_at,
                last_used_at=session.created_at,
                client=session.client,
                method=session.method,
                proved_at=session.created_at,
            )
            .returning(sessions.c.id)
        ).scalar_one()
    )


def find_session(connection: Connection, *, digest: str) -> StoredSession | None:
    """The login or bot whose token has a digest; tickets of an unfinished login are not found."""
    row = connection.execute(
        select(
            sessions.c.id,
            sessions.c.user_id,
            sessions.c.created_at,
            sessions.c.expires_at,
            sessions.c.last_used_at,
            sessions.c.kind,
            sessions.c.is_keyless,
        ).where(sessions.c.token == digest, sessions.c.kind.in_(("login", BOT, DISABLED_BOT)))
    ).first()
    if row is None:
        return None
    return StoredSession(
        row.id, row.user_id, row.created_at, row.expires_at, row.last_used_at, row.kind, bool(row.is_keyless)
    )


def record_use(connection: Connection, *, session_id: LoginId, now_s: int, expires_at: int) -> None:
    """Stores when a login was last used and when it expires."""
    connection.execute(
        update(sessions).where(sessions.c.id == session_id).values(last_used_at=now_s, expires_at=expires_at)
    )


def has_roles(connection: Connection) -> bool:
    """Whether there is any role."""
    return connection.execute(select(roles.c.id).limit(1)).first() is not None


def insert_role(connection: Connection, *, name: str, position: int, permissions: int) -> RoleId:
    """Stores a new role and returns its id."""
    return connection.execute(
        insert(roles).values(name=name, position=position, permissions=permissions).returning(roles.c.id)
    ).scalar_one()


def ranked_roles(connection: Connection) -> list[tuple[RoleId, int]]:
    """Id and permissions of all roles but @everyone, the highest rank first."""
    rows = connection.execute(
        select(roles.c.id, roles.c.permissions).where(roles.c.position != 0).order_by(roles.c.position, roles.c.id)
    )
    return [(RoleId(int(role_id)), int(permissions)) for role_id, permissions in rows]


def read_role_ids(connection: Connection, *, user_id: UserId) -> list[RoleId]:
    """The roles that a user has been assigned."""
    return list(connection.execute(select(role_members.c.role_id).where(role_members.c.user_id == user_id)).scalars())


def insert_role_member(connection: Connection, *, role_id: RoleId, user_id: UserId) -> None:
    """Assigns a role to a user who does not have it."""
    connection.execute(insert(role_members).values(role_id=role_id, user_id=user_id))


def joins_since(connection: Connection, moment_s: int) -> int:
    """How many members the event log says have joined since a moment, in Unix seconds."""
    joined = (event_log.c.id >= first_at(moment_s * 1000)) & (event_log.c.event_type == "member_join")
    return int(connection.execute(select(func.count()).select_from(event_log).where(joined)).scalar_one())
