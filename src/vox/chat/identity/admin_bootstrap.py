"""The first administrator where registration is not open: a set-up token printed at start, or a command on the machine itself.

The token works once, only while nobody is administrator, and only its digest is stored; so each start without an administrator
prints a fresh one, and the one before it is void.
"""

from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.community.administrators import administrators_in
from vox.chat.config.limits import DEFAULTS
from vox.chat.config.runtime_config import store
from vox.chat.config.settings import ChatSettings
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.schema import bans, config, role_members, sessions, users
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import Change, lock_event_order, persist_outcome
from vox.chat.errors import refuse
from vox.chat.events import Event, member_join, role_assign
from vox.chat.identity.registration import NewUser, administrator_role, create_default_roles, create_user
from vox.errors import UsageError
from vox.runtime.clock import SystemClock
from vox.security.passwords import Cost, Passwords
from vox.security.tokens import matches, mint
from vox.stores.sql import SqlDatabase

ROW: Final = "setup_token_sha256"


def issue_setup_token(connection: Connection) -> str | None:
    """A fresh set-up token to print, or None where there is an administrator already; for the start of the server.

    `POST /api/v1/auth/register` with it as `setup_token` makes the first administrator.
    """
    if administrators_in(connection):
        connection.execute(delete(config).where(config.c.key == ROW))
        return None
    token = mint("vox_setup_", 24)
    store({ROW: token.digest})(connection)
    return token.text


def use_setup_token(connection: Connection, token: str) -> None:
    """Uses the set-up token up, within the unit of work that makes the administrator.

    Raises:
        Refusal: AUTH_FAILED, it is wrong or used, or there is an administrator.
    """
    lock_event_order(connection)
    stored = connection.execute(select(config.c.value).where(config.c.key == ROW)).scalar()
    if not stored or not matches(token, stored) or administrators_in(connection):
        raise refuse("AUTH_FAILED", "The set-up token is wrong or was used.")
    connection.execute(delete(config).where(config.c.key == ROW))


def create_administrator(settings: ChatSettings, username: str, password: str) -> str:
    """Makes an account that can do everything, or makes an existing one so and gives it this password.

    It opens the database itself. A server that runs meanwhile notices within seconds; where the password is replaced, all logins
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
    for what, value in (("username", username), ("password", password)):
        low, high = (_limit(settings, f"{what}_{end}") for end in ("min", "max"))
        if not low <= len(value) <= high or "\0" in value:
            raise UsageError(
                f"the {what} must have {low} to {high} characters", code="invalid_value", hint="choose another one"
            )
    hashed = Passwords(Cost(settings.password_memory_kib, settings.password_passes)).hash_now(password)
    clock = SystemClock()
    now_ms = int(clock.wall().timestamp() * 1000)
    user = NewUser(username, username, hashed, now_ms // 1000)
    ids = Snowflakes(clock)

    def unit(connection: Connection) -> str:
        said, events = _promoted(connection, user)
        persist_outcome(connection, Change(None, events), ids.next, now_ms)
        return said

    database = SqlDatabase(settings.database_url.get_secret_value())
    database.open()
    try:
        prepare(database)
        return database.run_sync(unit)
    finally:
        database.close()


def _promoted(connection: Connection, user: NewUser) -> tuple[str, list[Event]]:
    lock_event_order(connection)
    row = connection.execute(
        select(users.c.id, users.c.display_name, users.c.active).where(
            users.c.username == user.username, users.c.home_domain.is_(None)
        )
    ).first()
    if row is None:
        user_id, events = create_user(connection, user, as_administrator=True)
        return f"{user.username} is administrator, with the user id {user_id}.", events
    events = create_default_roles(connection)
    role_id = administrator_role(connection)
    held = connection.execute(select(role_members.c.role_id).where(role_members.c.user_id == row.id)).scalars().all()
    if role_id not in held:
        connection.execute(insert(role_members).values(role_id=role_id, user_id=row.id))
        events.append(role_assign(role_id=role_id, user_id=row.id))
    connection.execute(delete(bans).where(bans.c.user_id == row.id))
    connection.execute(delete(sessions).where(sessions.c.user_id == row.id))
    connection.execute(update(users).where(users.c.id == row.id).values(active=True, password_hash=user.password_hash))
    if not row.active:
        role_ids = {*held, role_id}
        events.append(member_join(user_id=row.id, username=user.username, role_ids=sorted(role_ids)))
    return f"{user.username} exists; it is administrator now and has the new password.", events


def _limit(settings: ChatSettings, name: str) -> int:
    return settings.limits.get(name, DEFAULTS[name])
