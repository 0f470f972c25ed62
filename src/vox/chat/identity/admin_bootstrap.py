"""The first administrator where registration is not open: a set-up token printed at start, or a command on the machine itself.

The token works once, only while there is no administrator, and only its digest is stored; so each start without an administrator
prints a fresh one, and the previous one is void.
"""

from typing import Final

from vox.chat.community import administrators_in
from vox.chat.config.limits import DEFAULTS
from vox.chat.config.queries import delete_row, read_value, store_rows
from vox.chat.config.settings import ChatSettings
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import Change, lock_event_order, persist_outcome
from vox.chat.errors import refuse
from vox.chat.events import Event, member_join, role_assign
from vox.chat.identity import queries
from vox.chat.identity.factor_queries import read_factors, remove_all
from vox.chat.identity.queries import NewUser
from vox.chat.identity.registration import administrator_role, create_default_roles, create_user
from vox.errors import UsageError
from vox.runtime.clock import SystemClock
from vox.security.passwords import Cost, Passwords, prepared
from vox.security.tokens import matches, mint
from vox.stores.sql import Connection, SqlDatabase
from vox.text.names import problem_with_name, stored_name

ROW: Final = "setup_token_sha256"


def issue_setup_token(connection: Connection) -> str | None:
    """A fresh set-up token to print, or None where there is an administrator already; for the start of the server.

    `POST /api/v1/auth/register` with it as `setup_token` creates the first administrator.
    """
    if administrators_in(connection):
        delete_row(connection, key=ROW)
        return None
    token = mint("vox_setup_", 24)
    store_rows(connection, {ROW: token.digest})
    return token.text


def use_setup_token(connection: Connection, token: str) -> None:
    """Consumes the set-up token, within the unit of work that creates the administrator.

    Raises:
        Refusal: AUTH_FAILED, it is wrong or used, or there is an administrator.
    """
    lock_event_order(connection)
    stored = read_value(connection, key=ROW)
    if not stored or not matches(token, stored) or administrators_in(connection):
        raise refuse("AUTH_FAILED", "The set-up token is wrong or was used.")
    delete_row(connection, key=ROW)


def create_administrator(settings: ChatSettings, username: str, password: str) -> str:
    """Creates an administrator, or makes an existing account administrator, replaces its password and removes its second factors.

    It opens the database itself. A running server applies the change within seconds; where the password is replaced, all logins
    of the account end, in a running server within half a minute.

    Args:
        settings: the server's.
        username: of the account.
        password: its new password.

    Returns:
        What was done, in a sentence.

    Raises:
        UsageError: name or password are too short or too long (invalid_value), or the database cannot be used.
    """
    username = stored_name(username)
    for what, value in (("username", username), ("password", prepared(password))):
        low, high = (_limit(settings, f"{what}_{end}") for end in ("min", "max"))
        if not low <= len(value) <= high or "\0" in value:
            raise UsageError(
                f"the {what} must have {low} to {high} characters", code="invalid_value", hint="choose another one"
            )
    if problem := problem_with_name(username):
        raise UsageError(f"the username must have {problem}", code="invalid_value", hint="choose another one")
    hashed = Passwords(Cost(settings.password_memory_kib, settings.password_passes)).hash_now(password)
    clock = SystemClock()
    now_ms = clock.unix_ms()
    user = NewUser(username, username, hashed, now_ms // 1000)
    ids = Snowflakes(clock)

    def unit(connection: Connection) -> str:
        result, events = _promote(connection, user)
        persist_outcome(connection, Change(None, events), ids.next, now_ms)
        return result

    database = SqlDatabase(settings.database_url.get_secret_value())
    database.open()
    try:
        prepare(database)
        return database.run_sync(unit)
    finally:
        database.close()


def _promote(connection: Connection, user: NewUser) -> tuple[str, list[Event]]:
    lock_event_order(connection)
    account = queries.find_local_user(connection, username=user.username)
    if account is None:
        user_id, events = create_user(connection, user, as_administrator=True)
        return f"{user.username} is administrator, with the user id {user_id}.", events
    events = create_default_roles(connection)
    role_id = administrator_role(connection)
    held = queries.read_role_ids(connection, user_id=account.id)
    if role_id not in held:
        queries.insert_role_member(connection, role_id=role_id, user_id=account.id)
        events.append(role_assign(role_id=role_id, user_id=account.id))
    queries.reset_account(connection, user_id=account.id, password_hash=user.password_hash)
    had_factors = read_factors(connection, user_id=account.id).any
    remove_all(connection, user_id=account.id)
    if not account.is_active:
        role_ids = {*held, role_id}
        events.append(member_join(user_id=account.id, username=user.username, role_ids=sorted(role_ids)))
    removed = " Its second factors are removed." if had_factors else ""
    return f"{user.username} exists; the account is now administrator and has the new password.{removed}", events


def _limit(settings: ChatSettings, name: str) -> int:
    return settings.limits.get(name, DEFAULTS[name])
