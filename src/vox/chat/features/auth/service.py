"""Who gets a token, and what ends one.

Every way to get a token leads through `register` or through the gate (`vox.chat.features.auth.gate`).
"""

from functools import partial

from msgspec import structs

from vox.chat.api.validation import Limits, validate_length, validate_person_name
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events.ids import LoginId, UserId
from vox.chat.events.people import login_revoked
from vox.chat.features.auth import queries
from vox.chat.features.auth.gate import (
    TOKEN_PREFIX,
    Arrival,
    ask_second_factor,
    assert_admitted,
    let_in,
    second_factor_required,
)
from vox.chat.features.auth.schemas import Credentials, LoggedIn, LoginMethods, PasswordChange, Registered, Registration
from vox.chat.features.invites.service import assert_usable, use_invite
from vox.chat.identity.admin_bootstrap import use_setup_token
from vox.chat.identity.factor_queries import read_factors
from vox.chat.identity.joins import raid_audit
from vox.chat.identity.password_guesses import take_guess
from vox.chat.identity.public_address import relying_party
from vox.chat.identity.queries import NewSession, NewUser, Standing, insert_session
from vox.chat.identity.registration import create_user
from vox.security.passwords import prepared
from vox.security.tokens import mint
from vox.stores.sql import Connection

METHOD = "password"
LONGEST_PASSWORD = 4096
LONGEST_NAME = 4096
"""Characters of a name that is compared; far above what may be registered."""
LOGIN_TRIES = 2
"""A password that is replaced while it is checked is checked once more against the new one."""


async def register(chat: ChatContext, body: Registration, client: str | None) -> Registered:
    """Creates an account and its first login.

    Args:
        chat: the server.
        body: the account.
        client: the client's name for the list of logins.

    Raises:
        Refusal: VALIDATION_ERROR; FORBIDDEN, INVITE_INVALID, INVITE_EXPIRED or AUTH_FAILED as VOX_REGISTRATION demands;
            AUTH_FAILED (409) where the name is taken.
    """
    body = _validated(chat.config.limit, body)
    await _assert_allowed(chat, body)
    now_s = chat.clock.unix_s()
    user = NewUser(
        body.username, body.display_name or body.username, await chat.logins.passwords.hash(body.password), now_s
    )
    token = mint(TOKEN_PREFIX)
    session = NewSession(token.digest, now_s, now_s + chat.config.session_ttl_s, client)
    user_id = await chat.change(
        partial(_register, user=user, session=session, body=body, mode=chat.settings.registration)
    )
    return Registered(user_id, token.text)


async def log_in(chat: ChatContext, body: Credentials, arrival: Arrival) -> LoggedIn:
    """Creates a login for name and password; a valid invite lets a user who was kicked or left rejoin with it.

    Args:
        chat: the server.
        body: name and password.
        arrival: who asks; an address that the account was not used from before shares a limit with the others of that kind.

    Raises:
        Refusal: AUTH_FAILED, AUTH_RATE_LIMITED, 2FA_REQUIRED, or what `assert_admitted` raises.
    """
    for _ in range(LOGIN_TRIES):
        done = await _try_log_in(chat, body, arrival)
        if done is not None:
            return done
    raise _wrong_credentials()


def login_methods(chat: ChatContext) -> LoginMethods:
    """How one may register and log in here."""
    settings = chat.settings
    return LoginMethods(
        registration="closed" if settings.oidc_only else settings.registration,
        password=not settings.oidc_only,
        passkeys=relying_party(chat.config) is not None and not settings.oidc_only,
        organisation=settings.oidc_name if settings.oidc_issuer else None,
    )


def end_other_sessions(connection: Connection, *, user_id: UserId, kept: LoginId) -> Change[None]:
    """Ends all logins of a user but one, with the tickets of those in progress."""
    ended = queries.delete_other_sessions(connection, user_id=user_id, kept=kept)
    return Change(None, [login_revoked(user_id, ended)] if ended else [])


def end_session(connection: Connection, *, user_id: UserId, session_id: LoginId) -> Change[None]:
    """Ends one login of a user.

    Raises:
        Refusal: SESSION_NOT_FOUND.
    """
    if not queries.delete_session(connection, user_id=user_id, session_id=session_id):
        raise refuse("SESSION_NOT_FOUND", f"You have no session {session_id}.")
    return Change(None, [login_revoked(user_id, [session_id])])


async def change_password(chat: ChatContext, body: PasswordChange, *, user_id: UserId, session_id: LoginId) -> None:
    """Replaces the password of a user and ends all their logins but one.

    Args:
        chat: the server.
        body: the current and the new password.
        user_id: the owner.
        session_id: the login that stays.

    Raises:
        Refusal: VALIDATION_ERROR, or AUTH_FAILED where the current password is wrong.
    """
    validate_length(chat.config.limit, "new_password", prepared(body.new_password), "password_max", "password_min")
    stored = await chat.read(partial(queries.read_password_hash, user_id=user_id))
    verdict = await chat.logins.passwords.check(body.current_password[:LONGEST_PASSWORD], stored)
    if not verdict.is_right:
        raise _wrong_password()
    hashed = await chat.logins.passwords.hash(body.new_password)
    await chat.change(partial(_replace_password, user_id=user_id, kept=session_id, new=hashed, old=stored))


def _validated(limits: Limits, body: Registration) -> Registration:
    """The registration with its names as they are stored."""
    username = validate_person_name(limits, "username", body.username, "username_max", "username_min")
    validate_length(limits, "password", prepared(body.password), "password_max", "password_min")
    display_name = body.display_name
    if display_name:
        display_name = validate_person_name(limits, "display_name", display_name, "display_name_max")
    return structs.replace(body, username=username, display_name=display_name)


async def _assert_allowed(chat: ChatContext, body: Registration) -> None:
    """Checks before a password is hashed for nothing; the unit of work checks again."""
    if body.setup_token is not None:
        return
    mode = chat.settings.registration
    if mode == "closed" or chat.settings.oidc_only:
        raise _registration_closed()
    if mode == "invite":
        if not body.invite_code:
            raise refuse("INVITE_INVALID", "Registration needs an invite.", status=422)
        await assert_usable(chat, body.invite_code)


def _register(
    connection: Connection, *, user: NewUser, session: NewSession, body: Registration, mode: str
) -> Change[int]:
    lock_event_order(connection)
    as_administrator = False
    if body.setup_token is not None:
        use_setup_token(connection, body.setup_token)
        as_administrator = True
    elif mode == "closed":
        raise _registration_closed()
    elif mode == "invite":
        use_invite(connection, body.invite_code or "", user.created_at)
    user_id, events = create_user(
        connection, user, as_administrator=as_administrator, first_is_administrator=mode == "open"
    )
    insert_session(connection, user_id=user_id, session=session)
    return Change(user_id, events, raid_audit(events))


async def _try_log_in(chat: ChatContext, body: Credentials, arrival: Arrival) -> LoggedIn | None:
    """None where the password was replaced while it was checked."""
    account: queries.Account | None = None
    if "\0" not in body.username and len(body.username) <= LONGEST_NAME and len(body.password) <= LONGEST_PASSWORD:
        account = await chat.read(partial(queries.find_account, username=body.username))
    known, account_id = chat.logins.addresses, account.user_id if account is not None else None
    await take_guess(
        chat.limits, known, user_id=account_id, username=body.username, address=arrival.address, now=chat.clock.now()
    )
    stored = account.password_hash if account is not None else None
    verdict = await chat.logins.passwords.check(body.password[:LONGEST_PASSWORD], stored)
    if account is None or not verdict.is_right:
        raise _wrong_credentials()
    user_id, standing = account.user_id, Standing(account.is_active, account.is_banned)
    await assert_admitted(chat, user_id, standing, arrival, METHOD)
    prove = partial(_is_still, user_id=user_id, old=stored, renewed=verdict.renewed)
    if account.has_second_factor:
        factors = await chat.read(partial(read_factors, user_id=user_id))
        now_s = chat.clock.unix_s()
        ask = partial(ask_second_factor, user_id=user_id, now_s=now_s, method=METHOD, prove=prove)
        ticket = await chat.change(ask)
        if ticket is None:
            return None
        raise second_factor_required(chat, ticket, factors)
    return await let_in(chat, user_id, standing, arrival, method=METHOD, prove=prove)


def _is_still(connection: Connection, *, user_id: UserId, old: str | None, renewed: str | None) -> bool:
    """Whether the password is still the one that was checked: replacing it ends all logins, including those in progress."""
    if queries.lock_password_hash(connection, user_id=user_id, is_read_only=renewed is None) != old:
        return False
    if renewed is not None:
        queries.set_password_hash(connection, user_id=user_id, password_hash=renewed)
    return True


def _replace_password(
    connection: Connection, *, user_id: UserId, kept: LoginId, new: str, old: str | None
) -> Change[None]:
    if not queries.replace_password_hash(connection, user_id=user_id, old=old, new=new):
        raise _wrong_password()
    ended = queries.delete_other_sessions(connection, user_id=user_id, kept=kept)
    return Change(None, [login_revoked(user_id, ended)])


def _wrong_credentials() -> Exception:
    return refuse("AUTH_FAILED", "Username or password is wrong.")


def _wrong_password() -> Exception:
    return refuse("AUTH_FAILED", "The current password is wrong.")


def _registration_closed() -> Exception:
    return refuse("FORBIDDEN", "Registration is closed.")
