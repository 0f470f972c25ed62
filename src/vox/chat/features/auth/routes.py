"""Accounts and logins: register, log in, log out, see and end one's sessions, change the password.

Every way to get a token leads through `_log_in` or `register`, so that one place says who may have one. Second factors come
in front of it.
"""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, delete, exists, or_, select, update

from vox.chat.api.access import PUBLIC, USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.context import ChatContext
from vox.chat.database.schema import bans, sessions, totp_secrets, users, webauthn_credentials
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.features.invites.service import assert_usable, use_invite
from vox.chat.features.members.rejoin import rejoin
from vox.chat.features.members.schemas import (
    Credentials,
    LoggedIn,
    PasswordChange,
    Registered,
    Registration,
    SessionInfo,
    SessionList,
)
from vox.chat.identity.admin_bootstrap import use_setup_token
from vox.chat.identity.logins import login_revoked
from vox.chat.identity.registration import NewSession, NewUser, create_session, create_user
from vox.security.tokens import Token, mint

TOKEN_PREFIX = "vox_sess_"  # noqa: S105  what a token begins with
LONGEST_PASSWORD = 4096
LOGIN_TRIES = 2
"""A password that becomes another one while it is checked is checked against that."""
LONGEST_CLIENT = 200
MOST_SESSIONS = 500
"""Logins of one user: whoever logs in every minute loses the oldest."""
SESSIONS_AT_ONCE = 100
"""Ended by one login, where an original database has more."""

routes = RouteTable()


@dataclass(frozen=True, slots=True)
class _Account:
    """What a login is decided by; a second factor from an original database must not be passed by for want of a check."""

    user_id: int
    password_hash: str | None
    is_active: bool
    is_banned: bool
    has_second_factor: bool


@routes.post("/auth/register", access=PUBLIC, body=Registration, status=201, returns=Registered)
async def register(call: Call[Registration]) -> Registered:
    """A new account, as far as VOX_REGISTRATION lets; the first one becomes administrator where it is open."""
    chat, body = call.chat, call.body
    limit = chat.config.limit
    validate_length(limit, "username", body.username, "username_max", "username_min")
    validate_length(limit, "password", body.password, "password_max", "password_min")
    validate_length(limit, "display_name", body.display_name, "display_name_max")
    if not body.username.isprintable() or not body.username.strip():
        raise refuse("VALIDATION_ERROR", "body.username: expected printable characters, and not spaces only")
    await _assert_welcome(chat, body)
    now_s = _now_s(chat)
    user = NewUser(
        body.username, body.display_name or body.username, await chat.logins.passwords.hash(body.password), now_s
    )
    token = mint(TOKEN_PREFIX)
    user_id = await chat.change(
        partial(
            _register,
            user=user,
            session=_session(call, token, now_s),
            how=body,
            mode=chat.settings.registration,
        )
    )
    return Registered(user_id, token.text)


@routes.post("/auth/login", access=PUBLIC, body=Credentials, returns=LoggedIn)
async def login(call: Call[Credentials]) -> LoggedIn:
    """A token for name and password; a right invite lets who was kicked or left come back with it."""
    for _ in range(LOGIN_TRIES):
        done = await _log_in(call)
        if done is not None:
            return done
    raise _wrong()


@routes.post("/auth/logout", access=USER)
async def logout(call: Call) -> None:
    """Ends the login whose token came."""
    await call.chat.change(partial(_end_sessions, user_id=call.user_id, session_id=call.session_id))


@routes.get("/auth/sessions", access=USER, returns=SessionList)
async def list_sessions(call: Call) -> SessionList:
    """The caller's logins, newest first; tickets of half a login are none."""
    now_s = _now_s(call.chat)
    rows = await call.chat.read(partial(_sessions_of, user_id=call.user_id, now_s=now_s))
    for row in rows:
        row.is_current = row.session_id == call.session_id
    return SessionList(rows)


@routes.delete("/auth/sessions/{session_id}", access=USER)
async def revoke_session(call: Call) -> None:
    """Ends one of the caller's logins; its sockets close."""
    await call.chat.change(partial(_end_sessions, user_id=call.user_id, session_id=call.id("session_id")))


@routes.post("/auth/password", access=USER, body=PasswordChange)
async def change_password(call: Call[PasswordChange]) -> None:
    """Another password; all other logins end."""
    chat, body = call.chat, call.body
    validate_length(chat.config.limit, "new_password", body.new_password, "password_max", "password_min")
    stored = await chat.read(
        lambda connection: connection.execute(
            select(users.c.password_hash).where(users.c.id == call.user_id)
        ).scalar_one()
    )
    verdict = await chat.logins.passwords.check(body.current_password[:LONGEST_PASSWORD], stored)
    if not verdict.is_right:
        raise refuse("AUTH_FAILED", "The present password is wrong.")
    hashed = await chat.logins.passwords.hash(body.new_password)
    await chat.change(partial(_replace_password, user_id=call.user_id, kept=call.session_id, hashed=hashed, old=stored))


async def _assert_welcome(chat: ChatContext, body: Registration) -> None:
    """Asks before a password is hashed for nothing; the unit of work asks again."""
    if body.setup_token is not None:
        return
    mode = chat.settings.registration
    if mode == "closed":
        raise _closed()
    if mode == "invite":
        if not body.invite_code:
            raise refuse("INVITE_INVALID", "Registration needs an invite.", status=422)
        await assert_usable(chat, body.invite_code)


def _register(
    connection: Connection, *, user: NewUser, session: NewSession, how: Registration, mode: str
) -> Change[int]:
    lock_event_order(connection)
    as_administrator = False
    if how.setup_token is not None:
        use_setup_token(connection, how.setup_token)
        as_administrator = True
    elif mode == "closed":
        raise _closed()
    elif mode == "invite":
        use_invite(connection, how.invite_code or "", user.created_at)
    user_id, events = create_user(
        connection, user, as_administrator=as_administrator, first_is_administrator=mode == "open"
    )
    create_session(connection, user_id, session)
    return Change(user_id, events)


async def _log_in(call: Call[Credentials]) -> LoggedIn | None:
    """None where the password has become another one while it was checked."""
    chat, body = call.chat, call.body
    row: _Account | None = None
    if "\0" not in body.username and len(body.password) <= LONGEST_PASSWORD:
        row = await chat.read(partial(_credentials, username=body.username))
    stored = row.password_hash if row is not None else None
    verdict = await chat.logins.passwords.check(body.password[:LONGEST_PASSWORD], stored)
    if row is None or not verdict.is_right:
        raise _wrong()
    user_id = row.user_id
    if row.is_banned or (not row.is_active and not body.invite_code):
        raise refuse("BANNED", "This account is not a member of the community any more.")
    if row.has_second_factor:
        raise refuse("2FA_REQUIRED", "This account has a second factor, which this version cannot check.", status=401)
    if not row.is_active and body.invite_code:
        await rejoin(chat, user_id, body.invite_code)
    token = mint(TOKEN_PREFIX)
    session = _session(call, token, _now_s(chat))
    is_kept = await chat.change(
        partial(_keep_login, user_id=user_id, session=session, old=stored, renewed=verdict.renewed)
    )
    if not is_kept:
        return None
    person = await chat.logins.member(user_id)
    return LoggedIn(token.text, user_id, person.display_name, sorted(person.role_ids))


def _session(call: Call[Registration] | Call[Credentials], token: Token, now_s: int) -> NewSession:
    client = call.header(b"user-agent")[:LONGEST_CLIENT].replace("\0", "")
    return NewSession(token.digest, now_s, now_s + call.chat.config.session_ttl_s, client or None)


def _credentials(connection: Connection, *, username: str) -> _Account | None:
    totp = exists().where(totp_secrets.c.user_id == users.c.id, totp_secrets.c.enabled)
    passkey = exists().where(webauthn_credentials.c.user_id == users.c.id)
    row = connection.execute(
        select(users.c.id, users.c.password_hash, users.c.active, bans.c.id, or_(totp, passkey))
        .outerjoin(bans, bans.c.user_id == users.c.id)
        .where(users.c.username == username, users.c.home_domain.is_(None))
    ).first()
    return None if row is None else _Account(row[0], row[1], bool(row[2]), row[3] is not None, bool(row[4]))


def _keep_login(
    connection: Connection, *, user_id: int, session: NewSession, old: str | None, renewed: str | None
) -> Change[bool]:
    """Whether the password is still the one that was checked: a change of it ends all logins, also those under way."""
    now = connection.execute(
        select(users.c.password_hash).where(users.c.id == user_id).with_for_update(read=renewed is None)
    ).scalar_one_or_none()
    if now != old:
        return Change(False)
    if renewed is not None:
        connection.execute(update(users).where(users.c.id == user_id).values(password_hash=renewed))
    create_session(connection, user_id, session)
    columns = sessions.c
    mine = select(columns.id).where(columns.user_id == user_id, columns.kind == "login")
    oldest = mine.order_by(columns.id.desc()).limit(SESSIONS_AT_ONCE).offset(MOST_SESSIONS)
    ended = list(connection.execute(delete(sessions).where(columns.id.in_(oldest)).returning(columns.id)).scalars())
    return Change(True, [login_revoked(user_id, ended)] if ended else [])


def _end_sessions(connection: Connection, *, user_id: int, session_id: int) -> Change[None]:
    ended = connection.execute(
        delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.kind == "login")
    ).rowcount
    if not ended:
        raise refuse("SESSION_NOT_FOUND", f"You have no session {session_id}.")
    return Change(None, [login_revoked(user_id, [session_id])])


def _sessions_of(connection: Connection, *, user_id: int, now_s: int) -> list[SessionInfo]:
    columns = sessions.c
    rows = connection.execute(
        select(columns.id, columns.created_at, columns.expires_at, columns.last_used_at, columns.client)
        .where(columns.user_id == user_id, columns.kind == "login", columns.expires_at > now_s)
        .order_by(columns.id.desc())
        .limit(MOST_SESSIONS)
    )
    return [SessionInfo(*row, is_current=False) for row in rows]


def _replace_password(connection: Connection, *, user_id: int, kept: int, hashed: str, old: str | None) -> Change[None]:
    changed = connection.execute(
        update(users).where(users.c.id == user_id, users.c.password_hash == old).values(password_hash=hashed)
    ).rowcount
    if not changed:
        raise refuse("AUTH_FAILED", "The present password is wrong.")
    ended = connection.execute(
        delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id != kept).returning(sessions.c.id)
    ).scalars()
    return Change(None, [login_revoked(user_id, list(ended))])


def _wrong() -> Exception:
    return refuse("AUTH_FAILED", "Username or password is wrong.")


def _closed() -> Exception:
    return refuse("FORBIDDEN", "Registration is closed.")


def _now_s(chat: ChatContext) -> int:
    return int(chat.clock.wall().timestamp())
